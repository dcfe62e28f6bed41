// Grids that kernels of several families share.
import { type Consts, ceilDiv } from "../../engine/declare/pass.ts";

/** Workgroups of a flat kernel (flat.wgsl) over n elements. */
export const flatGrid = (n: number, { WG, SG }: Consts): number => ceilDiv(ceilDiv(n, 4), WG * (256 / SG));

/** Workgroups when every one of n pieces of work has an invocation of its own. */
export const lanesGrid = (n: number, { WG }: Consts): number => ceilDiv(n, WG);

/** Workgroups when every one of n pieces of work has a subgroup of its own (rows.wgsl). */
export const subgroupGrid = (n: number, { WG, SG }: Consts): number => ceilDiv(n, WG / SG);
/**
 * Workgroups over a plane of N rows with `inner` pieces of work each (vec4s, or elements), in two dimensions so that
 * kernels need no division: `wid.x` has a chunk of WG · STEPS pieces (flat.wgsl), `wid.y` every `nwg.y`-th row.
 */
export function planeGrid(inner: number, N: number, { WG, SG }: Consts): [number, number] {
  const across = ceilDiv(inner, WG * (256 / SG));
  return [across, Math.min(N, ceilDiv(4096, across))];
}
