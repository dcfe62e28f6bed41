// Regression of scores from frozen features: every part is held out in turn, what is fitted sees nothing of it, and predictions of all
// parts are judged together and part by part.
import { setImmediate as turn } from "node:timers/promises";
import { column, type Matrix, matrix } from "../matrix.ts";
import { meanOf } from "../mean.ts";
import { type RegressionFigures, regressionFigures } from "./figures.ts";
import { type HeadSettings, trainHead } from "./head.ts";
import { linearProbes, type Probed } from "./linear.ts";
import { type HeldOut, rowsBy } from "./parts.ts";
import { type Standard, standardised, standardOf } from "./standard.ts";

/** Rows of features with their scores. */
export interface ScoredRows {
  /** [N, D]. */
  readonly features: Matrix;
  /** [N, Q]; NaN where there is none. */
  readonly scores: Matrix;
  readonly names: readonly string[];
  /** Who each row is of, where that is known. */
  readonly subjects: readonly string[] | undefined;
}

/** What a model predicts. */
export const models = ["mean", "linear", "head"] as const;
export type ModelName = (typeof models)[number];

export interface RegressionOptions {
  readonly models: readonly ModelName[];
  readonly penalties: readonly number[];
  readonly head: HeadSettings;
  /** Hears how many fits are done, of `parts × models`. */
  readonly at?: (done: number) => void;
  readonly isStopped: () => boolean;
}

/** Figures of one score; null without rows, and correlations where truth does not vary, or is of one row. */
export type ScoreFigures = { readonly name: string; readonly rows: number } & {
  readonly [F in keyof RegressionFigures]: RegressionFigures[F] | null;
};

/** One held-out part of a model. */
export interface PartResult {
  readonly name: string;
  readonly fit: number;
  readonly held: number;
  /** The penalty of each score, by its name. */
  readonly penalties?: Readonly<Record<string, number>>;
  readonly scores: readonly ScoreFigures[];
}

/** What a model comes to. */
export interface ModelResult {
  readonly model: ModelName;
  /** Over all rows that were held out once. */
  readonly pooled: readonly ScoreFigures[];
  /** The same over subjects: of each the mean of its rows; where subjects have several. */
  readonly bySubject?: readonly ScoreFigures[];
  readonly parts: readonly PartResult[];
  /** [N, Q]; NaN of a row that was never held out, and of a score that could not be fitted. */
  readonly predicted: Matrix;
}

/** Every model on every part, and what could not be fitted, in sentences; undefined once somebody has asked to stop. */
export async function regress(
  scored: ScoredRows,
  parts: readonly HeldOut[],
  options: RegressionOptions,
): Promise<{ results: ModelResult[]; notes: string[] } | undefined> {
  const [N, Q] = scored.scores.shape;
  const all = options.models.map((model) => ({
    model,
    predicted: matrix(N, Q, new Float64Array(N * Q).fill(Number.NaN)),
    chosen: [] as (Record<string, number> | undefined)[],
  }));
  const notes: string[] = [];
  let done = 0;
  for (const part of parts) {
    const view = viewOf(scored, part);
    notes.push(...unfit(scored, part, view));
    if (options.models.includes("linear") && options.penalties.length > 1) notes.push(...alone(scored, part, view));
    for (const { model, predicted, chosen } of all) {
      await turn();
      const found = options.isStopped() ? undefined : await fitted(model, scored, part, view, options);
      if (!found) return undefined;
      for (const n of part.held)
        for (let q = 0; q < Q; q++)
          if (view.fits[q]) (predicted.data as Float64Array)[n * Q + q] = found.predicted(n, q);
      chosen.push(found.penalties);
      options.at?.(++done);
    }
  }
  return { results: all.map((each) => resultOf(scored, parts, each)), notes };
}

/** A part as models see it: features and scores standardised by the rows that are fitted on. */
interface PartView {
  readonly x: Matrix;
  readonly scores: Standard;
  /** Whether a score varies among the rows that are fitted on. */
  readonly fits: readonly boolean[];
  /** Scores that vary, those together that are known in the same rows. */
  readonly known: readonly KnownRows[];
}

/** Rows that are fitted on, and the numbers of the scores that are known in these and no others. */
interface KnownRows {
  readonly rows: readonly number[];
  readonly scores: readonly number[];
}

function viewOf({ features, scores }: ScoredRows, { fit }: HeldOut): PartView {
  const [, Q] = scores.shape;
  const standard = standardOf(scores, fit);
  const rows = Array.from({ length: Q }, (_, q) => fit.filter((n) => !Number.isNaN(scores.data[n * Q + q])));
  const fits = rows.map((of, q) => new Set(of.map((n) => scores.data[n * Q + q])).size > 1);
  const varying = rows.flatMap((_, q) => (fits[q] ? [q] : []));
  const known = [...rowsBy(varying, (q) => rows[q].join()).values()].map((of) => ({ rows: rows[of[0]], scores: of }));
  return { x: standardised(features, standardOf(features, fit)), scores: standard, fits, known };
}

/** Scores that cannot be learnt in a part: their predictions are lacking, not guessed. */
const unfit = ({ names }: ScoredRows, { name }: HeldOut, { fits }: PartView): string[] =>
  names.flatMap((score, q) =>
    fits[q]
      ? []
      : [`without ${name}: ${score} does not vary among the rows that are fitted on; no prediction of it there`],
  );

