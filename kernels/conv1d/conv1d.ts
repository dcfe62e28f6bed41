// Depth-wise convolution over time, kernel 3, stride 1, no padding: the conv_1d form of the temporal head.
import { ShapeError } from "../../engine/errors.ts";
import { pass } from "../../engine/declare/pass.ts";
import { op } from "../../engine/record/op.ts";
import type { Sizes } from "../../engine/declare/signature.ts";
import { lanesGrid } from "../lib/flat.ts";
import levels from "../lib/levels.wgsl";
import panels from "../lib/panels.wgsl";
import dw from "./dw.wgsl";
import dx from "./dx.wgsl";
import forward from "./forward.wgsl";

/** T means the storage type in kernels; the axis T is `frames` there. */
const uniforms = ({ T }: Sizes) => ({ frames: T });

/** x_BTE w_E13 -> y_BUE, U = T − 2; every channel with its own three weights (cross-correlation). */
export const conv1d = op({
  name: "conv1d",
  about: "y_bue = Σ_k w_ek · x_b,u+k,e, depth-wise over time",
  sig: "x_BTE w_E13:f32 -> y_BUE",
  derive({ T }) {
    if (T < 3) throw new ShapeError(`conv1d: ${T} frames; a kernel of 3 without padding needs at least 3`);
    return { U: T - 2 };
  },
  forward: [
    pass("x_BTE w_E13:f32 -> y_BUE", forward, ({ B, U, E }, consts) => lanesGrid(B * U * E, consts), { uniforms }),
  ],
  backward: [
    pass("dy_BUE w_E13:f32 -> dx_BTE", dx, ({ B, T, E }, consts) => lanesGrid(B * T * E, consts), { uniforms }),
    pass("dy_BUE x_BTE -> dw_E13:f32", [panels, levels, dw], ({ E }, consts) => lanesGrid(3 * E, consts), { uniforms }),
  ],
  ref({ x, w }, { B, T, E, U }) {
    const y = new Float64Array(B * U * E);
    for (let b = 0; b < B; b++)
      for (let u = 0; u < U; u++)
        for (let e = 0; e < E; e++)
          for (let k = 0; k < 3; k++) y[(b * U + u) * E + e] += w[3 * e + k] * x[(b * T + u + k) * E + e];
    return { y };
  },
  flops: ({ B, U, E }) => 6 * B * U * E,
  bench: [{ B: 128, T: 8, E: 512 }],
  test: { sizes: { T: [3, 4, 5, 8] } },
});
