// Zero-shot recognition (official helper): a class is the mean of its prompts' text features, a score the cosine to it.
import { ShapeError, UsageError } from "../../engine/errors.ts";
import { quoted } from "../../data/formats/json.ts";
import { reportTexts, type TextsReport } from "../../data/tokenizer/report.ts";
import { takes } from "../../engine/takes.ts";
import type { Tokenizer } from "../../data/tokenizer/clip.ts";
import type { VideoText } from "../../model/index.ts";
import { type EncodeOptions, encodeTexts } from "../features/encode.ts";
import { extent, type Matrix, matrix, normalizeRows } from "../matrix.ts";
import { averageRecall, confusion, topK } from "../probes/metrics.ts";

/** A class and what is said of it; each text goes through every template. */
export interface ZeroShotClass {
  /** As results name it. */
  readonly name: string;
  /** What stands for the class: each text goes through every template. */
  readonly texts: readonly string[];
  /** Of a compound, the texts of each class that it is the mean of; `texts` are all of these. */
  readonly of?: readonly (readonly string[])[];
}

/** What several prompts of a class are averaged in: features, which are then of unit length again, or logits. */
export const averages = ["features", "logits"] as const;
export type Average = (typeof averages)[number];

/** A class that is the mean of others. */
export const compoundOf = (name: string, parts: readonly ZeroShotClass[]): ZeroShotClass => ({
  name,
  texts: parts.flatMap(({ texts }) => texts),
  of: parts.map(({ texts }) => texts),
});

/** Scores are cosines times this, whatever the model's own temperature. */
const scale = 100;

/** Prompts for emotions; without templates a class's text stands alone. */
export const emotionTemplates: readonly string[] = [
  "{}",
  "a person who feels {}",
  "a photo of a person who feels {}",
  "a person is feeling {}",
  "someone looks {}",
];

/** Every text of a class in every template; `{}` is where the text goes. */
export function promptsOf(known: ZeroShotClass, templates: readonly string[]): string[] {
  takes("promptsOf(known: { name: text, texts: text[], ... }, templates: text[], ...)", arguments);
  const { texts } = known;
  return templates.flatMap((template) => {
    if (!template.includes("{}")) throw new UsageError(`template "${template}" has no {} for the class`);
    return texts.map((text) => template.replaceAll("{}", () => text));
  });
}

/** What becomes of all prompts on their way into a model; each stands for itself. */
export function reportPrompts(
  tokenizer: Tokenizer,
  classes: readonly ZeroShotClass[],
  templates: readonly string[],
): TextsReport {
  const prompts = classes.flatMap((each) => promptsOf(each, templates));
  return reportTexts(tokenizer, prompts, (i) => quoted(prompts[i]));
}

/**
 * Text features [N, E], `counts[c]` rows for each class in turn -> one row of unit length for each class [C, E]: rows
 * normalised, averaged, normalised.
 */
export function classifierOf(features_NE: Matrix, counts: readonly number[]): Matrix {
  takes("classifierOf(features: matrix, counts: numbers, ...)", arguments);
  const [N] = extent(features_NE, "prompts");
  const sum = counts.reduce((a, b) => a + b, 0);
  if (sum !== N || counts.some((count) => count < 1))
    throw new ShapeError(`prompts: ${N} rows for classes of ${counts.slice(0, 8).join(", ")} prompts`);
  return normalizeRows(meansOf(normalizeRows(features_NE), counts));
}

/** Means of so many rows in turn. */
function meansOf({ shape: [, E], data }: Matrix, counts: readonly number[]): Matrix {
  const means = new Float64Array(counts.length * E);
  let row = 0;
  for (const [c, count] of counts.entries())
    for (let k = 0; k < count; k++, row++) for (let e = 0; e < E; e++) means[c * E + e] += data[row * E + e] / count;
  return matrix(counts.length, E, means);
}

/** Classes of whose texts the tokenizer knows no word: a score for them would look like an answer. */
const unknownClasses = (tokenizer: Tokenizer, classes: readonly ZeroShotClass[]): string[] =>
  classes
    .filter(({ texts }) => texts.every((text) => tokenizer.reading?.(text).isKnown === false))
    .map(({ name }) => name);

/** Why classes cannot be scored that the model has no word for; undefined where it has. */
export function whyUnknown(tokenizer: Tokenizer, classes: readonly ZeroShotClass[]): string | undefined {
  const names = unknownClasses(tokenizer, classes).map((name) => quoted(name));
  if (names.length === 0) return undefined;
  const [last] = names.slice(-1);
  if (names.length === 1) return `this model knows no word of ${last}`;
  const shown =
    names.length > 5
      ? `${names.slice(0, 5).join(", ")} and ${names.length - 5} more`
      : `${names.slice(0, -1).join(", ")} and ${last}`;
  return `${shown} are the same to this model: it knows no word of them`;
}

/**
 * The classifier [C, E] of a model for some classes: rows of unit length; with `average: "logits"` means of such rows, so that a logit is
 * the mean over a class's prompts. A compound is the mean of its classes. Classes that it has no word for are a UsageError.
 */
