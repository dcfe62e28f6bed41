// What a tokenizer does to somebody's texts that they would not see: texts cut, words without an id, texts of nothing.
import { quoted } from "../formats/json.ts";
import type { Tokenizer } from "./clip.ts";

/** How many texts, and where the first of them stand. */
export interface Places {
  readonly count: number;
  readonly first: readonly string[];
}

/** The same in JSON, beside the result. */
export interface TextsReport {
  readonly count: number;
  /** Longer than a row. */
  readonly cut: Places;
  readonly empty: Places;
  /** Different words without an id of their own, and how many texts have one. */
  readonly unknownWords: { readonly count: number; readonly texts: number; readonly first: readonly string[] };
  /** Not empty, but without a word that the model knows. */
  readonly withoutKnownWord: Places;
}

/** Places and words that are named. */
const most = 5;

const numbered = (i: number) => `text ${i + 1}`;

/** Looks at every text; `placeOf` names one. A tokenizer that cannot tell (of somebody's own) is taken at its word. */
export function reportTexts(
  tokenizer: Tokenizer,
  texts: Iterable<string>,
  placeOf: (i: number) => string = numbered,
): TextsReport {
  const [cut, empty, strange] = [new Tally(placeOf), new Tally(placeOf), new Tally(placeOf)];
  const unknown = new Set<string>();
  let [count, withUnknown] = [0, 0];
  for (const text of texts) {
    const i = count++;
    if (text.trim() === "") empty.add(i);
    const found = tokenizer.reading?.(text);
    if (!found) continue;
    if (found.cut) cut.add(i);
    for (const word of found.unknown) unknown.add(word);
    if (found.unknown.length > 0) withUnknown++;
    if (found.unknown.length > 0 && !found.isKnown) strange.add(i);
  }
  return {
    count,
    cut: cut.places,
    empty: empty.places,
    unknownWords: { count: unknown.size, texts: withUnknown, first: [...unknown].slice(0, most) },
    withoutKnownWord: strange.places,
  };
}

class Tally {
  #count = 0;
  readonly #first: string[] = [];
  constructor(private readonly placeOf: (i: number) => string) {}

  add(i: number): void {
    if (this.#count++ < most) this.#first.push(this.placeOf(i));
  }

  get places(): Places {
    return { count: this.#count, first: this.#first };
  }
}

/** The report as lines for a person, none where there is nothing to say; `what` are texts, captions or prompts. */
export function reportLines(
  { count, cut, empty, unknownWords, withoutKnownWord }: TextsReport,
  { context, losesEnd }: Pick<Tokenizer, "context" | "losesEnd">,
  what = "texts",
): string[] {
  const more = (all: number, first: readonly string[]) => (all > first.length ? ", …" : "");
  const at = ({ count: n, first }: Places) => `${n} of ${count} ${what} (${first.join(", ")}${more(n, first)})`;
  const end = losesEnd
    ? "; without an end token all such texts may come to one feature, as officially (docs/FEATURES.md)"
    : "; what is beyond is not read";
  const { first } = unknownWords;
  const words = `${first.map(quoted).join(", ")}${more(unknownWords.count, first)}`;
  const lines: readonly (string | false)[] = [
    cut.count > 0 && `cut at the model's ${context} tokens: ${at(cut)}${end}`,
    empty.count > 0 && `empty: ${at(empty)}`,
    unknownWords.count > 0 &&
      `${unknownWords.count} words that the model does not know: ${words}, in ${unknownWords.texts} of ${count} ${what}`,
    withoutKnownWord.count > 0 &&
      `without any word that the model knows: ${at(withoutKnownWord)}; their features say nothing`,
  ];
  return lines.filter((line) => line !== false);
}
