// emotionclip doctor: which adapter opens, what it offers, and what the engine uses of it.
import { Command } from "commander";
import pc from "picocolors";
import type { MatrixSize } from "../../engine/declare/facts.ts";
import { GpuError } from "../../engine/errors.ts";
import { findAdapter, type Gpu, type GpuOptions, openGpu } from "../../engine/index.ts";
import { print } from "../terminal/streams.ts";
import type { Context } from "../gpu.ts";

/** What the engine asks of an adapter where it has them, and what for. */
const uses: Record<string, string> = {
  subgroups: "reductions, matmul and attention; needed",
  "subgroup-size-control": "the same number of lanes in every kernel",
  "shader-f16": "storing tensors in half precision",
  "chromium-experimental-subgroup-matrix": "large products of halves, in mixed precision",
  "timestamp-query": "emotionclip profile",
};

/** The limits that decide how large a model or batch can be, or which kernels fit. */
const limits = [
  "maxStorageBufferBindingSize",
  "maxBufferSize",
  "maxStorageBuffersPerShaderStage",
  "maxComputeWorkgroupStorageSize",
  "maxComputeInvocationsPerWorkgroup",
  "maxComputeWorkgroupsPerDimension",
  "minStorageBufferOffsetAlignment",
] as const;

/** What `--json` prints. */
interface Diagnosis {
  adapter: { name: string; vendor: string; architecture: string; device: string; driver: string; software: boolean };
  /** Lanes per subgroup, least and most. */
  subgroups: [number, number];
  features: string[];
  limits: Record<string, number>;
  /** What the engine needs and the adapter lacks; empty when it can run. */
  missing: string[];
  engine?: {
    subgroup: number;
    f16: boolean;
    /** Matrices of halves that a subgroup multiplies as one. */
    matrices: readonly MatrixSize[];
    workgroupBytes: number;
    workgroupSize: number;
    memoryBudget: number;
    tuned: number;
  };
  /** Names for --adapter, best first, as the launcher saw them. */
  adapters: string[];
  system: { node: string; platform: string; arch: string };
}

export function command({ gpu }: Context): Command {
  return new Command()
    .option("--json", "one JSON object instead of text")
    .action((flags: { json?: boolean }) => doctor(flags, gpu()));
}

async function doctor({ json }: { json?: boolean }, options: GpuOptions): Promise<void> {
  const diagnosis = await diagnose(options);
  print(json ? JSON.stringify(diagnosis, undefined, 2) : page(diagnosis));
  if (diagnosis.missing.length) throw new GpuError(`${diagnosis.adapter.name} lacks ${diagnosis.missing.join(", ")}`);
}

/** Looks at the adapter and, where nothing is missing, opens the engine on it. */
async function diagnose(options: GpuOptions): Promise<Diagnosis> {
  const { adapter, software, missing } = await findAdapter(options);
  const { info, features } = adapter;
  const name = options.adapter || info.device || info.description;
  const found: Diagnosis = {
    adapter: {
      name,
      vendor: info.vendor,
      architecture: info.architecture,
      device: info.device,
      driver: info.description,
      software,
    },
    subgroups: [info.subgroupMinSize ?? 0, info.subgroupMaxSize ?? 0],
    features: [...features].sort(),
    limits: Object.fromEntries(limits.map((limit) => [limit, adapter.limits[limit]])),
    missing,
    adapters: (process.env.EMOTIONCLIP_ADAPTERS ?? name).split("\n"),
    system: { node: process.version, platform: process.platform, arch: process.arch },
  };
  if (missing.length) return found;
  const gpu = await openGpu(options);
  found.engine = engineOf(gpu);
  gpu.close();
  return found;
}

function engineOf({ facts, store }: Gpu): NonNullable<Diagnosis["engine"]> {
  const { subgroup, f16, matrices = [], workgroupBytes, workgroupSize, tuned } = facts;
  return { subgroup, f16, matrices, workgroupBytes, workgroupSize, memoryBudget: store.budget, tuned: tuned.size };
}

const size = (bytes: number) =>
  bytes >= 2 ** 30
    ? `${(bytes / 2 ** 30).toFixed(1)} GiB`
    : bytes >= 2 ** 20
      ? `${(bytes / 2 ** 20).toFixed(0)} MiB`
      : `${bytes / 1024} KiB`;
const isSize = (limit: string) => /Size$/.test(limit);

function page({ adapter, subgroups, features, limits, missing, engine, adapters, system }: Diagnosis): string {
  const [least, most] = subgroups;
  const row = (label: string, value: string) => `  ${label.padEnd(38)}${value}`;
  const title = (text: string) => `\n${pc.bold(text)}`;
  const others = Object.keys(uses).filter((feature) => features.includes(feature));
  const lines = [
    pc.bold("adapter"),
    row("name", adapter.name),
    row("kind", adapter.software ? "software (rasteriser on the CPU)" : "GPU"),
    row("vendor, architecture", `${adapter.vendor || "?"}, ${adapter.architecture || "?"}`),
    row("driver", adapter.driver || "?"),
    row("lanes of a subgroup", least === most ? `${least}` : `${least} to ${most}`),
    row("for --adapter", adapters.join("; ")),
    title("features the engine uses"),
    ...Object.entries(uses).map(([feature, what]) =>
      row(feature, `${others.includes(feature) ? "yes" : "no "}  ${what}`),
    ),
    row("others", `${features.length - others.length}; --json lists them`),
    title("limits"),
    ...Object.entries(limits).map(([limit, value]) => row(limit, isSize(limit) ? size(value) : String(value))),
  ];
  if (missing.length) lines.push(title("missing"), ...missing.map((what) => `  ${what}`));
  if (engine) {
    lines.push(
      title("the engine will use"),
      row("lanes of a subgroup", String(engine.subgroup)),
      row("half precision", engine.f16 ? "available as storage" : "no; everything is f32"),
      row("matrices of halves", engine.matrices.map(({ m, n, k }) => `${m}x${n}x${k}`).join(", ") || "none"),
      row("workgroup", `${engine.workgroupSize} invocations, ${size(engine.workgroupBytes)}`),
      row("memory budget", `${size(engine.memoryBudget)} (--gpu-memory)`),
      row("tuned choices", engine.tuned ? String(engine.tuned) : "none; the built-in table serves (emotionclip tune)"),
    );
  }
  return [...lines, title("system"), row("Node", `${system.node} on ${system.platform} ${system.arch}`)].join("\n");
}
