// What the device can do at best: bandwidth, arithmetic in registers of f32 and f16, matrix units, and what a launch costs.
import type { MatrixSize } from "../../engine/declare/facts.ts";
import type { Gpu } from "../../engine/device/gpu.ts";
import { type Storage, Value } from "../../engine/record/value.ts";
import { type Arm, interleave, secondsOf } from "../measure.ts";
import { bindRaw, bufferOf, compileRaw, type RawLaunch, submitRaw } from "../raw.ts";
import { addsOf, clockOf, copiesOf, nothingOf } from "../roofline.ts";
import { matrixRateText } from "../roofline/matrix-rate.ts";
import type { ReportPart, ReportRow } from "./part.ts";
import { toHalf } from "../../engine/half.ts";

/** A launch in a pass of its own, as often as wanted. */
export const launchArm = (gpu: Gpu, launch: RawLaunch): Arm => ({
  name: "",
  run(reps) {
    submitRaw(gpu, [launch], reps);
    return gpu.idle();
  },
});

/** One ceiling: how it is found, and what is wrong of its output. */
interface Ceiling {
  readonly name: string;
  readonly unit: "GB/s" | "GFLOP/s" | "us";
  readonly launch: RawLaunch;
  /** Bytes or flops of a launch. */
  readonly amount: number;
  check(): Promise<string | undefined>;
}

async function unequal(
  gpu: Gpu,
  y: Storage,
  elements: number,
  T: "f32" | "f16",
  want: number,
): Promise<string | undefined> {
  const got = await gpu.read(new Value(elements, T), y);
  const at = got.findIndex((value) => value !== want);
  return at < 0 ? undefined : `element ${at} is ${got[at]}, not ${want}`;
}

const adds = (gpu: Gpu, T: "f32" | "f16"): Ceiling => {
  const { launch, flops, y, lanes } = addsOf(gpu, T);
  return {
    name: `arithmetic of ${T} in registers`,
    unit: "GFLOP/s",
    launch,
    amount: flops,
    check: () => unequal(gpu, y, 4 * lanes, T, 8),
  };
};

function matrices(gpu: Gpu, size: MatrixSize): Ceiling {
  const { software, subgroup } = gpu.facts;
  const [groups, steps] = software ? [4, 16] : [4096, 1024];
  const { text, sum, sums, flops } = matrixRateText(size, subgroup, steps);
  const { m, n, k } = size;
  const [a, b] = [m * k, k * n].map((elements) => bufferOf(gpu, new Uint16Array(elements).fill(toHalf(1 / 16))));
  const y = gpu.store.allocate(4 * m * n * sums * groups, "other");
  const launch = bindRaw(gpu, compileRaw(gpu, text, `matrices ${m}x${n}x${k}`), { a, b, y }, { steps }, [groups]);
  return {
    name: `matrices ${m}x${n}x${k} of f16 into f32`,
    unit: "GFLOP/s",
    launch,
    amount: flops * groups,
    check: () => unequal(gpu, y, m * n * sums * groups, "f32", sum),
  };
}

/** The part. */
export const ceilingsPart: ReportPart = {
  name: "ceilings",
  title: "Ceilings",
  about:
    "The best of several samples: a copy of vec4s, multiply-adds in registers, matrix units on operands that stay, an empty launch. Each output is compared with the number that it must be.",
  seconds: 20,
  columns: [
    { key: "rate", title: "rate" },
    { key: "unit", title: "", as: "text" },
  ],
  async run({ gpu: open, sizes, tell, late }) {
    const gpu = await open();
    const { f16, matrices: found = [] } = gpu.facts;
    const rate = async ({ name, unit, launch, amount, check }: Ceiling): Promise<number | null> => {
      if (late()) {
        tell({ skipped: name });
        return null;
      }
      const [timing] = await interleave([launchArm(gpu, launch)], sizes.rounds + 2, sizes.sampleMs);
      const seconds = secondsOf(timing, clockOf(gpu), true);
      const fault = await check();
      const value = unit === "us" ? seconds * 1e6 : amount / seconds / 1e9;
      const row: ReportRow = { name, right: fault === undefined, note: fault, cells: { rate: value, unit } };
      tell({ row });
      return unit === "us" ? seconds : amount / seconds;
    };
    const copied = copiesOf(gpu);
    const bytesPerSecond = await rate({
      name: "memory, a copy",
      unit: "GB/s",
      launch: copied.launch,
      amount: 2 * copied.bytes,
      check: () => unequal(gpu, copied.y, copied.bytes / 4, "f32", 1),
    });
    const f32 = await rate(adds(gpu, "f32"));
    const empty = nothingOf(gpu);
    const launch = await rate({
      name: "an empty launch among others",
      unit: "us",
      launch: empty.launch,
      amount: 0,
      check: () => unequal(gpu, empty.y, 1, "f32", 1),
    });
    const half = f16 ? await rate(adds(gpu, "f16")) : null;
    const rates = [];
    for (const size of found) rates.push(await rate(matrices(gpu, size)));
    if (!f16) tell({ skipped: "arithmetic of f16: no half precision here" });
    if (found.length === 0) tell({ skipped: "matrix units: none of halves into f32 here" });
    const best = Math.max(0, ...rates.map((each) => each ?? 0)) || null;
    if (bytesPerSecond !== null && f32 !== null && launch !== null)
      tell({ learned: { ceilings: { bytesPerSecond, f32, f16: half, matrices: best, launch } } });
  },
};
