// Attention in one launch forward and two backward, with nothing kept but the log-sum-exp of each row: for GPUs.
// Written for registers: KT and OWN are constants of the text, everything else is data.
import type { DeviceFacts } from "../../engine/declare/facts.ts";
import { ceilDiv, type Pass, passOf, type Variant } from "../../engine/declare/pass.ts";
import type { Sizes } from "../../engine/declare/signature.ts";
import numbers from "../lib/numbers.wgsl";
import rowsAny from "./fused-any.wgsl";
import dkv from "./fused-dkv.wgsl";
import dq from "./fused-dq.wgsl";
import forwardText from "./fused-forward.wgsl";
import rowsQuads from "./fused-quads.wgsl";
import shared from "./fused.wgsl";

/** The widest head whose rows fit registers and 16 KiB of workgroup memory. */
export const widest = 128;

/** Quads of lanes in a workgroup, as in fused.wgsl. */
const quads = 16;

/**
 * Rows a quad owns: more rows use each load from workgroup memory more often, but cost registers and leave lanes idle
 * where they do not fill. A pass over the other side costs about one row's arithmetic in loads.
 */
function rowsOwned({ L, K }: Sizes, most: number): number {
  const cost = (own: number) => ceilDiv(L, quads * own) * (own + 1);
  const allowed = [4, 2, 1].filter((own) => own <= (K > 64 ? Math.max(1, most / 2) : most));
  return allowed.reduce((best, own) => (cost(own) < cost(best) ? own : best));
}

/** One row per quad on CPU rasterisers, which only test these kernels: their compiler takes seconds for more. */
function fusedPass(sig: string, text: string, most: 2 | 4, label: string): Pass {
  const variant = (own: number): Variant => ({
    source: ({ dims }) =>
      [
        `const KT: u32 = ${ceilDiv(dims.K, 16)};`,
        `const OWN: u32 = ${own};`,
        numbers,
        shared,
        dims.K % 4 ? rowsAny : rowsQuads,
        text,
      ].join("\n"),
    grid: ({ B, H, L }) => [ceilDiv(L, quads * own), B * H, 1],
    uniforms: ({ K }, { causal }) => ({ scale: K ** -0.5, causal: causal ? 1 : 0 }),
    available: (device, { K }) => K <= widest && (own === 1 || (K <= 128 / own && own <= most && !device.software)),
  });
  const pick = (dims: Sizes, { software }: DeviceFacts) => `own${software ? 1 : rowsOwned(dims, most)}`;
  return passOf(sig, { own1: variant(1), own2: variant(2), own4: variant(4) }, pick, label);
}

export const fusedForward: readonly Pass[] = [fusedPass("qkv_BLC -> y_BLD lse_BHL:f32", forwardText, 4, "fused")];

export const fusedBackward: readonly Pass[] = [
  fusedPass("qkv_BLC y_BLD dy_BLD lse_BHL:f32 -> delta_BHL:f32 dqkv_BLC", dq, 2, "dq"),
  fusedPass("qkv_BLC dy_BLD lse_BHL:f32 delta_BHL:f32 dqkv_BLC -> dqkv_BLC", dkv, 2, "dkv"),
];
