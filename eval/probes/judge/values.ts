// Numbers per sample: explained variance, mean squared error, correlation.
import { ShapeError } from "../../../engine/errors.ts";
import { column, extent, type Matrix } from "../../matrix.ts";
import { mse, pearson, r2 } from "../metrics.ts";
import { constant, meanNote } from "../not-defined.ts";
import type { Task } from "../protocol.ts";
import type { ClassTable } from "../outcome.ts";
import type { Judged, Measure } from "./measure.ts";

/** Per number and their mean, as the official code prints them. */
export function judgeValues({ metrics, of, leavesOut }: Task, truth: Matrix, predicted: Matrix): Judged {
  const [n, V] = extent(truth, "values");
  const [, width] = extent(predicted, "predictions");
  if (V !== width) throw new ShapeError(`values: ${V} columns in the test split, but ${width} in training`);
  const pick = (m: Matrix, v: number, rows?: Uint32Array) =>
    rows ? Float64Array.from(rows, (i) => m.data[i * V + v]) : column(m, v);
  const functions = { R2: r2, MSE: mse, PCC: pearson } as const;
  const measures = metrics.flatMap((metric): Measure[] => {
    const of1 = functions[metric as keyof typeof functions];
    const single = (v: number) => (rows?: Uint32Array) => of1(pick(truth, v, rows), pick(predicted, v, rows));
    const all = Array.from({ length: V }, (_, v) => single(v));
    const left = leavesOut ? sameEverywhere(truth, V) : [];
    const kept = all.filter((_, v) => !left.includes(v));
    const mean = (rows?: Uint32Array) => kept.reduce((sum, each) => sum + each(rows), 0) / kept.length;
    const unit = metric === "R2" ? "percent" : "plain";
    const reason = meanNote(of, left, constant) ?? whyNaN(metric, mean());
    const undefinedClasses = left.map((v) => of[v]);
    const said = {
      ...(reason !== undefined && { reason }),
      ...(left.length > 0 && { undefinedClasses, meanDefined: mean() }),
    };
    const whole: Measure = { name: metric, unit, over: mean, ...said };
    return metric === "R2"
      ? [whole]
      : [...all.map((over, v) => ({ name: `${metric} ${of[v]}`, unit, over }) as const), whole];
  });
  const perClass: ClassTable = {
    columns: ["samples", "R2", "MSE", "PCC"],
    rows: of.slice(0, V).map((name, v) => {
      const [a, b] = [column(truth, v), column(predicted, v)];
      return [name, n, r2(a, b), mse(a, b), pearson(a, b)] as const;
    }),
  };
  return { measures, perClass };
}

/** Numbers that are the same in all samples: there is nothing to explain. */
const sameEverywhere = (truth: Matrix, V: number): number[] =>
  Array.from({ length: V }, (_, v) => v).filter((v) => new Set(column(truth, v)).size === 1);

const whyNaN = (metric: string, value: number): string | undefined => {
  if (!Number.isNaN(value)) return undefined;
  return `not defined: ${metric === "PCC" ? "the numbers or the predictions are the same in all samples" : "one sample has no variance"}`;
};
