// What the main job prints before and after training: how much of the labels a linear probe finds in frozen features of the stage,
// by BoLD's protocol, and how well clips and captions find each other.

import { ShapeError } from "../../engine/errors.ts";
import { takes } from "../../engine/takes.ts";
import { project } from "./linear-algebra.ts";
import { extent, type Matrix, matrix, normalizeRows, takeRows } from "../matrix.ts";
import { accuracy, macroAveragePrecision, macroR2, macroRocAuc, retrievalAt } from "./metrics.ts";
import { decide, fitOneVsRest, fitRidge, fitSoftmax, oneVsRestScores, predictClasses } from "./probes.ts";
import { protocols, type Target } from "./protocol.ts";

/** One split: features of clips [N, E] as the model gives them, and what is known of the subject of each clip. */
export interface ProbeSplit {
  readonly features: Matrix;
  /** Multi-hot [N, C]. */
  readonly categories: Matrix;
  /** Valence, arousal, dominance [N, 3]. */
  readonly vad: Matrix;
  /** One class per clip; gives the row "emotion" where both splits have it. */
  readonly emotion?: ArrayLike<number>;
  /** Features of the captions [N, E]; gives the rows "R@1 …" where the test split has them. */
  readonly text?: Matrix;
  /** The captions: where several clips have the same one, retrieval asks for the first of them only. */
  readonly captions?: readonly string[];
}

/** A line of a result table: fractions, not percent. */
export type Row = readonly [name: string, value: number];

/** C, or alpha, of the probe that the stage's protocol fits on these targets. */
function strengthOf(target: Target): number {
  const { probe } = protocols.stage.tasks.find((task) => task.target === target)!;
  return probe.kind === "ridge" ? probe.alpha : probe.C;
}

/**
 * Probes are fitted on the train split and read on the test split, features L2-normalised. Classes that the test split shows on
 * one side only make AUC NaN; then two more rows give the means over the classes that have both. Which rows there are
 * depends on the labels alone, so tables of different models line up.
 */
export function probeStage(splits: { readonly train: ProbeSplit; readonly test: ProbeSplit }): Row[] {
  takes(
    "probeStage(splits: { train: { features: matrix, ... }, test: { features: matrix, ... }, ... }, ...)",
    arguments,
  );
  const { train, test } = splits;
  const [x, z] = [normalizeRows(train.features), normalizeRows(test.features)];
  const isLabelled = train.categories.shape[1] > 0 && test.categories.shape[1] > 0; // shards may come without labels
  const rows = isLabelled ? labelRows(x, z, train, test) : [];
  if (train.emotion && test.emotion) {
    const model = fitSoftmax(x, train.emotion, { C: strengthOf("label") });
    rows.push(["emotion", accuracy(test.emotion, predictClasses(model, z))]);
  }
  if (test.text) {
    const asked = firstOfEach(test.captions);
    const pick = (m: Matrix) => (asked ? takeRows(m, asked) : m);
    const found = retrievalAt(similarities(pick(test.features), pick(test.text)), 1);
    rows.push(["R@1 video-text", found.byRow], ["R@1 text-video", found.byColumn]);
  }
  return rows;
}

/** How well the labels are found: x and z are the normalised features of the splits. */
function labelRows(x: Matrix, z: Matrix, train: ProbeSplit, test: ProbeSplit): Row[] {
  const scores = oneVsRestScores(fitOneVsRest(x, train.categories, { C: strengthOf("labels") }), z);
  const ap = macroAveragePrecision(test.categories, scores);
  const auc = macroRocAuc(test.categories, scores);
  const vad = decide(fitRidge(x, train.vad, { alpha: strengthOf("values") }), z);
  const rows: Row[] = [
    ["mAP", ap.mean],
    ["AUC", auc.mean],
    ["R2", macroR2(test.vad, vad).mean],
  ];
  if (auc.undefinedClasses.length > 0)
    rows.push(["mAP, defined classes", ap.meanDefined], ["AUC, defined classes", auc.meanDefined]);
  return rows;
}

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
