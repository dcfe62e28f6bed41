// Softmax and its logarithm over the last axis. Attention has its own, with masks (attention/).
import { ceilDiv, pass } from "../../engine/declare/pass.ts";
import { op } from "../../engine/record/op.ts";
import rows from "../lib/rows.wgsl";
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

/** log Σ exp of each row, in f64. */
function logSumExp(x: Float64Array, N: number, D: number): Float64Array {
  return Float64Array.from({ length: N }, (_, n) => {
    const row = x.subarray(n * D, n * D + D);
    const top = row.reduce((a, v) => Math.max(a, v), -Infinity);
    return top + Math.log(row.reduce((s, v) => s + Math.exp(v - top), 0));
  });
}

/** Probabilities of each row: x_ND -> y_ND = exp(x) / Σ exp(x). */
export const softmax = op({
  name: "softmax",
  about: "y = exp(x) / Σ exp(x) over the last axis",
  sig: "x_ND -> y_ND",
  forward: [pass("x_ND -> y_ND", [rows, forward], perRow)],
  backward: [pass("dy_ND y_ND -> dx_ND", [rows, dx], perRow)],
  ref({ x }, { N, D }) {
    const lse = logSumExp(x, N, D);
    return { y: x.map((v, i) => Math.exp(v - lse[Math.floor(i / D)])) };
  },
  flops: ({ N, D }) => 5 * N * D,
  bench,
  test,
});

/** Log-probabilities of each row: x_ND -> y_ND = x − log Σ exp(x). */
export const logSoftmax = op({
  name: "logSoftmax",
  about: "y = x − log Σ exp(x) over the last axis",
  sig: "x_ND -> y_ND",
  forward: [pass("x_ND -> y_ND", [rows, logForward], perRow)],
  backward: [pass("dy_ND y_ND -> dx_ND", [rows, logDx], perRow)],
  ref({ x }, { N, D }) {
    const lse = logSumExp(x, N, D);
    return { y: x.map((v, i) => v - lse[Math.floor(i / D)]) };
  },
  flops: ({ N, D }) => 4 * N * D,
  bench,
  test,
});
