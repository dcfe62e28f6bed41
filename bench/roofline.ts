// The roofline of the device in use, measured on it: bandwidth of a vec4 copy, rate of multiply-adds in registers, and
// what a launch costs. Best of several samples: a roofline is what the device can do, not what it did on average.
import type { Gpu } from "../engine/device/gpu.ts";
import { ceilDiv } from "../engine/declare/pass.ts";
import type { Roofline } from "../engine/device/roofline.ts";
import { takes } from "../engine/takes.ts";
import { type Clock, interleave, secondsOf } from "./measure.ts";
import { bindRaw, bufferOf, compileRaw, type RawLaunch, submitRaw } from "./raw.ts";
import copyText from "./roofline/copy.wgsl";
import nothingText from "./roofline/nothing.wgsl";
import multiplyAddText from "./roofline/multiply-add.wgsl";

/** A vec4 copy of `bytes` as one launch, both buffers its own: the yardstick of kernels that only move data. */
export function copyOf(gpu: Gpu, bytes: number): RawLaunch {
  const kernel = compileRaw(gpu, copyText, "copy.wgsl");
  const x = bufferOf(gpu, new Float32Array(bytes / 4).fill(1));
  const y = gpu.store.allocate(bytes, "other");
  const n = bytes / 16;
  const groups = ceilDiv(n, kernel.consts.WG * (256 / gpu.facts.subgroup));
  const grid = groups > 65535 ? [65535, ceilDiv(groups, 65535)] : [groups];
  return bindRaw(gpu, kernel, { x, y }, { n }, grid);
}

/** CPU rasterisers are measured by CPU time, which other processes do not stretch. */
export const clockOf = ({ facts }: Gpu): Clock => (facts.software ? "cpu" : "wall");

/**
 * The roofline of an open GPU, measured on it in about a second: bytes and flops per second at best, and the seconds that a launch
 * costs. `rounds` samples are taken, and the best counts. Errors: UsageError for what is no GPU.
 */
export async function measureRoofline(gpu: Gpu, rounds = 5): Promise<Roofline> {
  takes("measureRoofline(gpu: { device: object, facts: object, store: object, ... }, rounds?: size)", arguments);
  const { software } = gpu.facts;
  const clock = clockOf(gpu);
  const bytes = software ? 2 ** 25 : Math.min(2 ** 28, gpu.store.maxBinding);
  const groups = software ? 64 : 8192;
  const steps = software ? 2048 : 4096;

  const kernel = compileRaw(gpu, multiplyAddText, "multiply-add.wgsl");
  const lanes = groups * kernel.consts.WG;
  const x = bufferOf(gpu, new Float32Array(4).fill(0.5));
  const y = gpu.store.allocate(16 * lanes, "other");
  const sums = bindRaw(gpu, kernel, { x, y }, { steps }, [groups]);
  const nothing = bindRaw(gpu, compileRaw(gpu, nothingText, "nothing.wgsl"), { y }, {}, [1]);

  const arms = [copyOf(gpu, bytes), sums, nothing].map((launch) => ({
    name: "",
    run: (reps: number) => {
      submitRaw(gpu, [launch], reps);
      return gpu.idle();
    },
  }));
  const [copied, added, launched] = await interleave(arms, rounds);
  return {
    bytesPerSecond: (2 * bytes) / secondsOf(copied, clock, true),
    flopsPerSecond: (64 * steps * lanes) / secondsOf(added, clock, true),
    launch: secondsOf(launched, clock, true),
  };
}
