// The health of a step, decided on the device: one norm over all gradients, a count of what is not finite, and the
// factor that optimisers multiply gradients by. Nothing is read back.
import { ceilDiv, pass } from "../../engine/declare/pass.ts";
import { ShapeError } from "../../engine/errors.ts";
import { op } from "../../engine/record/op.ts";
import type { Tensor } from "../../engine/record/tensor.ts";
import { takes } from "../../engine/takes.ts";
import { subgroupGrid } from "../lib/flat.ts";
import panels from "../lib/panels.wgsl";
import rows from "../lib/rows.wgsl";
import { concat } from "../shape/join.ts";
import clip from "./clip.wgsl";
import scaled from "./scaled.wgsl";
import squares from "./squares.wgsl";
import total from "./total.wgsl";

const isFinite32 = (x: number): boolean => Number.isFinite(Math.fround(x));

/** g_N -> sums_C2: per chunk the sum of squares and the number of elements that are not finite. */
export const squareSums = op({
  name: "squareSums",
  about: "sums_c = [Σ g², number of elements not finite] over chunk c",
  sig: "g_N -> sums_C2:f32",
  derive: ({ N }) => ({ C: Math.min(1024, ceilDiv(N, 16384)) }),
  forward: [pass("g_N -> sums_C2:f32", [panels, rows, squares], ({ C }, consts) => subgroupGrid(C, consts))],
  ref({ g }, { N, C }) {
    const sums = new Float64Array(2 * C);
    const size = ceilDiv(ceilDiv(N, 4), C) * 4;
    for (let i = 0; i < N; i++) {
      const c = Math.floor(i / size);
      if (isFinite32(g[i])) sums[2 * c] += g[i] ** 2;
      else sums[2 * c + 1] += 1;
    }
    return { sums };
  },
  flops: ({ N }) => 2 * N,
  bench: [{ N: 1 << 24 }],
  test: {
    sizes: { N: [1, 2, 3, 4, 5, 7, 33, 16383, 16385, 30000] },
    draw: {
      g: (random, _, n) =>
        Array.from({ length: n }, () =>
          random() < 0.1 ? [Infinity, -Infinity, NaN][Math.floor(3 * random())] : random(),
        ),
    },
  },
});

const totalNorm = op({
  name: "totalNorm",
  about: "norm = √Σ_c sums_c0 and bad = Σ_c sums_c1 over the chunks of all gradients",
  sig: "sums_C2:f32 -> norm:f32 bad:u32",
  forward: [pass("sums_C2:f32 -> norm:f32 bad:u32", [panels, total], () => 1)],
  ref({ sums }: Record<string, Float64Array>, { C }) {
    let [square, bad] = [0, 0];
    for (let c = 0; c < C; c++) [square, bad] = [square + sums[2 * c], bad + sums[2 * c + 1]];
    return { norm: [Math.sqrt(square)], bad: [bad] };
  },
  flops: ({ C }) => 2 * C,
  bench: [{ C: 4096 }],
  test: {
    finite: () => ({ sums: "squareSums counts what is not finite, and leaves it out of its sums" }),
    draw: {
      sums: (random, _, n) => Array.from({ length: n }, (_, i) => (i % 2 ? Math.floor(3 * random()) : random())),
    },
  },
});

/** The norm of all gradients together, and how many of their elements are not finite: both stay on the device. */
export function gradNorm(gradients: readonly Tensor[]): { norm: Tensor; bad: Tensor<"u32"> } {
  takes("gradNorm(gradients: tensor[])", arguments);
  if (gradients.length === 0) throw new ShapeError("gradNorm: no gradients");
  const [norm, bad] = totalNorm(concat(gradients.map((g) => squareSums(g))));
  return { norm, bad };
}

/**
 * norm, bad -> factor on gradients so that their norm is at most `most`; 0 says that the step must not be taken.
 * Gradients of a loss that was multiplied by `lossScale` come back to their own size.
 */
