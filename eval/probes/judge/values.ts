// Numbers per sample: explained variance, mean squared error, correlation.
import { ShapeError } from "../../../engine/errors.ts";
import { column, extent, type Matrix } from "../../matrix.ts";
import { mse, pearson, r2 } from "../metrics.ts";
import type { Task } from "../protocol.ts";
import type { ClassTable } from "../outcome.ts";
import type { Judged, Measure } from "./measure.ts";

/** Per number and their mean, as the official code prints them. */
export function judgeValues({ metrics, of }: Task, truth: Matrix, predicted: Matrix): Judged {
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
    const mean = (rows?: Uint32Array) => all.reduce((sum, each) => sum + each(rows), 0) / V;
    const unit = metric === "R2" ? "percent" : "plain";
    const whole: Measure = { name: metric, unit, over: mean };
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