export async function zeroShotClassifier(
  model: VideoText,
  tokenizer: Tokenizer,
  classes: readonly ZeroShotClass[],
  templates: readonly string[] = ["{}"],
  options: EncodeOptions & { readonly average?: Average } = {},
): Promise<Matrix> {
  takes(
    "zeroShotClassifier(model: { takes: object, encodeVideo: function, encodeText: function, ... }, " +
      "tokenizer: { encode: function, ... }, classes: { name: text, texts: text[], ... }[], " +
      'templates?: text[], options?: { batch?: count, at?: function, average?: "features" | "logits" })',
    arguments,
  );
  const unknown = whyUnknown(tokenizer, classes);
  if (unknown) throw new UsageError(unknown);
  const parts = classes.map(({ name, texts, of = [texts] }) =>
    of.map((own) => promptsOf({ name, texts: own }, templates)),
  );
  const { average = "features", ...encoding } = options;
  const features = await encodeTexts(model, tokenizer, parts.flat(2), encoding);
  const counts = parts.flat().map(({ length }) => length);
  const rows = average === "logits" ? meansOf(normalizeRows(features), counts) : classifierOf(features, counts);
  if (parts.every(({ length }) => length === 1)) return rows;
  const means = meansOf(
    rows,
    parts.map(({ length }) => length),
  );
  return average === "logits" ? means : normalizeRows(means);
}

/** Two classes whose prompts are one and the same to the model, such as words that it does not know; undefined where all differ. */
export function sameClasses(classifier_CE: Matrix): [number, number] | undefined {
  takes("sameClasses(classifier: matrix, ...)", arguments);
  const [C, E] = extent(classifier_CE, "classifier");
  const row = (c: number) => classifier_CE.data.subarray(c * E, (c + 1) * E);
  const close = (a: number, b: number) => Math.abs(a - b) < 1e-7; // batches of other sizes differ in the last bits
  const order = Array.from({ length: C }, (_, c) => c).sort((a, b) => row(a)[0] - row(b)[0]);
  for (const [at, a] of order.entries())
    for (let next = at + 1; next < C && close(row(a)[0], row(order[next])[0]); next++)
      if (row(a).every((value, e) => close(value, row(order[next])[e]))) return [a, order[next]];
  return undefined;
}

/** Logits [N, C] of features [N, E]: 100 · cosine. */
export function zeroShotLogits(features_NE: Matrix, classifier_CE: Matrix): Matrix {
  takes("zeroShotLogits(features: matrix, classifier: matrix, ...)", arguments);
  const [N, E] = extent(features_NE, "features");
  const [C, own] = extent(classifier_CE, "classifier");
  if (own !== E) throw new ShapeError(`features of ${E} numbers, but the classifier has ${own}`);
  const { data } = normalizeRows(features_NE);
  const logits = new Float64Array(N * C);
  for (let n = 0; n < N; n++)
    for (let c = 0; c < C; c++) {
      let dot = 0;
      for (let e = 0; e < E; e++) dot += data[n * E + e] * classifier_CE.data[c * E + e];
      logits[n * C + c] = scale * dot;
    }
  return matrix(N, C, logits);
}

/** Softmax of each row. */
export function probabilities(logits_NC: Matrix): Matrix {
  takes("probabilities(logits: matrix, ...)", arguments);
  const [N, C] = extent(logits_NC, "logits");
  const data = Float64Array.from(logits_NC.data);
  for (let n = 0; n < N; n++) {
    const row = data.subarray(n * C, (n + 1) * C);
    const most = row.reduce((a, b) => Math.max(a, b));
    const sum = row.reduce((total, value, c) => total + (row[c] = Math.exp(value - most)), 0);
    for (let c = 0; c < C; c++) row[c] /= sum;
  }
  return matrix(N, C, data);
}

/** Classes of a row of scores, best first; of equal ones the higher index. */
export function rankedClasses(scores_NC: Matrix, n: number): number[] {
  takes("rankedClasses(scores: matrix, n: natural, ...)", arguments);
  const C = scores_NC.shape[1] ?? 1;
  const row = scores_NC.data.subarray(n * C, (n + 1) * C);
  return Array.from(row.keys()).sort((a, b) => row[b] - row[a] || b - a);
}

/** What zero-shot recognition of a labelled data set comes to; shares from 0 to 1. */
export interface ZeroShotScore {
  /** Share of samples whose true class scores highest. */
  readonly top1: number;
  /** With fewer than five classes the true one is always among them. */
  readonly top5: number;
  /** Weighted average recall: the share of samples recognised. */
  readonly war: number;
  /** Unweighted average recall: the mean over the classes that occur. */
  readonly uar: number;
  /** Recall of each class; NaN where it does not occur. */
  readonly recall: readonly number[];
  /** Rows are the true classes, columns the recognised ones. */
  readonly confusion: Matrix;
}

/** Scores logits or probabilities [N, C] against true classes; ties favour the higher class, as in the official helper. */
export function scoreZeroShot(scores_NC: Matrix, labels: ArrayLike<number>): ZeroShotScore {
  takes("scoreZeroShot(scores: matrix, labels: numbers, ...)", arguments);
  const [N, C] = extent(scores_NC, "zero-shot scores");
  const top1 = topK(labels, scores_NC, 1);
  const predicted = Int32Array.from({ length: N }, (_, n) => rankedClasses(scores_NC, n)[0]);
  const table = confusion(labels, predicted, C);
  const recall = Array.from({ length: C }, (_, c) => {
    const row = Array.from(table.data.subarray(c * C, (c + 1) * C));
    return row[c] / row.reduce((a, b) => a + b, 0);
  });
  return {
    top1,
    top5: topK(labels, scores_NC, 5),
    war: top1,
    uar: averageRecall(labels, predicted),
    recall,
    confusion: table,
  };
}
