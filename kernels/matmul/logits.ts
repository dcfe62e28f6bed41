// The logits of a contrastive loss: similarities of two sets of vectors times a learned scale.
// Letters here: B rows of v, C rows of t, E their width.
import { pass } from "../../engine/declare/pass.ts";
import { op } from "../../engine/record/op.ts";
import { columnSum } from "../lib/colsum.ts";
import { subgroupGrid } from "../lib/flat.ts";
import levels from "../lib/levels.wgsl";
import panels from "../lib/panels.wgsl";
import rows from "../lib/rows.wgsl";
import { contract } from "./contract.ts";
import scaled from "./logits-dv.wgsl";
import { product64 } from "./reference.ts";

/** scale · v tᵀ: v_BE, t_CE and a 0-d scale -> y_BC. */
export const logits = op({
  name: "logits",
  about: "y = scale · v tᵀ, with a learned scale (1/τ of CLIP)",
  sig: "v_BE t_CE scale:f32 -> y_BC",
  forward: [contract("v_BE t_CE scale:f32 -> y_BC", { factor: "scale" })],
  backward: [
    contract("dy_BC v_BE scale:f32 -> dt_CE", { factor: "scale" }),
    contract("dy_BC t_CE -> u_BE:f32", { label: "dy t" }),
    pass("u_BE:f32 v_BE scale:f32 -> dv_BE part_B:f32", [panels, levels, rows, scaled], ({ B }, consts) =>
      subgroupGrid(B, consts),
    ),
    columnSum("part_B:f32 -> dscale:f32", ({ B }) => ({ rows: B, width: 1, parts: 1 })),
  ],
  ref(inputs, { B, C, E }) {
    const { v, t, scale }: Record<string, Float64Array> = inputs;
    return { y: product64("NT", v, t, [B, C, E]).map((s) => scale[0] * s) };
  },
  flops: ({ B, C, E }) => 2 * B * C * E,
  bench: [{ B: 128, C: 128, E: 512 }],
});
