// The adapter: what it is and offers, and in which state its clocks are.
import { execFile } from "node:child_process";
import { availableParallelism, cpus, totalmem } from "node:os";
import { findAdapter } from "../../engine/device/open.ts";
import type { GpuOptions } from "../../engine/device/open.ts";
import type { ReportCell, PartRun, ReportPart } from "./part.ts";

const GiB = 2 ** 30;

/** What half precision needs, and what matrices need: both have ended processes on some drivers. */
export const HALF = "shader-f16";
export const MATRICES = "chromium-experimental-subgroup-matrix";

/** The part; `options` say which adapter. */
export const adapterPart = (options: () => GpuOptions): ReportPart => ({
  name: "adapter",
  title: "Adapter and limits",
  about:
    "What Dawn offers of the device, what the engine uses of it, and what the driver says of its clocks: an idle GPU runs slower at first.",
  seconds: 10,
  columns: [{ key: "value", title: "", as: "text" }],
  async run(part) {
    const { adapter, software, missing } = await findAdapter(options());
    const { info, limits, features } = adapter;
    const fact = (name: string, value: ReportCell) => part.tell({ row: { name, right: null, cells: { value } } });
    const name = [info.vendor, info.architecture, info.description || info.device].filter(Boolean).join(" | ");
    fact("adapter", name);
    fact("kind", software ? "software: a rasteriser on the CPU" : "GPU");
    if (software && !part.known.tiny)
      return part.tell({
        refused: `gpu-report: ${name} is a software adapter, a rasteriser on the CPU and no GPU; its figures would say nothing of one. Write --tiny to try the report itself, or --adapter with the name of a GPU (emotionclip doctor lists what is there)`,
      });
    fact("features", [...features].sort().join(", "));
    if (missing.length) throw new Error(`the adapter lacks what the engine needs: ${missing.join(", ")}`);
    for (const limit of [
      "maxStorageBufferBindingSize",
      "maxBufferSize",
      "maxStorageBuffersPerShaderStage",
      "maxComputeWorkgroupStorageSize",
      "maxComputeInvocationsPerWorkgroup",
    ] as const)
      fact(limit, limits[limit]);
    fact("processor", `${availableParallelism()} x ${cpus()[0]?.model ?? "?"}, ${(totalmem() / GiB).toFixed(0)} GiB`);
    fact("system", `${process.platform} ${process.arch}, Node ${process.version}`);
    const own = await nvidia();
    for (const [key, value] of Object.entries(own ?? {})) fact(key, value);
    const gpu = await part.gpu([HALF, MATRICES]);
    fact("lanes of a subgroup", gpu.facts.subgroup);
    fact("tuned choices", gpu.facts.tuned.size);
    memory(part, gpu.store.budget, own?.["memory, MiB"], fact);
  },
});

/** The engine's budget; where Dawn tells no heaps it is 4 GiB, and the driver's own number is better. */
function memory(
  { known, tell }: PartRun,
  budget: number,
  driver: ReportCell | undefined,
  fact: (name: string, value: ReportCell) => void,
): void {
  const total = typeof driver === "number" ? driver * 2 ** 20 : 0;
  const better = known.memory === undefined && budget === 4 * GiB && 0.85 * total > budget;
  if (better) tell({ learned: { memory: Math.floor(0.85 * total) } });
  const from =
    known.memory !== undefined ? "as --gpu-memory says" : better ? "85 % of what nvidia-smi tells" : "the engine's own";
  fact("memory budget", `${((better ? 0.85 * total : budget) / GiB).toFixed(1)} GiB, ${from}`);
}

const fields = {
  "nvidia-smi": "name",
  driver: "driver_version",
  "clock, MHz": "clocks.sm",
  "highest clock, MHz": "clocks.max.sm",
  "memory clock, MHz": "clocks.mem",
  "memory, MiB": "memory.total",
  "memory in use, MiB": "memory.used",
  "power, W": "power.draw",
  "temperature, C": "temperature.gpu",
} as const;

/** What nvidia-smi says of the one GPU that there is; nothing where there is no such program, or several GPUs. */
export function nvidia(): Promise<Record<string, ReportCell> | undefined> {
  const words = [`--query-gpu=${Object.values(fields)}`, "--format=csv,noheader,nounits"];
  return new Promise((resolve) => {
    execFile("nvidia-smi", words, { timeout: 5000 }, (error, stdout) => {
      const lines = stdout.trim().split("\n");
      if (error || lines.length !== 1) return resolve(undefined);
      const values = lines[0].split(", ").map((text): ReportCell => (/^\d+(\.\d+)?$/.test(text) ? Number(text) : text));
      resolve(Object.fromEntries(Object.keys(fields).map((key, i) => [key, values[i] ?? null])));
    });
  });
}
