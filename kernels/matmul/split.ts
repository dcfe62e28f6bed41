// Products with a long sum and a small result (gradients of weights) in parts: a result of 64 x 64 is one tile, and one
// tile keeps one core busy. Z parts of the sum are products of their own, added up in a fixed order.
import type { DeviceFacts } from "../../engine/declare/facts.ts";
import type { Pass } from "../../engine/declare/pass.ts";
import { numelOf, parseSignature, type Sizes } from "../../engine/declare/signature.ts";
import { columnSum } from "../lib/colsum.ts";
import { contract } from "./contract.ts";

/** Both ways to compute a product, as lists of passes. */
export interface Parted {
  readonly direct: readonly Pass[];
  readonly split: readonly Pass[];
}

/** "x_NK dy_NM -> dw_KM" in one launch, or by way of part_ZKM in two. */
export function parted(sig: string): Parted {
  const { inputs, outputs } = parseSignature(sig);
  const [left, c] = [inputs.map(({ text }) => text).join(" "), outputs[0]];
  const part = `${c.name}Part_Z${c.axes.join("")}:f32`;
  const shape = (size: Sizes) => ({ rows: size.Z, width: numelOf(c, size), parts: 1 });
  return {
    direct: [contract(sig)],
    split: [contract(`${left} -> ${part}`, { label: "parts" }), columnSum(`${part} -> ${c.text}`, shape)],
  };
}

/** How many parts a sum of `length` terms with `rows` x `cols` results may have: 128 terms each, 512 tiles in all. */
export function partsOfSum(length: number, rows: number, cols: number): number {
  const tiles = Math.ceil(rows / 32) * Math.ceil(cols / 32);
  return Math.max(1, Math.min(64, Math.floor(length / 128), Math.floor(512 / tiles)));
}

/** Where parts pay: on GPUs wherever there can be some, on a few CPU cores only for results of one or two tiles. */
export function splitCount(device: DeviceFacts, parts: number, rows: number, cols: number): "split" | "direct" {
  const few = !device.software || Math.ceil(rows / 8) * Math.ceil(cols / (4 * device.subgroup)) <= 4;
  return parts > 1 && few ? "split" : "direct";
}
