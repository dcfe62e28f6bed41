// Numbers that choose (classes, ids, places) are checked while their data is still at hand: on the device a number out of range
// can only give NaN.
import type { Op } from "../declare/op.ts";
import type { Attrs } from "../declare/pass.ts";
import type { Sizes } from "../declare/signature.ts";
import { ShapeError } from "../errors.ts";
import type { Value } from "./value.ts";

/** Errors: ShapeError for the first number that an input uploaded from the host has beyond the axis it chooses along. */
export function checkChoices(op: Op, values: readonly Value[], dims: Sizes, attrs: Attrs): void {
  for (const [name, { along, called, besides }] of Object.entries(op.chooses)) {
    const { host } = values[op.names.indexOf(name)];
    const also = besides?.(attrs);
    const at = host?.findIndex((chosen) => chosen >= dims[along] && chosen !== also) ?? -1;
    if (at < 0) continue;
    const except = also === undefined ? "" : `, or ${signed(also)}`;
    throw new ShapeError(
      `${op.name}: ${name}[${at}] is ${signed(host![at])}, which is no ${called}\n` +
        `  expected  0 to ${dims[along] - 1} (${along} is ${dims[along]})${except}`,
    );
  }
}

/** Negative numbers lie in u32 as 2³² less so much. */
const signed = (x: number): string => String(x >= 2 ** 31 ? x - 2 ** 32 : x);
