// The tokenizer: cleaned text, ids, rows of every length, and the way back.
import { openTokenizer } from "../../data/tokenizer/clip.ts";
import type { Check } from "./check.ts";

interface Texts {
  readonly vocab_size: number;
  readonly sot: number;
  readonly eot: number;
  readonly context_length: number;
  readonly cases: {
    text: string;
    cleaned: string;
    needs: string;
    ids: number[];
    row_nonzero: number;
    row: number[] | null;
  }[];
  readonly short_context?: { text: string; context_length: number; row: number[] }[];
  readonly decode?: { ids: number[]; text: string }[];
}

export const texts: Check = {
  takes: (file, folder) => file.endsWith(".json") && /tokenizer/.test(file) && "cases" in folder.json<object>(file),
  run: async (verdict) => {
    const clip = await openTokenizer();
    const {
      vocab_size,
      sot,
      eot,
      context_length,
      cases,
      short_context = [],
      decode = [],
    } = verdict.folder.json<Texts>(verdict.file);
    verdict.same("vocabulary, start, end", [clip.vocabulary, clip.start, clip.end], [vocab_size, sot, eot]);
    for (const { text, cleaned, needs, ids, row_nonzero, row } of cases) {
      const name = `${JSON.stringify(text.slice(0, 40))} (${needs})`;
      const got = [...clip.encode(text, context_length)];
      const whole = [sot, ...ids, eot];
      verdict.same(name, [clip.clean(text), clip.ids(text)], [cleaned, ids]);
      // "!" is id 0, as is padding: the row is filled to its end token, the last id that is not 0
      verdict.same(`${name}: filled`, got.findLastIndex((id) => id !== 0) + 1, row_nonzero);
      verdict.same(
        `${name}: row`,
        got,
        row ?? whole.concat(new Array(Math.max(0, context_length - whole.length)).fill(0)),
      );
    }
    for (const { text, context_length: context, row } of short_context)
      verdict.same(`${JSON.stringify(text)} in ${context}`, [...clip.encode(text, context)], row);
    for (const { ids, text } of decode) verdict.same(`decode ${ids.slice(0, 6)}`, clip.decode(ids), text);
  },
};
