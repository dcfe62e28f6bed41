// Linear layers: x wᵀ with what follows it in one op. Letters here: N rows, K inputs, M outputs, Z parts of the sum
// for the weight's gradient, P parts of the sum for the bias's.
import { type Pass, pass } from "../../engine/declare/pass.ts";
import { op } from "../../engine/record/op.ts";
import type { Tensor } from "../../engine/record/tensor.ts";
import { takes } from "../../engine/takes.ts";
import { add } from "../broadcast.ts";
import { columnSums, partsOf } from "../lib/colsum.ts";
import { flatGrid } from "../lib/flat.ts";
import flat from "../lib/flat.wgsl";
import { gelu, geluTanh, quickGelu } from "../pointwise.ts";
import { type Activation, activate, activateSlope, activation64, activationOf } from "./activation.ts";
import { contract } from "./contract.ts";
import copy from "./copy.wgsl";
import { matmulNT } from "./matmul.ts";
import { product64 } from "./reference.ts";
import { parted, partsOfSum, splitCount } from "./split.ts";

/** Parts of the two sums over N. */
const parts = (N: number, K: number, M: number) => ({ Z: partsOfSum(N, M, K), P: partsOf(N) });

/** The four linear layers of a block of the frame encoder: 8 frames of 51 tokens. */
const layer = [{ N: 8 * 51, K: 768, M: 2304 }];
const hidden = [{ N: 8 * 51, K: 768, M: 3072 }];
const test = {
  sizes: { N: [1, 3, 8, 9, 16, 17, 33, 260], K: [1, 2, 3, 4, 7, 8, 16, 20, 33], M: [1, 3, 4, 5, 8, 12, 31, 32, 36] },
};

const dw = parted("dy_NM x_NK -> dw_MK");
const dx = contract("dy_NM w_MK -> dx_NK");
const rows = ({ N, M, P }: Record<string, number>) => ({ rows: N, width: M, parts: P });
const dbias = columnSums("dy_NM -> dbiasPart_PM:f32", "dbiasPart_PM:f32 -> dbias_M", rows);

/** The same forward with both ways to sum the weight's gradient. */
const bothWays = (forward: readonly Pass[], rest: readonly Pass[]) => ({
  direct: { forward, backward: [dx, ...dw.direct, ...rest] },
  split: { forward, backward: [dx, ...dw.split, ...rest] },
});

/** x wᵀ + bias in f64. */
function affine64(
  x: Float64Array,
  w: Float64Array,
  bias: Float64Array,
  { N, K, M }: Record<string, number>,
): Float64Array {
  return product64("NT", x, w, [N, M, K]).map((v, i) => v + bias[i % M]);
}

const linearBias = op({
  name: "linear",
  about: "y = x wᵀ + bias",
  sig: "x_NK w_MK bias_M -> y_NM",
  derive: ({ N, K, M }) => parts(N, K, M),
  ways: bothWays([contract("x_NK w_MK bias_M -> y_NM", { bias: "bias" })], dbias),
  way: ({ Z, K, M }, device) => splitCount(device, Z, M, K),
  ref: ({ x, w, bias }, dims) => ({ y: affine64(x, w, bias, dims) }),
  flops: ({ N, K, M }) => 2 * N * K * M,
  bench: layer,
  test,
});

const linearResidual = op({
  name: "linearResidual",
  about: "y = x wᵀ + bias + residual",
  sig: "x_NK w_MK bias_M residual_NM -> y_NM",
  derive: ({ N, K, M }) => parts(N, K, M),
  ways: bothWays(
    [contract("x_NK w_MK bias_M residual_NM -> y_NM", { bias: "bias", residual: "residual" })],
    [
      ...dbias,
      pass("dy_NM -> dresidual_NM", [flat, copy], ({ N, M }, consts) => flatGrid(N * M, consts), {
        uniforms: ({ N, M }) => ({ count: N * M }),
      }),
    ],
  ),
  way: ({ Z, K, M }, device) => splitCount(device, Z, M, K),
  ref: ({ x, w, bias, residual }, dims) => ({ y: affine64(x, w, bias, dims).map((v, i) => v + residual[i]) }),
  flops: ({ N, K, M }) => 2 * N * K * M,
  bench: [{ N: 8 * 51, K: 3072, M: 768 }],
  test,
});

const fused = contract("x_NK w_MK bias_M -> y_NM pre_NM", { bias: "bias", pre: "pre", activation: activationOf });
const before = contract("x_NK w_MK bias_M -> pre_NM", { bias: "bias", label: "before" });
const dwAct = parted("dpre_NM x_NK -> dw_MK");
const afterSlope = (dw: readonly Pass[]) => [
  activateSlope,
  contract("dpre_NM w_MK -> dx_NK"),
  ...dw,
  ...columnSums("dpre_NM -> dbiasPart_PM:f32", "dbiasPart_PM:f32 -> dbias_M", rows),
];

const linearActivation = op({
  name: "linearActivation",
  about: "y = act(x wᵀ + bias), act one of the GELUs",
  sig: "x_NK w_MK bias_M -> y_NM",
  attrs: { activation: "gelu" as string },
  takes: { activation: '"gelu" | "geluTanh" | "quickGelu"' },
  derive: ({ N, K, M }) => parts(N, K, M),
  ways: {
    composed: { forward: [before, activate], backward: afterSlope(dwAct.direct) },
    composedSplit: { forward: [before, activate], backward: afterSlope(dwAct.split) },
    fused: { forward: [fused], backward: afterSlope(dwAct.direct) },
    fusedSplit: { forward: [fused], backward: afterSlope(dwAct.split) },
  },
  way: ({ Z, K, M }, device) => {
    const how = device.software ? "composed" : "fused";
    return splitCount(device, Z, M, K) === "split" ? `${how}Split` : how;
  },
  ref: ({ x, w, bias }, dims, { activation }) => ({
    y: affine64(x, w, bias, dims).map(activation64[activation as Activation]),
  }),
  flops: ({ N, K, M }) => 2 * N * K * M,
  bench: hidden,
  test: { ...test, attrs: [{ activation: "gelu" }, { activation: "geluTanh" }, { activation: "quickGelu" }] },
});

const activations = { gelu, geluTanh, quickGelu };

/** act(x wᵀ + bias) + residual: x_NK (any leading axes), w_MK, bias_M, residual_NM -> y_NM. */
export function linear(
  x: Tensor,
  w: Tensor,
  bias?: Tensor,
  options: { activation?: Activation } = {},
  residual?: Tensor,
): Tensor {
  takes(
    "linear(x: tensor, w: tensor, bias?: tensor, " +
      'options?: { activation?: "none" | "gelu" | "geluTanh" | "quickGelu" }, residual?: tensor)',
    arguments,
  );
  const { activation = "none" } = options;
  if (bias && residual && activation === "none") return linearResidual(x, w, bias, residual);
  const y = affine(x, w, bias, activation);
  return residual ? add(y, residual) : y;
}

function affine(x: Tensor, w: Tensor, bias: Tensor | undefined, activation: Activation): Tensor {
  if (activation === "none") return bias ? linearBias(x, w, bias) : matmulNT(x, w);
  return bias ? linearActivation(x, w, bias, { activation }) : activations[activation](matmulNT(x, w));
}
