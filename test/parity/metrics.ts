// Probes, smoothing and metrics against scikit-learn and scipy, and .npy files.
import { readFileSync } from "node:fs";
import { basename, posix } from "node:path";
import { npyBytes, readNpy } from "../../data/formats/npy.ts";
import {
  accuracy,
  anyLabelAccuracy,
  averagePrecision,
  decide,
  f1PerLabel,
  fitOneVsRest,
  fitRidge,
  fitSoftmax,
  macroAveragePrecision,
  macroR2,
  macroRocAuc,
  matrix,
  mse,
  oneVsRestScores,
  pearson,
  r2,
  rocAuc,
  savgol,
  softmaxScores,
  topK,
  weightedF1,
} from "../../eval/index.ts";
import { column } from "../../eval/matrix.ts";
import { savgolWeights } from "../../eval/probes/savgol.ts";
import { type Check, isTensors } from "./check.ts";
import type { Folder, Tolerance } from "./folder.ts";
import type { GoldenTensor } from "./tensor-file.ts";
import type { Verdict } from "./verdict.ts";

type Of = (name: string) => GoldenTensor;

interface Metrics {
  readonly objective?: Record<string, number[]>;
  readonly one_vs_rest?: { readonly note?: string };
  readonly multinomial?: { objective: number; weighted_f1: number; acc: number; top2: number; per_class_f1: number[] };
  readonly ridge?: { r2_uniform: number; r2: number[]; mse: number[]; pcc: number[] };
  readonly savgol?: { length: number; window: number; poly: number }[];
  readonly ties?: { AP: number[]; AUC: number[]; mAP: number; mAUC: number; affect2mm_acc: number };
  readonly corner?: Record<string, number | string | null>;
}

interface ClassMetrics {
  readonly mAP: number;
  readonly AUC: number;
  readonly AP: number[];
  readonly AUCs: number[];
  readonly affect2mm_acc: number;
}

/** metrics.json and the tensors it is about lie side by side. */
const partner = (file: string): string =>
  posix.join(posix.dirname(file), `metrics.${isTensors(file) ? "json" : "safetensors"}`);

const isPair = (file: string, folder: Folder) => folder.has(partner(file)) && /^metrics\./.test(basename(file));

/** Numbers of JSON: sums in f64 of some hundred terms in another order. */
const exact: Tolerance = { rtol: 1e-9, atol: 1e-9 };

export const metricTensors: Check = {
  takes: (file, folder) => isTensors(file) && isPair(file, folder),
  run: async (verdict) => {
    const { folder, file } = verdict;
    const of = (name: string) => folder.tensor(file, name);
    const { names } = folder.tensors(file);
    const json = folder.json<Metrics>(partner(file));
    verdict.input(...names.filter((name) => /(^|\.)(X|Y|y)_(train|test)$|\.in$|^ties\./.test(name)));
    if (names.includes("X_train")) await oneVsRest(verdict, of, names, json);
    if (names.includes("multi.X_train")) await softmax(verdict, of, names);
    if (names.includes("ridge.X_train")) await ridge(verdict, of);
    for (const [i, { window, poly }] of (json.savgol ?? []).entries()) {
      await verdict.tensor(`savgol${i}.out`, savgol(of(`savgol${i}.in`).data, { window, order: poly }));
      // scipy's coefficients are for a convolution, which runs through the window backwards
      await verdict.tensor(`savgol${i}.coeffs`, savgolWeights(window, poly, (window - 1) / 2).reverse());
    }
  },
};

async function oneVsRest(verdict: Verdict, of: Of, names: readonly string[], { one_vs_rest }: Metrics): Promise<void> {
  const [X, Y, test] = ["X_train", "Y_train", "X_test"].map(of);
  for (const name of names) {
    const C = /^C([\d.]+)\.coef$/.exec(name)?.[1];
    if (!C) continue;
    const model = fitOneVsRest(X, Y, { C: Number(C) });
    await verdict.tensor(`C${C}.coef`, model.weights.data);
    await verdict.tensor(`C${C}.intercept`, model.intercepts);
    await verdict.tensor(`C${C}.proba`, oneVsRestScores(model, test).data);
  }
  if (!names.includes("constant_columns.proba")) return;
  const K = Y.shape[1];
  const data = Y.data.map((v, i) => (i % K === 0 ? 0 : i % K === 1 ? 1 : v));
  const C = Number(/C=([\d.]+\d)/.exec(one_vs_rest?.note ?? "")?.[1] ?? 2.5);
  const model = fitOneVsRest(X, { shape: Y.shape, data }, { C });
  await verdict.tensor("constant_columns.proba", oneVsRestScores(model, test).data);
}