/** Scores whose penalty is not chosen on people although they are known, for there is one among the rows that are fitted on. */
function alone({ names, subjects }: ScoredRows, { name }: HeldOut, { known }: PartView): string[] {
  const of = known.filter(({ rows }) => subjects && new Set(rows.map((n) => subjects[n])).size === 1);
  const scores = of.flatMap((each) => each.scores).sort((a, b) => a - b);
  if (scores.length === 0) return [];
  const which = scores.map((q) => names[q]).join(", ");
  return [
    `without ${name}: one subject is fitted on, so the penalty of ${which} is by the squared error on single rows left out`,
  ];
}

interface Fitted {
  predicted(n: number, q: number): number;
  readonly penalties?: Record<string, number>;
}

/** Predictions in the units of the scores; undefined once somebody has asked to stop. */
async function fitted(
  model: ModelName,
  scored: ScoredRows,
  part: HeldOut,
  view: PartView,
  options: RegressionOptions,
): Promise<Fitted | undefined> {
  const { mean, deviation } = view.scores;
  if (model === "mean") return { predicted: (_, q) => mean[q] };
  if (model === "linear") return probed(scored, part, view, options);
  const [N, Q] = scored.scores.shape;
  const y = standardised(scored.scores, view.scores);
  const seen = new Set(part.fit);
  const known = Float32Array.from({ length: N * Q }, (_, i) =>
    seen.has(Math.floor(i / Q)) && view.fits[i % Q] && !Number.isNaN(y.data[i]) ? 1 : 0,
  );
  const wanted = matrix(
    N,
    Q,
    Float64Array.from(y.data, (value, i) => (known[i] === 1 ? value : 0)),
  );
  const found = await trainHead(view.x, wanted, known, options.head, options.isStopped);
  return found && { predicted: (n, q) => mean[q] + deviation[q] * found.data[n * Q + q] };
}

async function probed(
  { scores, names, subjects }: ScoredRows,
  { held }: HeldOut,
  { x, known }: PartView,
  { penalties, isStopped }: RegressionOptions,
): Promise<Fitted | undefined> {
  const found: Probed[] = [];
  for (const { rows, scores: of } of known) {
    if (isStopped()) return undefined;
    const y = of.map((q) => column(scores, q));
    const fits = await linearProbes(x, y, { fit: rows, held, groups: groupsOf(rows, subjects), penalties });
    for (const [i, q] of of.entries()) found[q] = fits[i];
  }
  const place = new Map(held.map((n, i) => [n, i]));
  return {
    predicted: (n, q) => found[q].predicted[place.get(n)!],
    penalties: Object.fromEntries(names.flatMap((name, q) => (found[q] ? [[name, found[q].penalty]] : []))),
  };
}

/** Rows of a subject are left out together; where there is one subject, or none is known, each row by itself. */
function groupsOf(rows: readonly number[], subjects: readonly string[] | undefined): unknown[] {
  const of = rows.map((n) => subjects?.[n]);
  return new Set(of).size > 1 ? of : [...rows];
}

function resultOf(
  { scores, names, subjects }: ScoredRows,
  parts: readonly HeldOut[],
  {
    model,
    predicted,
    chosen,
  }: { model: ModelName; predicted: Matrix; chosen: readonly (Record<string, number> | undefined)[] },
): ModelResult {
  const rows = [...new Set(parts.flatMap(({ held }) => held))];
  const figures = (of: readonly (readonly number[])[]) => figuresOf(names, predicted, scores, of);
  const people = subjects && [...rowsBy(rows, (n) => subjects[n]).values()];
  return {
    model,
    pooled: figures(rows.map((n) => [n])),
    ...(people && people.length < rows.length && { bySubject: figures(people) }),
    parts: parts.map(({ name, fit, held }, i) => ({
      name,
      fit: fit.length,
      held: held.length,
      ...(chosen[i] && { penalties: chosen[i] }),
      scores: figures(held.map((n) => [n])),
    })),
    predicted,
  };
}

/** Figures of each score over means of rows; rows without truth or prediction are left out. */
function figuresOf(
  names: readonly string[],
  predicted: Matrix,
  truth: Matrix,
  of: readonly (readonly number[])[],
): ScoreFigures[] {
  const Q = names.length;
  return names.map((name, q) => {
    const pairs = of.flatMap((rows) => {
      const known = rows.filter(
        (n) => !Number.isNaN(truth.data[n * Q + q]) && !Number.isNaN(predicted.data[n * Q + q]),
      );
      const side = ({ data }: Matrix) => meanOf(known.map((n) => data[n * Q + q]));
      return known.length > 0 ? [[side(predicted), side(truth)]] : [];
    });
    return { name, rows: pairs.length, ...figuresOfPairs(pairs) };
  });
}

function figuresOfPairs(pairs: readonly number[][]): Omit<ScoreFigures, "name" | "rows"> {
  if (pairs.length === 0) return { pcc: null, ccc: null, mae: null, mse: null, rmse: null };
  const side = (i: number) =>
    matrix(
      pairs.length,
      1,
      Float64Array.from(pairs, (pair) => pair[i]),
    );
  const [found] = regressionFigures(side(0), side(1));
  const varies = new Set(pairs.map(([, truth]) => truth)).size > 1;
  return varies ? found : { ...found, pcc: null, ccc: null };
}
