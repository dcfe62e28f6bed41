// What losses over class numbers share: rows that are ignored, and the mean over the others.
import { type Attrs, pass } from "../../engine/declare/pass.ts";
import type { Sizes } from "../../engine/declare/signature.ts";
import { ShapeError } from "../../engine/errors.ts";
import { op } from "../../engine/record/op.ts";
import type { Tensor } from "../../engine/record/tensor.ts";
import { lanesGrid } from "../lib/flat.ts";
import levels from "../lib/levels.wgsl";
import panels from "../lib/panels.wgsl";
import type { Reduction } from "../loss/reduction.ts";
import { sum } from "../reduce/reduce.ts";
import mean from "./mean.wgsl";
import meanDx from "./mean-dx.wgsl";

/** The ignored class as the targets hold it, if there is one: −100 is 2³² − 100 there. */
export const ignored = (attrs: Attrs): number | undefined =>
  Number.isFinite(attrs.ignore) ? Number(attrs.ignore) >>> 0 : undefined;

/** The same as fields of Dims. */
export const ignoring = (_: Sizes, attrs: Attrs) => {
  const also = ignored(attrs);
  return { ignores: also === undefined ? 0 : 1, ignored: also ?? 0 };
};

/** Refuses what is no number of a class, as `loss` says. */
export function checkIgnore(loss: string, ignore: number): void {
  if (Number.isFinite(ignore) && !(Number.isInteger(ignore) && ignore >= -(2 ** 31) && ignore < 2 ** 32))
    throw new ShapeError(`${loss}: ignore is ${ignore}, expected a class number`);
}

/** Some rows have class 0, which the tests ignore; the first row has the last class, so that not all are ignored. */
export const drawTargets = (random: () => number, { C }: Sizes, n: number) =>
  Array.from({ length: n }, (_, i) => (i ? Math.floor(random() * C) : C - 1));

const meanOverTargets = op({
  name: "meanOverTargets",
  about: "loss = the mean of nll_n over the rows n whose target is not `ignore`",
  sig: "nll_N:f32 targets_N:u32 -> loss:f32",
  attrs: { ignore: Infinity },
  forward: [
    pass("nll_N:f32 targets_N:u32 -> loss:f32 share:f32", [panels, levels, mean], () => 1, { uniforms: ignoring }),
  ],
  backward: [
    pass("dloss:f32 targets_N:u32 share:f32 -> dnll_N:f32", meanDx, ({ N }, consts) => lanesGrid(N, consts), {
      uniforms: ignoring,
    }),
  ],
  ref({ nll, targets }, _, { ignore }) {
    const kept = nll.filter((_, n) => targets[n] !== ignored({ ignore }));
    return { loss: [kept.reduce((total, v) => total + v, 0) / kept.length] };
  },
  flops: ({ N }) => N,
  bench: [{ N: 2 ** 20 }],
  test: {
    attrs: [{}, { ignore: 0 }],
    draw: { targets: (random, _, n) => drawTargets(random, { C: 3 }, n) },
  },
});

/** Rows of a loss to what is asked for: their mean over targets that count, their sum, or themselves. */
export function overTargets(nll: Tensor, targets: Tensor<"u32">, ignore: number, reduction: Reduction): Tensor {
  if (reduction === "none") return nll;
  return reduction === "sum" ? sum(nll) : meanOverTargets(nll, targets, { ignore });
}
