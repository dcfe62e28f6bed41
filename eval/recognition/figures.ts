// Figures of expression recognition: weighted and unweighted average recall, as that field counts them.
import { UsageError } from "../../engine/errors.ts";
import { takes } from "../../engine/takes.ts";
import { meanOf } from "../mean.ts";
import type { Matrix } from "../matrix.ts";
import { confusion } from "../probes/metrics.ts";

/** One class among the clips. */
export interface ClassRecall {
  readonly label: number;
  /** Clips of the class, of which `found` were told to be of it, and `told` clips of all were. */
  readonly support: number;
  readonly found: number;
  readonly told: number;
  /** found / support; NaN of a class without clips. */
  readonly recall: number;
}

/** What a recognition comes to. */
export interface Recognition {
  /** Weighted average recall: the share of all clips told right. */
  readonly war: number;
  /**
   * Unweighted average recall as the official code has it: the mean over the classes that occur among labels or predictions; one that is
   * only predicted counts 0.
   */
  readonly uar: number;
  /** The mean over all classes that have clips: what is meant where every class does. */
  readonly uarOfLabels: number;
  readonly classes: readonly ClassRecall[];
  /** Counts, row = true class, column = predicted class. */
  readonly confusion: Matrix;
}

/** Labels and predictions are class numbers from 0 to classes − 1. Errors: UsageError for no clips, ShapeError for other numbers. */
export function recognition(labels: ArrayLike<number>, predicted: ArrayLike<number>, classes: number): Recognition {
  takes("recognition(labels: numbers, predicted: numbers, classes: size, ...)", arguments);
  if (labels.length === 0) throw new UsageError("recognition: there are no clips");
  const counts = confusion(labels, predicted, classes);
  const rows = Array.from({ length: classes }, (_, label) => recallOf(counts, label));
  const seen = rows.filter(({ support, told }) => support + told > 0);
  const withClips = rows.filter(({ support }) => support > 0);
  return {
    war: rows.reduce((sum, { found }) => sum + found, 0) / labels.length,
    uar: meanOf(seen.map(({ support, recall }) => (support > 0 ? recall : 0))),
    uarOfLabels: meanOf(withClips.map(({ recall }) => recall)),
    classes: rows,
    confusion: counts,
  };
}

function recallOf({ data, shape: [classes] }: Matrix, label: number): ClassRecall {
  let [support, told] = [0, 0];
  for (let other = 0; other < classes; other++) {
    support += data[label * classes + other];
    told += data[other * classes + label];
  }
  const found = data[label * classes + label];
  return { label, support, found, told, recall: found / support };
}
