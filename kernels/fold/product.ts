// Products along axes. Each factor's rounding stays in a product, whatever the order: its error grows with its length.
import { pass } from "../../engine/declare/pass.ts";
import { type Dtype, isWholeType } from "../../engine/declare/signature.ts";
import { op } from "../../engine/record/op.ts";
import type { Tensor } from "../../engine/record/tensor.ts";
import { takes } from "../../engine/takes.ts";
import type { Axes } from "../lib/axes.ts";
import { lanesGrid } from "../lib/flat.ts";
import { type Over, reduceOver } from "../reduce/over.ts";
import { foldShared, runsOf } from "./fold.ts";
import productDx from "./product-dx.wgsl";
import runsDx from "./product-runs-dx.wgsl";
import { totalOf, wholeTotal } from "./total.ts";

/** Of size about 1, so that products of hundreds are numbers; in two rows of three one element is 0, in some two. */
const draw = (random: () => number, { A = 1 }: Record<string, number>, n: number) =>
  Array.from({ length: n }, () =>
    random() < 0.7 / A ? 0 : (random() < 0.5 ? -1 : 1) * Math.exp(0.6 * random() - 0.3),
  );

const prodOver = op({
  name: "prod",
  about: "y_nm = Π_a x_nam",
  sig: "x_NAM -> y_NM",
  derive: runsOf,
  forward: foldShared({
    about: "y_nm = Π_a x_nam",
    ...totalOf("f32", "p * q"),
    writes: { y: "T(state.total)" },
  }),
  backward: [
    pass("dy_NM partTotal_CNM:f32 -> dpartTotal_CNM:f32", runsDx, ({ N, M }, consts) => lanesGrid(N * M, consts), {
      label: "runs of dx",
    }),
    pass(
      "dpartTotal_CNM:f32 x_NAM -> before_NAM:f32 dx_NAM",
      productDx,
      ({ N, M, C }, consts) => lanesGrid(N * M * C, consts),
      { label: "dx" },
    ),
  ],
  ref({ x }, { N, A, M }) {
    const y = new Float64Array(N * M).fill(1);
    for (let i = 0; i < N * A * M; i++) y[Math.floor(i / (A * M)) * M + (i % M)] *= x[i];
    return { y };
  },
  flops: ({ N, A, M }) => N * A * M,
  bench: [{ N: 1232, A: 1000, M: 1 }],
  test: { sizes: { A: [1, 2, 3, 5, 8, 13, 33, 67, 130, 300] }, draw: { x: draw } },
});

const wholeProd = wholeTotal("prodWhole", "y_nm = Π_a x_nam modulo 2³², of whole numbers", "p * q", Math.imul);

/**
 * Product over one axis or several, or of everything; of whole numbers modulo 2³², without a gradient. The gradient at an element is the
 * product of the others, right where some are 0.
 */
export function prod<D extends Dtype>(x: Tensor<D>, axis?: Axes, keepdim = false): Tensor<D> {
  takes("prod(x: tensor, axis?: whole | whole[], keepdim?: flag)", arguments);
  return isWholeType(x.dtype)
    ? reduceOver(wholeProd as Over<D, D>, x, axis, keepdim, "prod", true)
    : reduceOver(prodOver as unknown as Over<D, D>, x, axis, keepdim, "prod");
}
