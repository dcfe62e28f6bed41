// RoBERTa's byte-level byte-pair tokenizer, over the package that has it. Of a user's files only the vocabulary and the merges are
// taken, and checked; the rules of the tokenizer are ours, so that no pattern out of a file is ever run.
import { Tokenizer } from "@huggingface/tokenizers";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { FormatError } from "../../engine/errors.ts";
import { takes } from "../../engine/takes.ts";
import { isObject, type Json, parseJson, quoted } from "../formats/json.ts";
import { readRegular } from "../formats/regular.ts";
import { byteCharacters } from "./vocabulary.ts";

/** Largest file of a vocabulary in bytes; RoBERTa's have 0.8, 0.5 and 1.4 million. */
const most = 32 * 2 ** 20;

/** Symbols by their ids, and which two make a third, in order. */
export interface ByteLevelTable {
  readonly vocabulary: ReadonlyMap<string, number>;
  readonly merges: readonly string[];
}

/** A text as a row of ids. */
export interface TokenRow {
  readonly ids: readonly number[];
  /** Whether the text had more tokens than the row may have. */
  readonly isCut: boolean;
}

/** Texts -> rows of ids: start, byte pairs, end. Names such as "<s>" inside a text are text. */
export class ByteLevelTokenizer {
  /** Number of ids. */
  readonly vocabulary: number;
  readonly #start: number;
  readonly #end: number;
  readonly #pieces: Tokenizer;

  constructor(table: ByteLevelTable) {
    takes("new ByteLevelTokenizer(table: { vocabulary: map, merges: text[], ... }, ...)", arguments);
    const { vocabulary, merges } = table;
    this.vocabulary = vocabulary.size;
    this.#start = vocabulary.get("<s>")!;
    this.#end = vocabulary.get("</s>")!;
    this.#pieces = new Tokenizer(rulesOf(vocabulary, merges), {});
  }

  /** The row of a text, of at most `context` ids, start and end among them. */
  row(text: string, context: number): TokenRow {
    takes("row(text: text, context: size, ...)", arguments);
    const { ids } = this.#pieces.encode(text, { add_special_tokens: false });
    return { ids: [this.#start, ...ids.slice(0, context - 2), this.#end], isCut: ids.length > context - 2 };
  }
}

/** What the package reads as tokenizer.json. */
const rulesOf = (vocabulary: ReadonlyMap<string, number>, merges: readonly string[]): object => ({
  added_tokens: [],
  normalizer: null,
  pre_tokenizer: { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: true },
  post_processor: null,
  decoder: { type: "ByteLevel" },
  model: {
    ...{ type: "BPE", unk_token: "<unk>", fuse_unk: false, byte_fallback: false, ignore_merges: false },
    ...{ continuing_subword_prefix: "", end_of_word_suffix: "" },
    vocab: Object.fromEntries(vocabulary),
    merges,
  },
});

/**
 * The tokenizer in a model's folder: vocab.json and merges.txt, or tokenizer.json. Errors: FormatError for files that are not there, or
 * are not those of a byte-level byte-pair tokenizer.
 */
export async function openByteLevel(folder: string): Promise<ByteLevelTokenizer> {
  takes("openByteLevel(folder: text, ...)", arguments);
  const read = (name: string) => readRegular(join(folder, name), most, name);
  const json = async (name: string) => parseJson(await read(name), name, most);
  if (existsSync(join(folder, "vocab.json")) && existsSync(join(folder, "merges.txt"))) {
    const lines = new TextDecoder().decode(await read("merges.txt")).split(/\r?\n/);
    const merges = lines.filter((line, i) => line !== "" && !(i === 0 && line.startsWith("#version")));
    return new ByteLevelTokenizer(checked(await json("vocab.json"), merges, "vocab.json", "merges.txt"));
  }
  if (existsSync(join(folder, "tokenizer.json"))) return new ByteLevelTokenizer(tableIn(await json("tokenizer.json")));
  throw new FormatError(`${quoted(folder)}: has neither vocab.json with merges.txt nor tokenizer.json`);
}

/** The table in a tokenizer.json, whose rules must be RoBERTa's. */
function tableIn(json: Json): ByteLevelTable {
  const file = "tokenizer.json";
  const { model, pre_tokenizer: before, normalizer } = fieldsOf(json, file);
  const { type, vocab, merges } = fieldsOf(model, `${file}: model`);
  const rules = fieldsOf(before, `${file}: pre_tokenizer`);
  if (type !== "BPE" || rules.type !== "ByteLevel" || rules.add_prefix_space === true || (normalizer ?? null) !== null)
    throw new FormatError(
      `${file}: is ${shown(type)} behind ${shown(rules.type)}, expected BPE behind ByteLevel without a normalizer or prefix space, as RoBERTa has it`,
    );
  if (!Array.isArray(merges)) throw new FormatError(`${file}: model.merges is no list`);
  const pairs = merges.map((merge) => (Array.isArray(merge) ? merge.join(" ") : String(merge)));
  return checked(vocab, pairs, `${file}: model.vocab`, `${file}: model.merges`);
}

const shown = (value: Json | undefined): string => String(JSON.stringify(value)).slice(0, 40);

function fieldsOf(json: Json | undefined, where: string): { [key: string]: Json | undefined } {
  if (isObject(json)) return json;
  throw new FormatError(`${where} is no object`);
}

/** Ids from 0 on, each once; a symbol for every byte; merges of symbols into symbols. */
function checked(vocab: Json | undefined, merges: readonly string[], where: string, file: string): ByteLevelTable {
  const entries = Object.entries(fieldsOf(vocab, where));
  const vocabulary = new Map<string, number>();
  const taken = new Set<number>();
  for (const [symbol, id] of entries) {
    const isId = typeof id === "number" && Number.isInteger(id) && id >= 0 && id < entries.length && !taken.has(id);
    if (!isId)
      throw new FormatError(
        `${where}: ${quoted(symbol.slice(0, 40))} has the id ${shown(id)}, expected each of 0 to ${entries.length - 1} once`,
      );
    taken.add(id);
    vocabulary.set(symbol, id);
  }
  const lacking = ["<s>", "</s>", "<unk>", ...byteCharacters].find((symbol) => !vocabulary.has(symbol));
  if (lacking !== undefined) throw new FormatError(`${where}: has no symbol ${quoted(lacking)}`);
  for (const [i, merge] of merges.entries()) {
    const parts = merge.split(" ");
    if (parts.length !== 2 || ![...parts, parts.join("")].every((symbol) => vocabulary.has(symbol)))
      throw new FormatError(
        `${file}: merge ${i + 1} is ${quoted(merge.slice(0, 40))}, expected two symbols of ${where} that make a third`,
      );
  }
  return { vocabulary, merges };
}
