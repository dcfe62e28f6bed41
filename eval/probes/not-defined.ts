// Figures that data do not define, in words: why there is none, and which classes a mean leaves out.
import type { Matrix } from "../matrix.ts";

/** Names in a line; those beyond `most` are counted. */
export function listed(names: readonly string[], most = 5): string {
  const more = names.length - most;
  return `${names.slice(0, most).join(", ")}${more > 0 ? ` and ${more} more` : ""}`;
}

/** What is said of a mean over the classes, or numbers, `of` without those of `left`: nothing where none is left out. */
export function meanNote(of: readonly string[], left: readonly number[], why: string): string | undefined {
  if (left.length === 0) return undefined;
  if (left.length === of.length)
    return `not defined: ${of.length === 1 ? of[0] : `each of the ${of.length}`} is ${why}`;
  return `the mean of ${of.length - left.length} of ${of.length}; left out: ${listed(left.map((c) => of[c]))} (${why})`;
}

/** Why labels say nothing in a split: what `meanNote` ends with. */
export const noPositive = "without a positive in the clips that are scored";
export const oneSided = "only positive or only negative in the clips that are scored";
export const constant = "the same in all clips that are scored";

/** Why a probe cannot tell classes apart that it never saw apart; undefined where it can. */
export function oneClassOnly(labels: ArrayLike<number>, of?: readonly string[]): string | undefined {
  if (new Set(Array.from(labels)).size > 1) return undefined;
  const name = of?.[labels[0]];
  return `not defined: all ${labels.length} samples that the probe is fitted on have one class${name === undefined ? "" : `, ${name}`}`;
}

/** Why numbers cannot be explained where samples have none: those rows hold NaN. */
export function withoutValues({ shape: [n, width = 1], data }: Matrix, what: string): string | undefined {
  const isLacking = (i: number) => Array.from({ length: width }, (_, v) => data[i * width + v]).some(Number.isNaN);
  const count = Array.from({ length: n }, (_, i) => isLacking(i)).filter(Boolean).length;
  return count === 0
    ? undefined
    : `not defined: ${count === n ? `none of the ${n}` : `${count} of the ${n}`} clips ${count === n ? "has" : "have no"} ${what}`;
}
