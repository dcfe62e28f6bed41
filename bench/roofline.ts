// The roofline of the device in use, measured on it: bandwidth of a vec4 copy, rate of multiply-adds in registers, and
// what a launch costs. Best of several samples: a roofline is what the device can do, not what it did on average.
import type { Gpu } from "../engine/device/gpu.ts";
import { ceilDiv } from "../engine/declare/pass.ts";
import type { Dtype } from "../engine/declare/signature.ts";
import type { Roofline } from "../engine/device/roofline.ts";
import { toHalf } from "../engine/half.ts";
import type { Storage } from "../engine/record/value.ts";
import { takes } from "../engine/takes.ts";
import { type Clock, interleave, secondsOf } from "./measure.ts";
import { bindRaw, bufferOf, compileRaw, type RawLaunch, submitRaw } from "./raw.ts";
import copyText from "./roofline/copy.wgsl";
import nothingText from "./roofline/nothing.wgsl";
import multiplyAddText from "./roofline/multiply-add.wgsl";

/** A vec4 copy of `bytes` as one launch, both buffers its own: the yardstick of kernels that only move data. */
export const copyOf = (gpu: Gpu, bytes: number): RawLaunch => copied(gpu, bytes).launch;

function copied(gpu: Gpu, bytes: number): { launch: RawLaunch; y: Storage } {
  const kernel = compileRaw(gpu, copyText, "copy.wgsl");
  const x = bufferOf(gpu, new Float32Array(bytes / 4).fill(1));
  const y = gpu.store.allocate(bytes, "other");
  const n = bytes / 16;
  const groups = ceilDiv(n, kernel.consts.WG * (256 / gpu.facts.subgroup));
  const grid = groups > 65535 ? [65535, ceilDiv(groups, 65535)] : [groups];
  return { launch: bindRaw(gpu, kernel, { x, y }, { n }, grid), y };
}

/** Arithmetic in registers as one launch, and the vec4s of type `T` that it writes, each element 8. */
export function addsOf(
  gpu: Gpu,
  T: "f32" | "f16" = "f32",
): { launch: RawLaunch; flops: number; y: Storage; lanes: number } {
  const { software } = gpu.facts;
  const groups = software ? 64 : 8192;
  const steps = software ? 2048 : 4096;
  const kernel = compileRaw(gpu, multiplyAddText, `multiply-add.wgsl, ${T}`, {}, T);
  const lanes = groups * kernel.consts.WG;
  const a = [0.5, 0.5, 0.5, 0.5];
  const x = bufferOf(gpu, T === "f32" ? Float32Array.from(a) : Uint16Array.from([...a, ...a], toHalf));
  const y = gpu.store.allocate(bytesOfQuads(T) * lanes, "other");
  return { launch: bindRaw(gpu, kernel, { x, y }, { steps }, [groups]), flops: 64 * steps * lanes, y, lanes };
}

const bytesOfQuads = (T: Dtype): number => (T === "f16" ? 8 : 16);

/** A launch that does nothing but write 1. */
export function nothingOf(gpu: Gpu): { launch: RawLaunch; y: Storage } {
  const y = gpu.store.allocate(16, "other");
  return { launch: bindRaw(gpu, compileRaw(gpu, nothingText, "nothing.wgsl"), { y }, {}, [1]), y };
}

/** The copy by which bandwidth is measured, of ones into y. */
export function copiesOf(gpu: Gpu): { launch: RawLaunch; y: Storage; bytes: number } {
  const bytes = gpu.facts.software ? 2 ** 25 : Math.min(2 ** 28, gpu.store.maxBinding);
  return { ...copied(gpu, bytes), bytes };
}

/** CPU rasterisers are measured by CPU time, which other processes do not stretch. */
export const clockOf = ({ facts }: Gpu): Clock => (facts.software ? "cpu" : "wall");

/**
 * The roofline of an open GPU, measured on it in about a second: bytes and flops per second at best, and the seconds that a launch
 * costs. `rounds` samples are taken, and the best counts. Errors: UsageError for what is no GPU.
 */
export async function measureRoofline(gpu: Gpu, rounds = 5): Promise<Roofline> {
  takes("measureRoofline(gpu: { device: object, facts: object, store: object, ... }, rounds?: size)", arguments);
  const clock = clockOf(gpu);
  const copies = copiesOf(gpu);
  const adds = addsOf(gpu);
  const arms = [copies.launch, adds.launch, nothingOf(gpu).launch].map((launch) => ({
    name: "",
    run: (reps: number) => {
      submitRaw(gpu, [launch], reps);
      return gpu.idle();
    },
  }));
  const [moved, added, launched] = await interleave(arms, rounds);
  return {
    bytesPerSecond: (2 * copies.bytes) / secondsOf(moved, clock, true),
    flopsPerSecond: adds.flops / secondsOf(added, clock, true),
    launch: secondsOf(launched, clock, true),
  };
}
