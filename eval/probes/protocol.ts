// The official linear evaluation as one table: what is fitted on which split, how, and what is reported on which others.

import { labels } from "../../data/sets/labels.ts";
import type { BenchmarkName } from "../../data/sets/switches.ts";
import { categories, emotions } from "../../data/stage/index.ts";
import { lirisSmoothing, type Savgol } from "./savgol.ts";

/** Which of a sample's targets a probe is fitted on: several classes, one class, or numbers. */
export type Target = "labels" | "label" | "values";

/** What is fitted on frozen features: logistic regressions (penalty 1/C), or ridge regression (penalty alpha). */
export type Probe =
  | { readonly kind: "one-vs-rest" | "softmax"; readonly C: number }
  | { readonly kind: "ridge"; readonly alpha: number };

/** One probe and what is reported of it. */
export interface Task {
  readonly name: string;
  readonly target: Target;
  readonly probe: Probe;
  readonly metrics: readonly Metric[];
  /** Predictions are smoothed over the samples' order before they are compared. */
  readonly smooth?: Savgol;
  /** Names of the classes, or of the numbers, in the order of the columns. */
  readonly of: readonly string[];
  /**
   * A mean leaves out what is not defined, and names it. Without it undefined cases are those of scikit-learn, by which the published
   * figures were made.
   */
  readonly leavesOut?: true;
}

/** `accuracy` of several classes is the any-label one: the highest-scored class is among the true ones. */
export type Metric = "mAP" | "AUC" | "R2" | "accuracy" | "weighted F1" | "UAR" | "MSE" | "PCC";

/** How a benchmark is evaluated: what goes in, the split that probes are fitted on, those they are read on, and the tasks. */
export interface Protocol {
  /** What `encodeVideo` or `encodeImage` is given; see data/benchmarks for resizing, crops and masks. */
  readonly input: "video" | "image";
  /** The split that probes are fitted on. */
  readonly fit: string;
  /** The splits that they are read on. */
  readonly on: readonly string[];
  readonly tasks: readonly Task[];
}

const oneVsRest = (C: number): Probe => ({ kind: "one-vs-rest", C });
const softmax = (C: number): Probe => ({ kind: "softmax", C });
const ridge: Probe = { kind: "ridge", alpha: 1 };
const vad = ["valence", "arousal", "dominance"] as const;

/** How the embedded data and anybody's own are probed, by what their targets are: after BoLD and MELD, which they resemble. */
export const labelsTask = (name: string, of: readonly string[]): Task => ({
  name,
  target: "labels",
  probe: oneVsRest(3.16),
  metrics: ["mAP", "AUC"],
  of,
  leavesOut: true,
});
export const labelTask = (name: string, of: readonly string[]): Task => ({
  name,
  target: "label",
  probe: softmax(8),
  metrics: ["accuracy", "weighted F1", "UAR"],
  of,
  leavesOut: true,
});
export const valuesTask = (name: string, of: readonly string[]): Task => ({
  name,
  target: "values",
  probe: ridge,
  metrics: ["R2"],
  of,
  leavesOut: true,
});

/**
 * How the paper evaluates each benchmark. Features are those of the frozen model, L2-normalised, not standardised. C and alpha are the
 * official ones; probes are solved to the optimum instead of stopping where the official solver does.
 */
export const protocols: Readonly<Record<BenchmarkName, Protocol>> = {
  bold: {
    input: "video",
    fit: "train",
    on: ["val"],
    tasks: [
      { name: "emotions", target: "labels", probe: oneVsRest(3.16), metrics: ["mAP", "AUC"], of: labels.bold },
      { name: "VAD", target: "values", probe: ridge, metrics: ["R2"], of: vad },
    ],
  },
  moviegraphs: {
    input: "video",
    fit: "train",
    on: ["val", "test"],
    tasks: [
      { name: "emotions", target: "labels", probe: oneVsRest(10), metrics: ["accuracy"], of: labels.moviegraphs },
    ],
  },
  meld: {
    input: "video",
    fit: "train",
    on: ["dev", "test"],
    tasks: [
      {
        name: "emotion",
        target: "label",
        probe: softmax(8),
        metrics: ["weighted F1", "accuracy"],
        of: labels.meld_emotion,
      },
    ],
  },
  liris: {
    input: "video",
    fit: "train",
    on: ["test"],
    tasks: [
      {
        name: "valence and arousal",
        target: "values",
        probe: ridge,
        metrics: ["MSE", "PCC"],
        smooth: lirisSmoothing,
        of: ["valence", "arousal"],
      },
    ],
  },
  emotic: {
    input: "image",
    fit: "train",
    on: ["val", "test"],
    tasks: [{ name: "emotions", target: "labels", probe: oneVsRest(2.5), metrics: ["mAP", "AUC"], of: labels.emotic }],
  },
  // The embedded data, by the protocols of the data sets that it resembles: BoLD and MELD.
  stage: {
    input: "video",
    fit: "train",
    on: ["test"],
    tasks: [labelsTask("emotions", categories), valuesTask("VAD", vad), labelTask("emotion", emotions)],
  },
};

/** The splits that a benchmark needs, the one to fit on first. */
export const splitsOf = ({ fit, on }: Protocol): string[] => [fit, ...on];
