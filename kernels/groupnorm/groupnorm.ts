// Normalisation over groups of channels; statistics in f32, gain and bias always f32. Letters: B images, C channels in G groups, M
// places of each channel.
import { ShapeError } from "../../engine/errors.ts";
import { ceilDiv, pass } from "../../engine/declare/pass.ts";
import type { Sizes } from "../../engine/declare/signature.ts";
import { op } from "../../engine/record/op.ts";
import type { Tensor } from "../../engine/record/tensor.ts";
import { takes } from "../../engine/takes.ts";
import total from "../layernorm/total.wgsl";
import { subgroupGrid } from "../lib/flat.ts";
import levels from "../lib/levels.wgsl";
import panels from "../lib/panels.wgsl";
import rows from "../lib/rows.wgsl";
import dx from "./dx.wgsl";
import forward from "./forward.wgsl";
import sums from "./sums.wgsl";

const lib = [panels, levels, rows];
const groupRows = ({ B, C, G, M }: Sizes) => ({ rows: B * G, size: (C / G) * M });

const normalized = op({
  name: "groupnorm",
  about: "y = gain_c · (x − μ)/√(σ² + eps) + bias_c over each group of channels (Wu & He 2018)",
  sig: "x_BCM gain_C:f32 bias_C:f32 -> y_BCM",
  attrs: { groups: 1, eps: 1e-5 },
  takes: { groups: "size", eps: "amount" },
  derive({ C }, { groups }) {
    if (C % groups) throw new ShapeError(`groupnorm: ${groups} groups do not divide ${C} channels`);
    return { G: groups };
  },
  forward: [
    pass(
      "x_BCM gain_C:f32 bias_C:f32 -> y_BCM mean_BG:f32 rstd_BG:f32",
      [...lib, forward],
      ({ B, G }, consts) => subgroupGrid(B * G, consts),
      { uniforms: groupRows },
    ),
  ],
  backward: [
    pass(
      "dy_BCM x_BCM gain_C:f32 mean_BG:f32 rstd_BG:f32 -> dx_BCM",
      [...lib, dx],
      ({ B, G }, consts) => subgroupGrid(B * G, consts),
      { uniforms: groupRows },
    ),
    pass(
      "dy_BCM x_BCM mean_BG:f32 rstd_BG:f32 -> gainPart_BC:f32 biasPart_BC:f32",
      [...lib, sums],
      ({ B, C }, consts) => subgroupGrid(B * C, consts),
      { label: "sums", uniforms: ({ B, C, G }) => ({ rows: B * C, channels: C / G }) },
    ),
    pass(
      "gainPart_BC:f32 biasPart_BC:f32 -> dgain_C:f32 dbias_C:f32",
      [panels, levels, total],
      ({ C }, { WG }) => ceilDiv(C, WG),
      { uniforms: ({ B, C }) => ({ R: B, D: C }) },
    ),
  ],
  ref({ x, gain, bias }, { B, C, M }, { groups, eps }) {
    const size = (C / groups) * M;
    const y = new Float64Array(B * C * M);
    for (let start = 0; start < y.length; start += size) {
      const row = x.subarray(start, start + size);
      const mu = row.reduce((sum, v) => sum + v, 0) / size;
      const sd = Math.sqrt(row.reduce((sum, v) => sum + (v - mu) ** 2, 0) / size + eps);
      for (let j = 0; j < size; j++) {
        const c = Math.floor((start + j) / M) % C;
        y[start + j] = (gain[c] * (row[j] - mu)) / sd + bias[c];
      }
    }
    return { y };
  },
  flops: ({ B, C, M }) => 8 * B * C * M,
  bench: [{ B: 16, C: 64, M: 56 * 56, attrs: { groups: 32 } }],
  test: {
    sizes: { B: [1, 2, 5], C: [2, 4, 6, 12], M: [1, 2, 5, 16, 67] },
    where: ({ C }, { groups }) => C % groups === 0,
    attrs: [{}, { groups: 2 }, { groups: 6, eps: 0.1 }],
  },
});

/**
 * y = gain · (x − μ)/√(σ² + eps) + bias, mean and variance of each image over `groups` equal runs of its channels (PyTorch's
 * group_norm): x [B, C, ...], gain_C, bias_C -> the shape of x. With one group for each channel it is instance normalisation.
 */
export function groupnorm(
  x: Tensor,
  groups: number,
  gain: Tensor,
  bias: Tensor,
  options: { readonly eps?: number } = {},
): Tensor {
  takes("groupnorm(x: tensor, groups: size, gain: tensor, bias: tensor, options?: { eps?: amount })", arguments);
  if (x.shape.length < 2) throw new ShapeError(`groupnorm: x is [${x.shape}]; expected [B, C, ...]`);
  const [B, C, ...places] = x.shape;
  const M = places.reduce((product, size) => product * size, 1);
  return normalized(x.reshape([B, C, M]), gain, bias, { groups, ...options }).reshape(x.shape);
}
