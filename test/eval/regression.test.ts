// Regression of scores: the penalty's shortcut against models fitted anew, whole runs against an independent computation, and what a
// head can that a line cannot.
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Random } from "../../data/philox.ts";
import { type Matrix, matrix } from "../../eval/matrix.ts";
import { trainHead, usualHead } from "../../eval/regression/head.ts";
import { linearProbes } from "../../eval/regression/linear.ts";
import { heldOutParts } from "../../eval/regression/parts.ts";
import { type ModelName, regress, type ScoredRows } from "../../eval/regression/protocol.ts";
import { sharedGpu } from "../kernels/derive.ts";
import { refusal } from "../kit/refusal.ts";

const gpu = await sharedGpu();

type Rows = readonly (readonly number[])[];

/** Solves a x = b by elimination with pivots: nothing of the engine's own algebra. */
function solved(a: number[][], b: number[]): number[] {
  const rows = a.map((row, i) => [...row, b[i]]);
  for (let k = 0; k < rows.length; k++) {
    const pivot = rows
      .slice(k)
      .reduce((best, row, i) => (Math.abs(row[k]) > Math.abs(rows[best][k]) ? k + i : best), k);
    [rows[k], rows[pivot]] = [rows[pivot], rows[k]];
    for (let i = 0; i < rows.length; i++) {
      if (i === k) continue;
      const factor = rows[i][k] / rows[k][k];
      for (let j = k; j < rows[i].length; j++) rows[i][j] -= factor * rows[k][j];
    }
  }
  return rows.map((row, k) => row[row.length - 1] / row[k]);
}

/** Ridge with a free intercept, by its normal equations; predictions for other rows. */
function ridge(x: Rows, y: readonly number[], penalty: number, other: Rows): number[] {
  const design = x.map((row) => [...row, 1]);
  const D = design[0].length;
  const a = Array.from({ length: D }, (_, i) =>
    Array.from(
      { length: D },
      (_, j) => design.reduce((sum, row) => sum + row[i] * row[j], 0) + (i === j && i < D - 1 ? penalty : 0),
    ),
  );
  const w = solved(
    a,
    Array.from({ length: D }, (_, i) => design.reduce((sum, row, n) => sum + row[i] * y[n], 0)),
  );
  return other.map((row) => [...row, 1].reduce((sum, value, i) => sum + value * w[i], 0));
}

const random = new Random(3, "regression");
const draw = (rows: number, columns: number): number[][] =>
  Array.from({ length: rows }, () => Array.from({ length: columns }, () => 2 * random.uniform() - 1));
const asMatrix = (rows: Rows): Matrix => matrix(rows.length, rows[0].length, Float64Array.from(rows.flat()));
const near = (got: ArrayLike<number>, wanted: ArrayLike<number>, within: number, what: string) => {
  for (let i = 0; i < wanted.length; i++)
    assert.ok(
      Math.abs(got[i] - wanted[i]) <= within * (1 + Math.abs(wanted[i])),
      `${what}[${i}]: ${got[i]}, ${wanted[i]}`,
    );
};

test("errors on groups that are left out are those of models fitted anew without them", async () => {
  for (const [N, D] of [
    [14, 3],
    [9, 20],
  ]) {
    const x = draw(N, D);
    const y = x.map((row) => row[0] - 2 * row[1] + random.uniform());
    const groups = x.map((_, n) => `s${n % 4}`);
    const penalties = [0.1, 3, 50];
    const wanted = penalties.map((penalty) => {
      const squares = ["s0", "s1", "s2", "s3"].flatMap((out) => {
        const [fit, held] = [false, true].map((is) =>
          groups.flatMap((group, n) => ((group === out) === is ? [n] : [])),
        );
        const found = ridge(
          fit.map((n) => x[n]),
          fit.map((n) => y[n]),
          penalty,
          held.map((n) => x[n]),
        );
        return held.map((n, i) => (found[i] - y[n]) ** 2);
      });
      return squares.reduce((a, b) => a + b) / N;
    });
    const request = { fit: [...x.keys()], held: [0], groups, penalties };
    const [{ errors, penalty }] = await linearProbes(asMatrix(x), [y], request);
    near(errors, wanted, 1e-9, `${N} x ${D}`);
    assert.is(penalty, penalties[wanted.indexOf(Math.min(...wanted))]);
  }
});

test("scores that are probed together are each what they are by themselves", async () => {
  const x = draw(14, 3);
  const scores = [0, 1, 2].map((d) => x.map((row) => row[d] + (0.1 + d) * random.uniform()));
  const request = { fit: [...x.keys()].slice(2), held: [0, 1], groups: x.slice(2).map((_, n) => n % 4) };
  const penalties = [0.01, 1, 30, 1000];
  const together = await linearProbes(asMatrix(x), scores, { ...request, penalties });
  assert.ok(new Set(together.map(({ penalty }) => penalty)).size > 1);
  for (const [q, score] of scores.entries())
    assert.equal(await linearProbes(asMatrix(x), [score], { ...request, penalties }), [together[q]]);
});

