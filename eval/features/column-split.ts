// The column split of somebody's own table: "train" is fitted on, each other name is read.
import { quoted } from "../../data/formats/json.ts";
import { FormatError } from "../../engine/errors.ts";
import { listed } from "../probes/not-defined.ts";

/**
 * Numbers of rows by what the column says of each: "train" first, the other names sorted. Errors: FormatError where there is no train, or
 * nothing else; `what` is fitted there.
 */
export function rowsBySplit(of: readonly string[], file: string, what: "models" | "probes"): Map<string, number[]> {
  const others = [...new Set(of)].filter((name) => name !== "train").sort();
  if (others.length === 0 || !of.includes("train"))
    throw new FormatError(
      `${file}: column "split" has ${listed([...new Set(of)].map((name) => quoted(name)))}; ${what} are fitted on "train" and read on another one`,
    );
  const rowsWhere = (name: string) => of.flatMap((each, i) => (each === name ? [i] : []));
  return new Map(["train", ...others].map((name) => [name, rowsWhere(name)]));
}