export const clipFactor = op({
  name: "clipFactor",
  about: "factor = min(1, most / norm), 0 if any gradient is not finite",
  sig: "norm:f32 bad:u32 -> factor:f32",
  attrs: { most: Number.POSITIVE_INFINITY, lossScale: 1 },
  takes: { most: "limit", lossScale: "positive" },
  forward: [
    pass("norm:f32 bad:u32 -> factor:f32", clip, () => 1, {
      uniforms: (_, { most }) => ({ limit: Math.min(Number(most), 3e38) }),
    }),
  ],
  ref: ({ norm, bad }: Record<string, Float64Array>, _, { most, lossScale }) => ({
    factor: [bad[0] > 0 || !isFinite32(norm[0]) ? 0 : Math.min(1, most / (norm[0] / lossScale + 1e-6)) / lossScale],
  }),
  flops: () => 4,
  bench: [{}],
  test: {
    draw: { norm: "positive", bad: (random) => [Math.max(0, Math.floor(4 * random()) - 2)] },
    attrs: [{}, { most: 0.5 }, { most: 1, lossScale: 1024 }],
  },
});

/** Whether a step with such a norm and such a count may be taken. */
const isSound = (norm: number, bad: number) => bad === 0 && isFinite32(norm);

/** The same for a factor on gradients of a loss that was multiplied by `scale`: what `scaledFactor` computes, in f64. */
function scaled64(inputs: Record<string, Float64Array>, attrs: Record<string, number>) {
  const { norm, bad, scale, sound } = Object.fromEntries(
    Object.entries(inputs).map(([name, [value]]) => [name, value]),
  );
  const { most, growth, backoff, interval } = attrs;
  if (!isSound(norm, bad)) return { factor: 0, own: norm / scale, scale: scale * backoff, sound: 0 };
  const own = norm / scale;
  const grows = sound + 1 >= interval;
  const next = grows && scale * growth <= 2 ** 126 ? scale * growth : scale;
  return { factor: Math.min(1, most / (own + 1e-6)) / scale, own, scale: next, sound: grows ? 0 : sound + 1 };
}

const scaledSig = "norm:f32 bad:u32 scale:f32 sound:f32 -> factor:f32 own:f32 scale:f32 sound:f32";

/**
 * `clipFactor` for gradients of a loss that was multiplied by `scale`, which is kept on the device: norm, bad, scale, and the number of
 * sound steps since it last changed -> the factor (0: the step must not be taken), and the norm of the gradients themselves. In place,
 * as torch.cuda.amp.GradScaler: scale becomes scale · backoff where the step is not taken, scale · growth after `interval` sound ones.
 */
export const scaledFactor = op({
  name: "scaledFactor",
  about:
    "factor = min(1, most · scale / norm) / scale, 0 if any gradient is not finite; scale backs off or grows in place",
  sig: scaledSig,
  attrs: { most: Number.POSITIVE_INFINITY, growth: 2, backoff: 0.5, interval: 2000 },
  takes: { most: "limit", growth: "positive", backoff: "positive", interval: "count" },
  forward: [pass(scaledSig, scaled, () => 1, { uniforms: (_, { most }) => ({ limit: Math.min(Number(most), 3e38) }) })],
  ref(inputs: Record<string, Float64Array>, _, attrs) {
    return Object.fromEntries(Object.entries(scaled64(inputs, attrs)).map(([name, value]) => [name, [value]]));
  },
  flops: () => 8,
  bench: [{}],
  test: {
    finite: () => ({ scale: "it begins finite and stays so", sound: "it counts" }),
    draw: {
      norm: "positive",
      bad: (random) => [Math.max(0, Math.floor(4 * random()) - 2)],
      scale: (random) => [2 ** Math.floor(20 * random() - 2)],
      sound: (random) => [Math.floor(4 * random())],
    },
    attrs: [{}, { most: 0.5, interval: 3 }, { most: 1, growth: 4, backoff: 0.25, interval: 1 }],
  },
});