/** Five subjects of four rows each; two scores, of which the second lacks some. */
function sample(score: (row: readonly number[]) => number): ScoredRows & { x: number[][]; subjects: string[] } {
  const x = draw(20, 5);
  const subjects = x.map((_, n) => `p${n % 5}`);
  const scores = asMatrix(x.map((row, n) => [score(row), n % 7 === 3 ? Number.NaN : row[2] + 0.1 * random.uniform()]));
  return { x, features: asMatrix(x), scores, names: ["a", "b"], subjects };
}

const options = (models: readonly ModelName[]) => ({
  models,
  penalties: [1],
  head: { ...usualHead, hidden: 16, steps: 150, lr: 0.02 },
  isStopped: () => false,
});
const told = (subject: readonly string[]) => ({ file: "x.csv", subject });
const bySubject = (scored: { subjects: string[] }) =>
  heldOutParts(told(scored.subjects), "subject", { groups: 5, seed: 1 });

test("leave-one-subject-out is an independent computation's, with what is missing left out", async () => {
  const scored = sample((row) => 3 * row[0] - row[4] + 0.2 * random.uniform());
  const { results } = (await regress(scored, bySubject(scored), options(["linear", "mean"])))!;
  const [linear, mean] = results;
  const { x, subjects, scores } = scored;
  for (const person of ["p0", "p1", "p2", "p3", "p4"])
    for (const q of [0, 1]) {
      const fit = subjects.flatMap((each, n) => (each !== person && !Number.isNaN(scores.data[2 * n + q]) ? [n] : []));
      const held = subjects.flatMap((each, n) => (each === person ? [n] : []));
      const all = subjects.flatMap((each, n) => (each === person ? [] : [n]));
      const at = (rows: readonly number[], d: number) => rows.map((n) => x[n][d]);
      const average = (values: readonly number[]) => values.reduce((a, b) => a + b) / values.length;
      const standard = Array.from({ length: 5 }, (_, d) => {
        const middle = average(at(all, d));
        return { middle, spread: Math.sqrt(average(at(all, d).map((value) => (value - middle) ** 2))) };
      });
      const scaled = (rows: readonly number[]) =>
        rows.map((n) => x[n].map((value, d) => (value - standard[d].middle) / standard[d].spread));
      const y = fit.map((n) => scores.data[2 * n + q]);
      const wanted = ridge(scaled(fit), y, 1, scaled(held));
      near(
        held.map((n) => linear.predicted.data[2 * n + q]),
        wanted,
        1e-8,
        `${person} ${q}`,
      );
      near(
        held.map((n) => mean.predicted.data[2 * n + q]),
        held.map(() => average(y)),
        1e-12,
        `mean of ${person} ${q}`,
      );
    }
  assert.equal(
    linear.pooled.map(({ name, rows }) => [name, rows]),
    [
      ["a", 20],
      ["b", 17],
    ],
  );
  assert.ok(linear.pooled[0].pcc! > 0.95 && mean.pooled[0].pcc! < 0, `${linear.pooled[0].pcc} ${mean.pooled[0].pcc}`);
  assert.is(linear.bySubject!.length, 2);
  assert.equal(linear.parts.map(({ name, fit, held }) => `${name} ${fit} ${held}`).slice(0, 2), ["p0 16 4", "p1 16 4"]);
});

test("nothing of a held-out subject reaches what is fitted: other scores of it change no prediction", async () => {
  const scored = sample((row) => row[0]);
  const parts = bySubject(scored).slice(0, 1);
  const other = matrix(20, 2, Float64Array.from(scored.scores.data));
  for (const n of parts[0].held) other.data[2 * n] = 1000;
  const all: Float64Array[] = [];
  for (const scores of [scored.scores, other]) {
    const { results } = (await regress({ ...scored, scores }, parts, options(["linear", "head"])))!;
    all.push(Float64Array.from(results.flatMap(({ predicted }) => parts[0].held.map((n) => predicted.data[2 * n]))));
  }
  assert.equal(all[0], all[1]);
});

test("the head learns what no line can", async () => {
  const x = draw(48, 2);
  const subjects = x.map((_, n) => `p${n % 3}`);
  const scored = {
    features: asMatrix(x),
    scores: asMatrix(x.map(([a]) => [40 * Math.abs(a)])),
    names: ["bent"],
    subjects,
  };
  const { results } = (await regress(scored, bySubject({ subjects }), options(["linear", "head"])))!;
  const [line, head] = results.map(({ pooled: [{ pcc }] }) => pcc!);
  assert.ok(line < 0.5 && head > 0.85, `line ${line}, head ${head}`);
  const again = (await regress(scored, bySubject({ subjects }), options(["head"])))!.results[0];
  assert.equal(again.predicted, results[1].predicted);
});

