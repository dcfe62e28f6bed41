// The head for symptoms of EmoCLIP's official code: Linear, ReLU, Linear over a video feature, under the root of the mean squared error.
import { compute, free, later, persistent, Tape, type Tensor } from "../../engine/index.ts";
import { linear, mul, relu, scale, sqrt, square, sub, sum } from "../../kernels/index.ts";
import type { Linear } from "../../model/clip/linear.ts";
import { allocate, Init, named } from "../../model/index.ts";
import { Adam } from "../../train/index.ts";
import { type Matrix, matrix, requireFinite } from "../matrix.ts";

/** Its parameters, under the official names below `mlp.`; 1 has none. */
export interface SymptomHead {
  readonly 0: Linear;
  readonly 2: Linear;
}

/** f_NE -> scores_NQ. */
export const symptomHead = (f_NE: Tensor, { 0: into, 2: out }: SymptomHead): Tensor =>
  linear(relu(linear(f_NE, into.weight, into.bias)), out.weight, out.bias);

/** √ of the mean squared error over the elements that are known: 1 in known_NQ, of which there are `count`; the official loss. */
export const rootMeanSquare = (got_NQ: Tensor, wanted_NQ: Tensor, known_NQ: Tensor, count: number): Tensor =>
  sqrt(scale(sum(mul(square(sub(got_NQ, wanted_NQ)), known_NQ)), { factor: 1 / count }));

/** How a head is trained. There is no official training; the optimiser's settings are those of the official code's Adam. */
export interface HeadSettings {
  readonly hidden: number;
  /** Updates on all rows at once. */
  readonly steps: number;
  readonly lr: number;
  readonly decay: number;
  readonly seed: number;
}

export const usualHead: HeadSettings = { hidden: 256, steps: 200, lr: 1e-3, decay: 5e-4, seed: 2022 };

/** Steps after which a loss is waited for. */
const together = 20;

/**
 * Trains a head on x_NE where known_NQ is 1 of y_NQ, and predicts every row; where nothing is known of a row it was not fitted on it.
 * Undefined once `isStopped` says so.
 */
export async function trainHead(
  x_NE: Matrix,
  y_NQ: Matrix,
  known_NQ: Float32Array,
  { hidden, steps, lr, decay, seed }: HeadSettings,
  isStopped: () => boolean,
): Promise<Matrix | undefined> {
  const [N, E] = x_NE.shape;
  const [, Q] = y_NQ.shape;
  const init = new Init(seed);
  const head: SymptomHead = { 0: linearOf(init, hidden, E), 2: linearOf(init, Q, hidden) };
  const groups = [{ name: "head", members: [...named(head)], decay: true }];
  const shards = allocate(groups, Adam.moments);
  init.fill();
  const optimizer = new Adam(groups, shards, { decay, eps: 1e-6 });
  const rows: Tensor[] = [];
  const kept = (data: ArrayLike<number>, width: number): Tensor => {
    const made = persistent(Float32Array.from(data), [N, width]);
    rows.push(made);
    return made;
  };
  const count = known_NQ.reduce((all, one) => all + one, 0);
  try {
    const [x, y, known] = [kept(x_NE.data, E), kept(y_NQ.data, Q), kept(known_NQ, Q)];
    const update = (step: number) => {
      using tape = new Tape();
      const loss = rootMeanSquare(symptomHead(x, head), y, known, count);
      tape.gradients(loss);
      optimizer.step(step, lr);
      return later(loss);
    };
    for (let step = 1; step <= steps; step++) {
      const loss = update(step);
      if (step % together === 0 || step === steps) requireFinite(await loss, `loss of the head at step ${step}`);
      if (isStopped()) return undefined;
    }
    const predicted = (await compute(() => symptomHead(x, head))) as Float32Array;
    requireFinite(predicted, "predictions of the head");
    return matrix(N, Q, Float64Array.from(predicted));
  } finally {
    free(...rows);
    for (const shard of shards.get("head")!) shard.free();
  }
}

/** Values as PyTorch's layers start. */
const linearOf = (init: Init, to: number, from: number): Linear => ({
  weight: init.uniform([to, from], from ** -0.5),
  bias: init.uniform([to], from ** -0.5),
});
