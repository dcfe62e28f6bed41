// Positions sorted by the ids they hold, equal ids in order of position, so that later sums have one order.
import { type Consts, type Pass, pass } from "../../engine/declare/pass.ts";
import type { Sizes } from "../../engine/declare/signature.ts";
import { lanesGrid } from "../lib/flat.ts";
import count from "./count.wgsl";
import deal from "./deal.wgsl";
import order from "./order.wgsl";
import scan from "./scan.wgsl";

/**
 * R values of a digit and C blocks of ids. An id (V stands for all beyond the table) has two digits, whatever V; a block
 * has at least as many ids as a digit has values, so that its counts are no longer than the ids.
 */
export function digits({ V, N }: { V: number; N: number }): { R: number; C: number } {
  const R = 2 ** Math.max(1, Math.ceil(Math.log2(V + 1) / 2));
  return { R, C: Math.max(1, Math.floor(N / Math.max(256, R))) };
}

/** Every id is compared with every other: one launch, and for few ids the quickest. */
export const compared: readonly Pass[] = [
  pass("ids_N:u32 -> order_N:u32", order, ({ N }, consts) => lanesGrid(N, consts), { label: "order" }),
];

/** Sorts by one digit: counts per block, where each count begins, positions dealt out. */
function byDigit(digit: 0 | 1, before: string, after: string): Pass[] {
  const hist = `hist${digit}`;
  // In the first round positions are in order as they are.
  const source = before
    ? "@group(0) @binding(3) var<storage, read> before: array<u32>;\nfn place_of(k: u32) -> u32 { return before[k]; }\n"
    : "fn place_of(k: u32) -> u32 { return k; }\n";
  const reading: Record<string, string> = before ? { hist, before } : { hist };
  const uniforms = ({ R }: Record<string, number>) => ({ shift: digit * Math.log2(R) });
  const ids = `ids_N:u32${before ? ` ${before}_N:u32` : ""}`;
  const perBlock = ({ C }: Sizes, consts: Consts) => lanesGrid(C, consts);
  return [
    pass(`${ids} -> ${hist}_RC:u32`, [source, count], perBlock, { label: "count", rename: reading, uniforms }),
    pass(`${hist}_RC:u32 -> ${hist}_RC:u32`, scan, () => 1, { label: "scan", rename: { hist } }),
    pass(`${ids} ${hist}_RC:u32 -> ${hist}_RC:u32 ${after}_N:u32`, [source, deal], perBlock, {
      label: "deal",
      rename: { ...reading, order: after },
      uniforms,
    }),
  ];
}

/** By two digits: the time grows with the number of ids. */
export const sorted: readonly Pass[] = [...byDigit(0, "", "half"), ...byDigit(1, "half", "order")];

/** From so many ids on the six launches cost less than the comparisons. */
export const many = 2048;