test("a head gives back all memory of the GPU, also where it is stopped or its loss is no number", async () => {
  const x = asMatrix(draw(12, 3));
  const settings = { ...usualHead, hidden: 8, steps: 4 };
  const fit = (y: Matrix, isStopped = false) =>
    trainHead(x, y, new Float32Array(12).fill(1), settings, () => isStopped);
  const y = asMatrix(draw(12, 1));
  await fit(y);
  const before = { ...gpu.store.live };
  for (let i = 0; i < 3; i++) await fit(y);
  assert.is(await fit(y, true), undefined);
  await refusal(fit(matrix(12, 1, new Float64Array(12).fill(1e30))));
  assert.equal({ ...gpu.store.live }, before);
});

test("predictions that are no numbers are refused, and no row is left out in silence", async () => {
  const settings = { ...usualHead, hidden: 8, steps: 1, lr: 1e30 };
  const known = new Float32Array(12).fill(1);
  const error = await refusal(trainHead(asMatrix(draw(12, 3)), asMatrix(draw(12, 1)), known, settings, () => false));
  assert.match(error.message, /^predictions of the head: value \d+ of 12 is -?(NaN|Infinity)/);
});

test("a score that does not vary where it is fitted has no prediction there, and that is said", async () => {
  const scored = sample((row) => row[0]);
  for (const [n, person] of scored.subjects.entries()) if (person !== "p0") scored.scores.data[2 * n] = 4;
  const { results, notes } = (await regress(scored, bySubject(scored), options(["linear"])))!;
  assert.equal(notes, ["without p0: a does not vary among the rows that are fitted on; no prediction of it there"]);
  const [first, second] = results[0].parts;
  assert.equal([first.scores[0].rows, first.scores[0].mae, second.scores[0].rows], [0, null, 4]);
  assert.equal([second.scores[0].pcc, second.scores[0].mae !== null], [null, true]);
});

test("where one subject is fitted on, that single rows are left out for the penalty is said, but not where nothing is chosen", async () => {
  const scored = sample((row) => row[0]);
  const subjects = scored.subjects.map((person) => (person === "p0" ? "p0" : "p1"));
  const two = { ...scored, subjects };
  const notesOf = async (models: readonly ModelName[], penalties: number[]) =>
    (await regress(two, bySubject({ subjects }), { ...options(models), penalties }))!.notes;
  assert.equal(await notesOf(["linear"], [1, 10]), [
    "without p0: one subject is fitted on, so the penalty of a, b is by the squared error on single rows left out",
    "without p1: one subject is fitted on, so the penalty of a, b is by the squared error on single rows left out",
  ]);
  assert.equal([await notesOf(["linear"], [1]), await notesOf(["mean"], [1, 10])], [[], []]);
});

test("groups are whole subjects; a subject on both sides of a fold or split, and a single one, are refused", () => {
  const subject = Array.from({ length: 12 }, (_, n) => `p${n % 6}`);
  const parts = heldOutParts(told(subject), "groups", { groups: 3, seed: 5 });
  for (const { fit, held } of parts) {
    assert.is(new Set(held.map((n) => subject[n])).size, 2);
    assert.not(held.some((n) => fit.some((m) => subject[m] === subject[n])));
  }
  assert.equal(
    parts.flatMap(({ held }) => held).sort((a, b) => a - b),
    [...subject.keys()],
  );
  const fold = subject.map((_, n) => String(n % 4));
  const refused = (work: () => unknown, message: RegExp) => assert.throws(work, message);
  refused(
    () => heldOutParts({ ...told(subject), fold }, "fold", { groups: 2, seed: 1 }),
    /subject "p\d" is both in "0"/,
  );
  refused(() => heldOutParts(told(["a", "a"]), "subject", { groups: 2, seed: 1 }), /all 2 rows are of the subject "a"/);
  refused(() => heldOutParts(told(subject), "groups", { groups: 7, seed: 1 }), /7 groups of 6 subjects/);
  refused(() => heldOutParts({ ...told(subject), split: fold }, "split", { groups: 2, seed: 1 }), /"split" has/);
  const split = ["val", "train", "test", "train", "val"];
  assert.equal(heldOutParts({ file: "x.csv", split }, "split", { groups: 2, seed: 1 }), [
    { name: "test", fit: [1, 3], held: [2] },
    { name: "val", fit: [1, 3], held: [0, 4] },
  ]);
  const whole = heldOutParts({ file: "x.csv", fold: subject }, "fold", { groups: 2, seed: 1 });
  assert.is(whole.length, 6);
});

test.run();