async function softmax(verdict: Verdict, of: Of, names: readonly string[]): Promise<void> {
  for (const name of names) {
    const C = /^multi\.C([\d.]+)\.coef$/.exec(name)?.[1];
    if (!C) continue;
    const model = fitSoftmax(of("multi.X_train"), of("multi.y_train").data, { C: Number(C) });
    const middle = model.intercepts.reduce((sum, b) => sum + b, 0) / model.intercepts.length;
    await verdict.tensor(`multi.C${C}.coef`, model.weights.data);
    await verdict.tensor(
      `multi.C${C}.intercept`,
      model.intercepts.map((b) => b - middle),
    ); // free up to a constant
    await verdict.tensor(`multi.C${C}.proba`, softmaxScores(model, of("multi.X_test")).data);
  }
}

async function ridge(verdict: Verdict, of: Of): Promise<void> {
  const model = fitRidge(of("ridge.X_train"), of("ridge.Y_train"), { alpha: 1 });
  await verdict.tensor("ridge.coef", model.weights.data);
  await verdict.tensor("ridge.intercept", model.intercepts);
  await verdict.tensor("ridge.pred", decide(model, of("ridge.X_test")).data);
}

export const metricValues: Check = {
  takes: (file, folder) => file.endsWith(".json") && isPair(file, folder),
  run: (verdict) => {
    const { folder, file } = verdict;
    const json = folder.json<Metrics>(file);
    const tensors = folder.tensors(partner(file));
    const of = (name: string) => tensors.tensor(name);
    const C = Number(tensors.names.flatMap((name) => /^multi\.C([\d.]+)\.proba$/.exec(name)?.[1] ?? [])[0] ?? 8);
    objectives(verdict, of, json, C);
    for (const [key, want] of Object.entries(json)) {
      const C = /^one_vs_rest_metrics_C([\d.]+)$/.exec(key)?.[1];
      if (C) classMetrics(verdict, key, of("Y_test"), of(`C${C}.proba`), want as unknown as ClassMetrics);
    }
    if (json.multinomial) multinomial(verdict, of, of(`multi.C${C}.proba`), json.multinomial);
    if (json.ridge) regression(verdict, of, json.ridge);
    if (json.ties) ties(verdict, of, json.ties);
    if (json.corner) corners(verdict, of, json.corner);
  },
};

/** What the probes minimise, at the optimum. */
function objectives(verdict: Verdict, of: Of, { objective = {}, multinomial }: Metrics, C: number): void {
  for (const [name, want] of Object.entries(objective)) {
    const { objective: got } = fitOneVsRest(of("X_train"), of("Y_train"), { C: Number(name.slice(1)) });
    verdict.compare(`objective.${name}`, got, want, { rtol: 1e-12, atol: 0 });
  }
  if (!multinomial) return;
  const { objective: got } = fitSoftmax(of("multi.X_train"), of("multi.y_train").data, { C });
  verdict.number("multinomial.objective", got[0], multinomial.objective, { rtol: 1e-12, atol: 0 });
}

/** Percentages that the official code computes in f32: half a unit of 100 there. */
const percent: Tolerance = { rtol: 0, atol: 1e-5 };

function classMetrics(verdict: Verdict, key: string, y: GoldenTensor, p: GoldenTensor, want: ClassMetrics): void {
  const [ap, auc] = [macroAveragePrecision(y, p), macroRocAuc(y, p)];
  verdict.compare(`${key}.AP`, ap.values, want.AP, exact);
  verdict.compare(`${key}.AUCs`, auc.values, want.AUCs, exact);
  verdict.number(`${key}.mAP`, ap.mean, want.mAP, exact);
  verdict.number(`${key}.AUC`, auc.mean, want.AUC, exact);
  verdict.number(`${key}.affect2mm_acc`, 100 * anyLabelAccuracy(y, p), want.affect2mm_acc, percent);
}

function multinomial(verdict: Verdict, of: Of, p: GoldenTensor, want: NonNullable<Metrics["multinomial"]>): void {
  const truth = of("multi.y_test").data;
  const classes = Array.from(new Set(of("multi.y_train").data)).sort((a, b) => a - b);
  const [n, K] = p.shape;
  const predicted = Array.from({ length: n }, (_, i) => {
    const row = Array.from(p.data.subarray(i * K, (i + 1) * K));
    return classes[row.indexOf(Math.max(...row))];
  });
  const places = Int32Array.from(truth, (label) => classes.indexOf(label));
  verdict.number("multinomial.weighted_f1", weightedF1(truth, predicted), want.weighted_f1, exact);
  verdict.number("multinomial.acc", accuracy(truth, predicted), want.acc, exact);
  verdict.number("multinomial.top2", topK(places, p, 2), want.top2, exact);
  const f1 = f1PerLabel(truth, predicted).map((each) => each.f1);
  verdict.compare("multinomial.per_class_f1", f1, want.per_class_f1, exact);
}

