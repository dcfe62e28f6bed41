// What the main job prints before and after training: how much of the labels a linear probe finds in frozen features of the stage,
// by BoLD's protocol, and how well clips and captions find each other.

import { ShapeError } from "../../engine/errors.ts";
import { takes } from "../../engine/takes.ts";
import { atOnce } from "./in-turns.ts";
import { project } from "./linear-algebra.ts";
import { column, extent, type Matrix, matrix, normalizeRows, takeRows } from "../matrix.ts";
import { accuracy, type Macro, macroAveragePrecision, macroR2, macroRocAuc, retrievalAt } from "./metrics.ts";
import { constant, meanNote, noPositive, oneClassOnly, oneSided, withoutValues } from "./not-defined.ts";
import { decide, fitRidge, oneVsRestScores, oneVsRestSteps, predictClasses, softmaxSteps } from "./probes.ts";
import { protocols, type Target } from "./protocol.ts";

/** One split: features of clips [N, E] as the model gives them, and what is known of the subject of each clip. */
export interface ProbeSplit {
  readonly features: Matrix;
  /** Multi-hot [N, C]. */
  readonly categories: Matrix;
  /** Valence, arousal, dominance [N, 3]; NaN in the rows of clips without them. */
  readonly vad: Matrix;
  /** One class per clip; gives the row "emotion" where both splits have it. */
  readonly emotion?: ArrayLike<number>;
  /** Features of the captions [N, E]; gives the rows "R@1 …" where the test split has them. */
  readonly text?: Matrix;
  /** The captions: where several clips have the same one, retrieval asks for the first of them only. */
  readonly captions?: readonly string[];
}

/** A line of a result table: a fraction, not percent; NaN where the data do not define it. */
export type Row = readonly [name: string, value: number];

/** The same with a note: why a figure is not defined, or which classes its mean leaves out because they are not. */
export type NotedRow = readonly [...Row, note?: string];

/** C, or alpha, of the probe that the stage's protocol fits on these targets. */
function strengthOf(target: Target): number {
  const { probe } = protocols.stage.tasks.find((task) => task.target === target)!;
  return probe.kind === "ridge" ? probe.alpha : probe.C;
}

/** What the probes are fitted on and read on, and the names of the categories. */
export interface ProbeSplits {
  readonly train: ProbeSplit;
  readonly test: ProbeSplit;
  readonly names?: readonly string[];
}

/**
 * The probes of the main job, a row for each target. They are fitted on the train split and read on the test split, features
 * L2-normalised. A class that the test split does not show, or shows on one side only, is left out of the mean; what is defined for no
 * class is NaN. Which rows there are depends on the labels alone, so tables of different models line up.
 */
export function probeStage(splits: ProbeSplits): Row[] {
  takes(
    "probeStage(splits: { train: { features: matrix, ... }, test: { features: matrix, ... }, ... }, ...)",
    arguments,
  );
  return atOnce(probeRowsSteps(splits)).map(([name, value]) => [name, value]);
}

/** `probeStage` with the notes, yielding wherever it may be left. */
export function* probeRowsSteps({ train, test, names }: ProbeSplits): Generator<void, NotedRow[]> {
  const [x, z] = [normalizeRows(train.features), normalizeRows(test.features)];
  const isLabelled = train.categories.shape[1] > 0 && test.categories.shape[1] > 0; // shards may come without labels
  const rows = isLabelled ? [...(yield* labelRows(x, z, train, test, names)), valueRow(x, z, train, test)] : [];
  if (train.emotion && test.emotion) rows.push(yield* emotionRow(x, z, train.emotion, test.emotion));
  yield;
  if (test.text) rows.push(...retrievalRows(test, test.text));
  return rows;
}

