// A word-level tokenizer for data sets with a closed vocabulary: lower-case words and marks, as the embedded set has.
// Rows look as CLIP's do: start token, words, end token (the largest id), zeros.
import { UsageError } from "../engine/errors.ts";

/** Ids: 0 is padding, 1 an unknown word, then the words in order, start, end. */
export class WordTokenizer {
  readonly #ids: Map<string, number>;
  /** Number of ids. */
  readonly vocabulary: number;

  constructor(
    words: readonly string[],
    readonly context: number,
    readonly split: (text: string) => readonly string[],
  ) {
    if (context < 2) throw new UsageError(`context is ${context}; a row holds at least a start and an end token`);
    this.#ids = new Map(words.map((word, i) => [word, i + 2]));
    this.vocabulary = words.length + 4;
  }

  /** tokens_BW; longer texts are cut so that the end token stays. */
  encode(texts: readonly string[]): Uint32Array {
    const { context, vocabulary } = this;
    const rows = new Uint32Array(texts.length * context);
    for (const [b, text] of texts.entries()) {
      const ids = this.split(text).map((word) => this.#ids.get(word) ?? 1);
      rows.set([vocabulary - 2, ...ids.slice(0, context - 2), vocabulary - 1], b * context);
    }
    return rows;
  }
}
