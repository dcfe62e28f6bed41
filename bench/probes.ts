// How long the linear probes take at the sizes of the paper's data sets, on the processor alone.
import { cpus } from "node:os";
import { type Matrix, matrix, normalizeRows } from "../eval/matrix.ts";
import { decide, fitOneVsRest, fitRidge, fitSoftmax, oneVsRestScores, softmaxScores } from "../eval/probes/probes.ts";
import { uniform } from "../engine/device/draws.ts";
import { median } from "./measure.ts";
import { type Bench, ours } from "./ops.ts";
import { processorRow } from "./row.ts";

const width = 512;

interface Problem {
  readonly x: Matrix;
  readonly labels: Matrix;
  readonly label: Int32Array;
  readonly values: Matrix;
}

/** Rows of unit length around a common mean, variances that fall off as those of real features do, labels that depend on them. */
function draw(n: number, classes: number): Problem {
  const random = uniform(n);
  const normal = () => 2 * (random() + random() + random() - 1.5);
  const mean = Float64Array.from({ length: width }, () => random() - 0.5);
  const raw = Float32Array.from(
    { length: n * width },
    (_, i) => mean[i % width] + normal() * Math.exp(-(i % width) / 80),
  );
  const x = normalizeRows(matrix(n, width, raw));
  const directions = Array.from({ length: classes }, () => Float64Array.from({ length: width }, () => 3 * normal()));
  const labels = new Float32Array(n * classes);
  const label = new Int32Array(n);
  for (let i = 0; i < n; i++) {
    const scores = directions.map((w, k) => w.reduce((sum, v, j) => sum + v * x.data[i * width + j], -2 - k / 10));
    for (const [k, f] of scores.entries()) labels[i * classes + k] = random() < 1 / (1 + Math.exp(-f)) ? 1 : 0;
    const seven = scores.slice(0, 7).map((f) => f + normal());
    label[i] = seven.indexOf(Math.max(...seven));
  }
  const values = Float64Array.from({ length: n * 3 }, normal);
  return { x, labels: matrix(n, classes, labels), label, values: matrix(n, 3, values) };
}

/** A probe in the making, and afterwards how far it is from its optimum (see imbalance). */
type Fit = (problem: Problem) => () => number;

/** At the optimum of every probe here the mean of what it says is the mean of what is true, column by column: the intercept is free. */
function imbalance(said: Matrix, truth: Matrix): number {
  const [n, columns] = said.shape;
  const gaps = new Float64Array(columns);
  for (let i = 0; i < n * columns; i++) gaps[i % columns] += (said.data[i] - truth.data[i]) / n;
  return Math.max(...gaps.map(Math.abs));
}

const oneVsRest: Fit = ({ x, labels }) => {
  const model = fitOneVsRest(x, labels, { C: 3.16 });
  return () => imbalance(oneVsRestScores(model, x), labels);
};

const ridge: Fit = ({ x, values }) => {
  const model = fitRidge(x, values, { alpha: 1 });
  return () => imbalance(decide(model, x), values);
};

const softmax: Fit = ({ x, label }) => {
  const model = fitSoftmax(x, label, { C: 8 });
  const { classes } = model;
  const K = classes.length;
  const truth = Float64Array.from({ length: label.length * K }, (_, i) =>
    label[Math.floor(i / K)] === classes[i % K] ? 1 : 0,
  );
  return () => imbalance(softmaxScores(model, x), matrix(label.length, K, truth));
};

/** Seconds of CPU time that are allowed; the bar is for BoLD, with its ridge. */
const cases: readonly { name: string; n: number; most?: number; fits: readonly Fit[] }[] = [
  { name: "BoLD: 9827 x 512, 26 labels and 3 values", n: 9827, most: 10, fits: [oneVsRest, ridge] },
  { name: "MELD: 9988 x 512, 7 classes", n: 9988, fits: [softmax] },
  { name: "20000 x 512, 26 labels", n: 20000, fits: [oneVsRest] },
];

/** Prints the rows of the suite "probes"; the bars that were missed. */
export function benchProbes({ rounds, wanted, row }: Bench): string[] {
  const missed: string[] = [];
  for (const { name, n, most, fits } of cases.filter((each) => wanted("probes", each.name))) {
    const problem = draw(n, 26);
    let correct = true;
    const samples = Array.from({ length: Math.min(3, rounds) }, () => {
      const [start, before] = [performance.now(), process.cpuUsage()];
      const gaps = fits.map((fit) => fit(problem));
      const { user, system } = process.cpuUsage(before);
      const wall = performance.now() - start;
      correct &&= gaps.every((gap) => gap() < 1e-8);
      return { wall, cpu: (user + system) / 1000 };
    });
    const cpu = median(samples.map((sample) => sample.cpu));
    const said = `${(cpu / 1000).toFixed(1)} s of CPU time${most ? `, at most ${most}` : ""}`;
    const isMissed = most !== undefined && cpu > 1000 * most;
    if (isMissed) missed.push(`${name}: ${said}`);
    if (!correct) missed.push(`${name}: not at the optimum`);
    const note = `${isMissed ? "MISSED" : most ? "reached" : "measured"}: ${said}`;
    const adapter = `one thread of ${cpus()[0]?.model ?? "CPU"}`;
    row(processorRow({ suite: "probes", case: name, engine: ours, adapter, correct, note }, samples));
  }
  return missed;
}
