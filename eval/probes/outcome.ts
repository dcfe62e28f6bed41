// What scoring takes and gives: features with targets, and what one probe came to on one split.
import type { Matrix } from "../matrix.ts";
import type { Interval } from "./bootstrap.ts";

/** What is known of the samples of a split, one row each; a split may have several kinds of targets. */
export interface Targets {
  /** [N, C] of 0 and 1. */
  readonly labels?: Matrix;
  /** [N], the number of the one class. */
  readonly label?: ArrayLike<number>;
  /** [N, V]. */
  readonly values?: Matrix;
  /** The movie, video or dialogue that each sample was cut from. */
  readonly groups?: readonly string[];
}

/** A split as probes see it: features [N, D] as they came, and targets. */
export interface SplitFeatures {
  readonly name: string;
  readonly features: Matrix;
  readonly targets: Targets;
}

/** A figure of merit. `percent` ones are fractions here and printed times 100, as the paper does. */
export interface Figure {
  readonly name: string;
  readonly value: number;
  readonly unit: "percent" | "plain";
  /** Where the middle 95 % of resampled test sets put it. */
  readonly interval?: Interval;
  /** Classes for which it is not defined, and the mean over the others. */
  readonly undefinedClasses?: readonly string[];
  readonly meanDefined?: number;
  /** Why there is no value (NaN, in JSON null), or which classes it leaves out. */
  readonly reason?: string;
}

/** A line per class: its name, and a number per column. */
export interface ClassTable {
  readonly columns: readonly string[];
  readonly rows: readonly (readonly [name: string, ...values: number[]])[];
}

/** One probe on one split. */
export interface TaskResult {
  readonly task: string;
  readonly split: string;
  readonly samples: number;
  /** What was measured, in the order of the protocol's metrics. */
  readonly figures: readonly Figure[];
  /** The same class by class. */
  readonly perClass: ClassTable;
  /** Rows are true classes, columns predicted ones; only where a sample has one class. */
  readonly confusion?: { readonly classes: readonly string[]; readonly counts: readonly (readonly number[])[] };
}
