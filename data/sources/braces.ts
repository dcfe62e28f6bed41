// Brace ranges and alternatives in paths, as WebDataset and open_clip write them: `shard-{00000..00099}.tar`, `{a,b}/*.tar`.
import { UsageError } from "../../engine/errors.ts";

/** Paths that one text may stand for. */
const MOST = 1_000_000;

/**
 * What a text with braces stands for, in its order: `{08..11}` counts with as many digits, `{0..10..5}` by fives, `{a,b}` are
 * alternatives, all of it nested. Braces with neither are left as they stand. Errors: UsageError for more than a million.
 */
export function expandBraces(text: string): string[] {
  const group = firstGroup(text);
  if (!group) return [text];
  const { from, until, options } = group;
  const tails = expandBraces(text.slice(until));
  const heads = options.flatMap(expandBraces);
  if (heads.length * tails.length > MOST)
    throw new UsageError(`${JSON.stringify(text)} stands for more than ${MOST} paths`);
  return heads.flatMap((head) => tails.map((tail) => text.slice(0, from) + head + tail));
}

/** The first braces that hold a range or alternatives. */
function firstGroup(text: string): { from: number; until: number; options: string[] } | undefined {
  for (let from = text.indexOf("{"); from >= 0; from = text.indexOf("{", from + 1)) {
    const parts = partsFrom(text, from);
    if (!parts) continue;
    const { words, until } = parts;
    const options = words.length > 1 ? words : rangeOf(words[0]);
    if (options) return { from, until, options };
  }
  return undefined;
}

/** What stands between the brace at `from` and its partner, cut at its own commas. */
function partsFrom(text: string, from: number): { words: string[]; until: number } | undefined {
  const words: string[] = [];
  let [depth, start] = [0, from + 1];
  for (let at = from; at < text.length; at++) {
    if (text[at] === "{") depth++;
    if (depth === 1 && (text[at] === "," || text[at] === "}")) {
      words.push(text.slice(start, at));
      start = at + 1;
    }
    if (text[at] === "}" && --depth === 0) return { words, until: at + 1 };
  }
  return undefined;
}

function rangeOf(word: string): string[] | undefined {
  const [, first, last, by = "1"] = /^(-?\d{1,15})\.\.(-?\d{1,15})(?:\.\.(\d{1,15}))?$/.exec(word) ?? [];
  if (first === undefined) return undefined;
  const [a, b] = [Number(first), Number(last)];
  const step = Math.max(1, Number(by));
  const count = Math.floor(Math.abs(b - a) / step) + 1;
  if (count > MOST) throw new UsageError(`{${word}} stands for more than ${MOST} paths`);
  const width = /^-?0\d/.test(first) || /^-?0\d/.test(last) ? Math.max(first.length, last.length) : 0;
  return Array.from({ length: count }, (_, i) => padded(a + Math.sign(b - a) * i * step, width));
}

const padded = (value: number, width: number): string =>
  value < 0 ? `-${String(-value).padStart(width - 1, "0")}` : String(value).padStart(width, "0");
