// Softmax and its logarithm along an axis. The ops know the last one. Attention has its own, with masks (attention/).
import { ceilDiv, pass } from "../../engine/declare/pass.ts";
import { op } from "../../engine/record/op.ts";
import type { Tensor } from "../../engine/record/tensor.ts";
import { takes } from "../../engine/takes.ts";
import { axisOf } from "../lib/axes.ts";
import levels from "../lib/levels.wgsl";
import numbers from "../lib/numbers.wgsl";
import panels from "../lib/panels.wgsl";
import rows from "../lib/rows.wgsl";
import { permute } from "../shape/shape.ts";
import dx from "./dx.wgsl";
import forward from "./forward.wgsl";
import logDx from "./log-dx.wgsl";
import logForward from "./log-forward.wgsl";

const perRow = ({ N }: { N: number }, { WG, SG }: Readonly<Record<string, number>>) => ceilDiv(N, WG / SG);

const bench = [
  { N: 512, D: 512 }, // logits of a contrastive batch
  { N: 16 * 77, D: 1000 },
];

/** Rows far from 0 as well: exp overflows where the maximum is not taken off first. */
const test = {
  draw: {
    x: (random: () => number, _: unknown, numel: number) => {
      const middle = random() < 0.5 ? 0 : 300;
      return Array.from({ length: numel }, () => middle + 8 * random());
    },
  },
};

/** x − max x − log Σ exp(x − max x) of each row, in f64: a row of one huge number loses nothing. */
function logSoftmax64(x: Float64Array, D: number): Float64Array {
  const y = x.slice();
  for (let at = 0; at < x.length; at += D) {
    const row = y.subarray(at, at + D);
    const top = row.reduce((a, v) => Math.max(a, v), -Infinity);
    const sum = row.reduce((s, v) => s + Math.exp(v - top), 0);
    for (let d = 0; d < D; d++) row[d] = row[d] - top - Math.log(sum);
  }
  return y;
}

const overRows = op({
  name: "softmax",
  about: "y = exp(x) / Σ exp(x) over the last axis",
  sig: "x_ND -> y_ND",
  forward: [pass("x_ND -> y_ND", [numbers, panels, levels, rows, forward], perRow)],
  backward: [pass("dy_ND y_ND -> dx_ND", [panels, levels, rows, dx], perRow)],
  ref: ({ x }, { D }) => ({ y: logSoftmax64(x, D).map(Math.exp) }),
  flops: ({ N, D }) => 5 * N * D,
  bench,
  test,
});

const logOverRows = op({
  name: "logSoftmax",
  about: "y = x − log Σ exp(x) over the last axis",
  sig: "x_ND -> y_ND",
  forward: [pass("x_ND -> y_ND", [numbers, panels, levels, rows, logForward], perRow)],
  backward: [pass("dy_ND y_ND -> dx_ND", [numbers, panels, levels, rows, logDx], perRow)],
  ref: ({ x }, { D }) => ({ y: logSoftmax64(x, D) }),
  flops: ({ N, D }) => 4 * N * D,
  bench,
  test,
});

/** `of`, which knows the last axis, along any: it is moved there, and back. */
function along(of: (x: Tensor) => Tensor, x: Tensor, axis: number, what: string): Tensor {
  const at = axisOf(x, axis, what);
  const last = x.shape.length - 1;
  if (at === last) return of(x);
  const others = [...x.shape.keys()].filter((i) => i !== at);
  const back = [...x.shape.keys()].map((i) => (i < at ? i : i === at ? last : i - 1));
  return permute(of(permute(x, [...others, at])), back);
}

/** Probabilities along an axis, the last one by default: y = exp(x) / Σ exp(x). */
export function softmax(x: Tensor, axis = -1): Tensor {
  takes("softmax(x: tensor, axis?: whole)", arguments);
  return along(overRows, x, axis, "softmax");
}

/** Log-probabilities along an axis, the last one by default: y = x − log Σ exp(x). */
export function logSoftmax(x: Tensor, axis = -1): Tensor {
  takes("logSoftmax(x: tensor, axis?: whole)", arguments);
  return along(logOverRows, x, axis, "logSoftmax");
}
