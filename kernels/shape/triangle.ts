// Matrices without what is above or below a diagonal.
import type { Pass } from "../../engine/declare/pass.ts";
import { anyType, type Dtype } from "../../engine/declare/signature.ts";
import { op } from "../../engine/record/op.ts";
import type { Tensor } from "../../engine/record/tensor.ts";
import { takes } from "../../engine/takes.ts";
import { ShapeError } from "../../engine/errors.ts";
import { rowsPass } from "./by-rows.ts";
import text from "./triangle.wgsl";

/** The columns of one element. */
const columns = {
  1: "alias Columns = i32;\nfn columns(q: u32) -> i32 { return i32(q); }\n",
  4: "alias Columns = vec4i;\nfn columns(q: u32) -> vec4i { return 4 * i32(q) + vec4i(0, 1, 2, 3); }\n",
};

const kept = (x: string, y: string, sign: 1 | -1): Pass =>
  rowsPass(`${x}_NAB -> ${y}_NAB`, {
    text: (step) => columns[step] + text,
    of: ({ N, A, B }) => ({ count: N * A, row: B, unit: B }),
    uniforms: ({ A }, { diagonal }) => ({ count: A, sign, limit: sign * Number(diagonal) }),
    rename: { x, y },
  });

const triangle = (name: "tril" | "triu", sign: 1 | -1) =>
  op({
    name,
    about: `y_ab = x_ab where b − a is at ${sign === 1 ? "most" : "least"} the diagonal, else 0`,
    sig: "x_NAB -> y_NAB",
    storage: anyType,
    attrs: { diagonal: 0 },
    takes: { diagonal: "whole" },
    forward: [kept("x", "y", sign)],
    backward: [kept("dy", "dx", sign)],
    ref: ({ x }, { A, B }, { diagonal }) => ({
      y: x.map((v, i) => (sign * ((i % B) - (Math.floor(i / B) % A) - diagonal) <= 0 ? v : 0)),
    }),
    flops: () => 0,
    bench: [{ N: 16 * 8, A: 256, B: 256 }],
    test: { attrs: [{}, { diagonal: 1 }, { diagonal: -2 }, { diagonal: 40 }] },
  });

const lower = triangle("tril", 1);
const upper = triangle("triu", -1);

function checkMatrix(x: Tensor<Dtype>, what: string): void {
  if (x.shape.length < 2) throw new ShapeError(`${what}: [${x.shape}] is no matrix; expected two axes or more`);
}

/** x_NAB with 0 above the diagonal of each matrix (PyTorch's tril); `diagonal` 1 keeps one more above it, −1 drops it as well. */
export function tril<D extends Dtype>(x: Tensor<D>, diagonal = 0): Tensor<D> {
  takes("tril(x: tensor, diagonal?: whole)", arguments);
  checkMatrix(x, "tril");
  return lower(x, { diagonal });
}

/** x_NAB with 0 below the diagonal of each matrix (PyTorch's triu); `diagonal` 1 drops it as well, −1 keeps one more below it. */
export function triu<D extends Dtype>(x: Tensor<D>, diagonal = 0): Tensor<D> {
  takes("triu(x: tensor, diagonal?: whole)", arguments);
  checkMatrix(x, "triu");
  return upper(x, { diagonal });
}
