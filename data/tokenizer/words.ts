// A word-level tokenizer for small data sets: lower-case words and marks, the vocabulary taken from the training captions.
// Rows look as CLIP's do: start token, words, end token (the largest id), zeros.
import { UsageError } from "../../engine/errors.ts";
import { takes } from "../../engine/takes.ts";
import type { TextReading, Tokenizer } from "./clip.ts";

const mostWords = 16_384;

/** What a run writes beside its checkpoints, so that the model can be given texts later: the words, as a JSON list. */
export const wordsFile = "words.json";

/** Lower-case words with their apostrophes, single digits, single marks. */
export function wordsOf(text: string): string[] {
  takes("wordsOf(text: text, ...)", arguments);
  return text.toLowerCase().match(/\p{L}+(?:'\p{L}+)*|\p{N}|[^\s\p{L}\p{N}]/gu) ?? [];
}

/** The words of some texts, the most frequent ones if there are many, sorted. */
export function vocabularyOf(texts: Iterable<string>): string[] {
  takes("vocabularyOf(texts: iterable, ...)", arguments);
  const counts = new Map<string, number>();
  for (const text of texts) for (const word of wordsOf(text)) counts.set(word, (counts.get(word) ?? 0) + 1);
  const ranked = [...counts].sort(([a, n], [b, m]) => m - n || (a < b ? -1 : 1));
  return ranked
    .slice(0, mostWords)
    .map(([word]) => word)
    .sort();
}

/** Ids: 0 is padding, 1 an unknown word, then the words in order, start, end. */
export class WordTokenizer implements Tokenizer {
  readonly #ids: Map<string, number>;
  /** Number of ids. */
  readonly vocabulary: number;

  constructor(
    readonly words: readonly string[],
    readonly context: number,
  ) {
    takes("new WordTokenizer(words: text[], context: size, ...)", arguments);
    if (context < 2) throw new UsageError(`context is ${context}; a row holds at least a start and an end token`);
    this.#ids = new Map(words.map((word, i) => [word, i + 2]));
    this.vocabulary = words.length + 4;
  }

  /** Words without an id share one: a model cannot tell them apart. Marks are words, but alone they make no text known. */
  reading(text: string): TextReading {
    const words = wordsOf(text);
    const telling = words.filter((word) => /[\p{L}\p{N}]/u.test(word));
    const isIn = (word: string) => this.#ids.has(word);
    return {
      cut: words.length > this.context - 2,
      unknown: words.filter((word) => !isIn(word)),
      isKnown: (telling.length > 0 ? telling : words).some(isIn),
    };
  }

  /** tokens_BW; longer texts are cut so that the end token stays. */
  encode(texts: readonly string[]): Uint32Array {
    const { context, vocabulary } = this;
    const rows = new Uint32Array(texts.length * context);
    for (const [b, text] of texts.entries()) {
      const ids = wordsOf(text).map((word) => this.#ids.get(word) ?? 1);
      rows.set([vocabulary - 2, ...ids.slice(0, context - 2), vocabulary - 1], b * context);
    }
    return rows;
  }
}