function regression(verdict: Verdict, of: Of, want: NonNullable<Metrics["ridge"]>): void {
  const [y, p] = [of("ridge.Y_test"), of("ridge.pred")];
  // the file holds the targets rounded to f32, 6e-8 of values around 1; the numbers come from those before
  const rounded: Tolerance = { rtol: 0, atol: 1e-8 };
  const found = macroR2(y, p);
  verdict.number("ridge.r2_uniform", found.mean, want.r2_uniform, rounded);
  verdict.compare("ridge.r2", found.values, want.r2, rounded);
  const each = (metric: typeof mse) => want.mse.map((_, t) => metric(column(y, t), column(p, t)));
  verdict.compare("ridge.mse", each(mse), want.mse, rounded);
  verdict.compare("ridge.pcc", each(pearson), want.pcc, rounded);
}

function ties(verdict: Verdict, of: Of, want: NonNullable<Metrics["ties"]>): void {
  const [y, score] = [of("ties.y"), of("ties.score")];
  const [ap, auc] = [macroAveragePrecision(y, score), macroRocAuc(y, score)];
  verdict.compare("ties.AP", ap.values, want.AP, exact);
  verdict.compare("ties.AUC", auc.values, want.AUC, exact);
  verdict.number("ties.mAP", ap.mean, want.mAP, exact);
  verdict.number("ties.mAUC", auc.mean, want.mAUC, exact);
  const found = 100 * anyLabelAccuracy(y, of("ties.affect2mm_score"));
  verdict.number("ties.affect2mm_acc", found, want.affect2mm_acc, percent);
}

/** Undefined cases, of the first column of the ties. What scikit-learn refuses is NaN here. */
function corners(verdict: Verdict, of: Of, want: Record<string, number | string | null>): void {
  const [y, score] = [column(of("ties.y"), 0), column(of("ties.score"), 0)];
  const [none, all] = [new Float64Array(y.length), new Float64Array(y.length).fill(1)];
  const pair = (a: Float64Array, b: Float64Array) =>
    matrix(
      y.length,
      2,
      Float64Array.from({ length: 2 * y.length }, (_, i) => (i % 2 ? b : a)[i >> 1]),
    );
  const got: Record<string, () => number> = {
    ap_no_positive: () => averagePrecision(none, score),
    ap_all_positive: () => averagePrecision(all, score),
    auc_no_positive: () => rocAuc(none, score),
    auc_all_positive: () => rocAuc(all, score),
    map_with_one_empty_class: () => macroAveragePrecision(pair(y, none), pair(score, score)).mean,
    mauc_with_one_empty_class: () => macroRocAuc(pair(y, none), pair(score, score)).mean,
    ap_constant_score: () => averagePrecision(y, none),
    auc_constant_score: () => rocAuc(y, none),
    positives_in_column0: () => y.reduce((sum, v) => sum + v, 0),
    r2_constant_target_imperfect: () => r2([2, 2, 2], [1, 2, 3]),
    r2_constant_target_perfect: () => r2([2, 2, 2], [2, 2, 2]),
    r2_one_sample: () => r2([1], [1]),
    r2_mean_predictor: () => r2([1, 2, 3], [2, 2, 2]),
    pcc_constant: () => pearson([1, 1, 1], [1, 2, 3]),
    savgol_window_longer_than_signal: () => lengthOr(() => savgol(new Float64Array(99), { window: 100, order: 3 })),
  };
  for (const [name, value] of Object.entries(want)) {
    if (!(name in got)) verdict.note(`corner.${name}: the data it comes from are not in the file`);
    else verdict.number(`corner.${name}`, got[name](), typeof value === "number" ? value : Number.NaN, exact);
  }
}

/** NaN for what is refused. */
function lengthOr(series: () => ArrayLike<number>): number {
  try {
    return series().length;
  } catch {
    return Number.NaN;
  }
}

/** Arrays are read and written again, floats in C order byte by byte; a feature cache holds the first rows of the training data. */
export const npyFiles: Check = {
  takes: (file) => file.endsWith(".npy"),
  run: (verdict) => {
    const { folder, file } = verdict;
    const bytes = new Uint8Array(readFileSync(folder.path(file)));
    const arrays = readNpy(bytes, basename(file));
    const again = Buffer.concat([...npyBytes(arrays)]);
    // other types are widened when they are read, and columns become rows
    const keepsBytes = /^.{10}\{'descr': '<f[48]', 'fortran_order': False/s.test(Buffer.from(bytes).toString("latin1"));
    if (keepsBytes) verdict.same("written again", again.equals(bytes), true);
    for (const [i, { shape, data }] of readNpy(again, basename(file)).entries()) {
      verdict.same(`shape ${i} written again`, shape, arrays[i].shape);
      verdict.compare(`values ${i} written again`, data, arrays[i].data, { rtol: 0, atol: 0 });
    }
    const tensors = folder.beside(file, "metrics.safetensors");
    if (!/feature_cache/.test(file) || !tensors) return;
    verdict.same("arrays", arrays.length, 2);
    for (const [i, name] of ["X_train", "Y_train"].entries()) {
      const { data } = folder.tensor(tensors, name);
      verdict.compare(name, arrays[i].data, data.subarray(0, arrays[i].data.length), { rtol: 0, atol: 0 });
    }
  },
};