/** How well the categories are found: x and z are the normalised features of the splits. */
function* labelRows(
  x: Matrix,
  z: Matrix,
  train: ProbeSplit,
  test: ProbeSplit,
  names?: readonly string[],
): Generator<void, NotedRow[]> {
  const model = yield* oneVsRestSteps(x, train.categories, { C: strengthOf("labels") });
  const scores = oneVsRestScores(model, z);
  const of = names ?? Array.from({ length: test.categories.shape[1] }, (_, c) => `category ${c}`);
  const row = (name: string, { meanDefined, undefinedClasses }: Macro, why: string) =>
    noted(name, meanDefined, meanNote(of, undefinedClasses, why));
  return [
    row("mAP", macroAveragePrecision(test.categories, scores), noPositive),
    row("AUC", macroRocAuc(test.categories, scores), oneSided),
  ];
}

/** How much of valence, arousal and dominance is explained; one that is the same in all test clips is left out. */
function valueRow(x: Matrix, z: Matrix, train: ProbeSplit, test: ProbeSplit): NotedRow {
  const lacking =
    withoutValues(train.vad, "valence, arousal and dominance") ??
    withoutValues(test.vad, "valence, arousal and dominance");
  if (lacking) return ["R2", Number.NaN, lacking];
  const { values } = macroR2(test.vad, decide(fitRidge(x, train.vad, { alpha: strengthOf("values") }), z));
  const of = protocols.stage.tasks.find(({ target }) => target === "values")!.of;
  const left = of.flatMap((_, v) => (new Set(column(test.vad, v)).size > 1 ? [] : [v]));
  const kept = Array.from(values).filter((_, v) => !left.includes(v));
  return noted("R2", kept.reduce((a, b) => a + b, 0) / kept.length, meanNote(of, left, constant));
}

function* emotionRow(
  x: Matrix,
  z: Matrix,
  train: ArrayLike<number>,
  test: ArrayLike<number>,
): Generator<void, NotedRow> {
  const hindrance = oneClassOnly(train);
  if (hindrance) return ["emotion", Number.NaN, hindrance];
  const model = yield* softmaxSteps(x, train, { C: strengthOf("label") });
  return ["emotion", accuracy(test, predictClasses(model, z))];
}

function retrievalRows({ features, captions }: ProbeSplit, text: Matrix): NotedRow[] {
  const asked = firstOfEach(captions);
  const pick = (m: Matrix) => (asked ? takeRows(m, asked) : m);
  const [count] = pick(features).shape;
  const why = count > 1 ? undefined : "not defined: all clips have one caption, and there is no other to take for it";
  const { byRow, byColumn } = retrievalAt(similarities(pick(features), pick(text)), 1);
  return [
    noted("R@1 video-text", why ? Number.NaN : byRow, why),
    noted("R@1 text-video", why ? Number.NaN : byColumn, why),
  ];
}

const noted = (name: string, value: number, note: string | undefined): NotedRow =>
  note === undefined ? [name, value] : [name, value, note];

/** Numbers of the clips whose caption no earlier clip has. */
function firstOfEach(captions: readonly string[] | undefined): number[] | undefined {
  return captions && [...captions.keys()].filter((i) => captions.indexOf(captions[i]) === i);
}

/** Cosines of every row of a_NE with every row of b_ME, [N, M] in f64. */
export function similarities(a_NE: Matrix, b_ME: Matrix): Matrix {
  takes("similarities(a: matrix, b: matrix, ...)", arguments);
  const [n, d] = extent(a_NE, "similarities");
  const [m, width] = extent(b_ME, "similarities");
  if (d !== width) throw new ShapeError(`similarities: rows of ${d} and of ${width} values`);
  const padded = Math.ceil(n / 4) * 4;
  const data = new Float64Array(padded * d);
  data.set(normalizeRows(a_NE).data);
  const b = normalizeRows(b_ME).data as Float64Array;
  const columns = Array.from({ length: m }, () => new Float64Array(padded));
  project(
    { n, padded, d, data },
    columns.map((_, j) => b.subarray(j * d, (j + 1) * d)),
    columns,
  );
  const out = new Float64Array(n * m);
  for (let j = 0; j < m; j++) for (let i = 0; i < n; i++) out[i * m + j] = columns[j][i];
  return matrix(n, m, out);
}
