// The tokenizer that belongs to a checkpoint: CLIP's, or the words of a small data set, which the model's file carries.
import { existsSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { readUserFile } from "../../data/footage/files.ts";
import { parseJson, quoted } from "../../data/formats/json.ts";
import { openTokenizer, type Tokenizer } from "../../data/tokenizer/clip.ts";
import { clipVocabulary } from "../../data/tokenizer/vocabulary.ts";
import { wordsFile, WordTokenizer } from "../../data/tokenizer/words.ts";
import { FormatError, UsageError } from "../../engine/errors.ts";
import { takes } from "../../engine/takes.ts";
import type { Takes } from "../family.ts";
import { type LoadOptions, prepareLoad } from "./load.ts";
import type { WeightFile } from "../../data/formats/weights.ts";
import { stepOf } from "./folder.ts";

/** What a model says of its texts. */
type Texts = Pick<Takes, "context" | "vocabulary">;

const mostBytes = 4 * 2 ** 20;

/**
 * The tokenizer of the model in `file` (plan.file of prepareLoad): CLIP's where it has CLIP's vocabulary or a byte-pair table
 * `bpe` is given, else one over the words stored with the model.
 */
export async function tokenizerOf(
  file: Pick<WeightFile, "path" | "content">,
  taken: Texts | { readonly text: Texts },
  bpe?: string,
): Promise<Tokenizer> {
  takes("tokenizerOf(file: { path: text, content: any, ... }, taken: object, bpe?: text, ...)", arguments);
  const { context, vocabulary } = "text" in taken ? taken.text : taken; // a configuration of version 0.1 has them below text
  if (bpe !== undefined || vocabulary === clipVocabulary) return (await openTokenizer(bpe, vocabulary)).rows(context);
  const name = basename(file.path);
  const words = await wordsWith(file);
  if (!words)
    throw new UsageError(
      `${name}: has a vocabulary of ${vocabulary}, whose words are not stored with it (${wordsFile}); give the byte-pair table it was trained with: --bpe`,
    );
  const tokenizer = new WordTokenizer(words, context);
  if (tokenizer.vocabulary === vocabulary) return tokenizer;
  throw new FormatError(
    `${name}: ${words.length} words make ${tokenizer.vocabulary} ids, but the model has ${vocabulary}`,
  );
}

/** The tokenizer of the model at a path that `loadModel` takes, with the same options. */
export async function loadTokenizer(
  path: string,
  optionsGiven: LoadOptions & { bpe?: string } = {},
): Promise<Tokenizer> {
  takes("loadTokenizer(path: text, options?: { bpe?: text, ... })", arguments);
  const { bpe, ...options } = optionsGiven;
  const { plan, close } = await prepareLoad(path, options);
  try {
    return await tokenizerOf(plan.file, plan.model.takes, bpe);
  } finally {
    await close();
  }
}

/** Words in a file's metadata, or in words.json beside it; the checkpoints of a run have one beside their folders. */
export async function wordsWith({
  path,
  content,
}: Pick<WeightFile, "path" | "content">): Promise<string[] | undefined> {
  const metadata = content instanceof Map ? content.get("__metadata__") : undefined;
  const stored = metadata instanceof Map ? metadata.get("words") : undefined;
  if (typeof stored === "string") return wordsIn(new TextEncoder().encode(stored), basename(path));
  const folder = dirname(resolve(path));
  const beside = join(stepOf(basename(folder)) !== undefined ? dirname(folder) : folder, wordsFile);
  if (!existsSync(beside)) return undefined;
  const { bytes, name } = await readUserFile(beside, mostBytes);
  return wordsIn(bytes, name);
}

function wordsIn(bytes: Uint8Array, name: string): string[] {
  const json = parseJson(bytes, name, mostBytes);
  if (!Array.isArray(json)) throw new FormatError(`${name}: the words are not a list`);
  return json.map((word, i) => {
    if (typeof word !== "string") throw new FormatError(`${name}: word ${i} is ${quoted(JSON.stringify(word))}`);
    return word;
  });
}
