// What a line of `takes` says beyond the types, in words.
import { argumentKind } from "../../engine/kinds.ts";

/** Words that TypeScript's types say as well. */
const plain = new Set(
  "any tensor tensors value text flag function object map date undefined null iterable numbers number float real matrix f32 f16 u32 i32".split(
    " ",
  ),
);

const whatOf = (word: string): string | undefined => {
  if (plain.has(word) || /^[A-Z]/.test(word)) return undefined;
  try {
    return argumentKind(word).what;
  } catch {
    return undefined; // the name of a field
  }
};

/** "`p` a number from 0 to below 1; `from`, `to` whole numbers …": what numbers must be, by parameter and field. */
export function inWords(takes: string): string {
  const names = new Map<string, string[]>();
  for (const [, name, word, many] of takes.matchAll(/(\w+)\??: (\w+)((?:\[\])?)/g)) {
    const what = whatOf(word);
    if (what === undefined) continue;
    const whole = many ? `each ${what}` : what;
    names.set(whole, [...(names.get(whole) ?? []), `\`${name}\``]);
  }
  return [...names].map(([what, of]) => `${of.join(", ")} ${what}`).join("; ");
}
