// Sentiment of texts: the seven logits that SNCE weighs negatives by, from a RoBERTa classifier (the paper's is DistilRoBERTa).
import { quoted } from "../data/formats/json.ts";
import { SENTIMENTS } from "../data/shards/clip.ts";
import { piped } from "../data/threads/piped.ts";
import { compute, FormatError, HealthError } from "../engine/index.ts";
import { takes } from "../engine/takes.ts";
import type { ByteLevelTokenizer } from "../data/tokenizer/byte-level.ts";
import type { RobertaClassifier } from "../model/roberta/roberta.ts";
import { type Matrix, matrix } from "./matrix.ts";

/** How texts are read, and who hears of it. */
export interface SentimentOptions {
  /** Most tokens of a text; 77, as the paper's logits were made. */
  readonly context?: number;
  /** Texts computed at once. */
  readonly batch?: number;
  /** Hears how many texts are done. */
  readonly at?: (done: number) => void;
}

/** Logits, and the texts that were longer than the context. */
export interface SentimentLogits {
  /** [N, 7], columns in the order of SENTIMENTS. */
  readonly logits: Matrix;
  /** Numbers of the texts of which only the first tokens were read. */
  readonly cut: readonly number[];
}

/** A text's row, and which text it is. */
interface Row {
  readonly text: number;
  readonly ids: readonly number[];
}

/**
 * Texts -> logits. Texts of the same number of tokens are computed together, so that none is padded. Errors: FormatError for a
 * classifier whose classes are not the seven; HealthError for a logit that is not finite, with the text.
 */
export async function sentimentLogits(
  model: RobertaClassifier,
  tokenizer: ByteLevelTokenizer,
  texts: readonly string[],
  options: SentimentOptions = {},
): Promise<SentimentLogits> {
  takes(
    "sentimentLogits(model: { forward: function, ... }, tokenizer: { row: function, ... }, texts: text[], " +
      "options?: { context?: size, batch?: count, at?: function })",
    arguments,
  );
  const { batch = 64, context = 77, at } = options;
  const columns = sentimentColumns(model.config.labels);
  const width = SENTIMENTS.length;
  const out = new Float32Array(texts.length * width);
  const rows = texts.map((text) => tokenizer.row(text, Math.min(context, model.context)));
  let done = 0;
  const batches = alike(
    rows.map(({ ids }, text) => ({ text, ids })),
    batch,
  );
  for await (const { some, logits } of piped(batches, (some) => logitsOf(model, some))) {
    for (const [i, { text }] of some.entries())
      for (const [q, column] of columns.entries()) {
        const value = logits[i * model.config.labels.length + column];
        if (!Number.isFinite(value))
          throw new HealthError(`the sentiment of text ${text + 1}, ${quoted(texts[text].slice(0, 80))}, is ${value}`);
        out[text * width + q] = value;
      }
    at?.((done += some.length));
  }
  return { logits: matrix(texts.length, width, out), cut: rows.flatMap(({ isCut }, i) => (isCut ? [i] : [])) };
}

/** For each of SENTIMENTS the column of the classifier's logits. */
export function sentimentColumns(labels: readonly string[]): number[] {
  const small = labels.map((label) => label.toLowerCase());
  const columns = SENTIMENTS.map((name) => small.indexOf(name));
  if (columns.includes(-1) || labels.length !== SENTIMENTS.length)
    throw new FormatError(
      `the classes are ${labels.slice(0, 12).map(quoted).join(", ")}; expected ${SENTIMENTS.join(", ")}, in any order`,
    );
  return columns;
}

async function logitsOf(model: RobertaClassifier, some: readonly Row[]) {
  const [logits] = await compute(() => [model.forward(some.map(({ ids }) => ids))]);
  return { some, logits: logits as Float32Array };
}

/** Rows of one length each, at most `size` at a time; short ones first. */
function* alike(rows: readonly Row[], size: number): Generator<readonly Row[]> {
  const byLength = new Map<number, Row[]>();
  for (const row of rows) {
    const same = byLength.get(row.ids.length);
    if (same) same.push(row);
    else byLength.set(row.ids.length, [row]);
  }
  for (const [, same] of [...byLength].sort(([a], [b]) => a - b))
    for (let at = 0; at < same.length; at += size) yield same.slice(at, at + size);
}
