// Into how many parts a long sum is cut.
import { ceilDiv } from "../../engine/declare/pass.ts";

/**
 * Parts of a sum: `each` terms or more, at most `most` of them as long as a part has no more than 8192 terms (panels.wgsl),
 * then as many as keep it so, up to 1024.
 */
export const partsFor = (terms: number, each: number, most = 64): number =>
  Math.max(1, Math.min(most, ceilDiv(terms, each)), Math.min(1024, ceilDiv(terms, 8192)));
