// Reverse-mode differentiation in float64 on plain arrays: slow, short, and written without a look at the kernels, so that the two
// can be compared. Tensors are row-major.
import { erf64 } from "../../kernels/lib/erf.ts";

/** A value and, after `backward`, the derivative of the result by it. */
export class Node {
  readonly grad: Float64Array;

  constructor(
    readonly shape: readonly number[],
    readonly data: Float64Array,
    private readonly parents: readonly Node[] = [],
    /** Adds to the parents' `grad`. */
    private readonly back: (dy: Float64Array) => void = () => {},
  ) {
    this.grad = new Float64Array(data.length);
  }

  /** Writes `grad` of everything this one, a single number, was computed from. */
  backward(): void {
    const order: Node[] = [];
    const seen = new Set<Node>();
    const visit = (node: Node): void => {
      if (seen.has(node)) return;
      seen.add(node);
      for (const parent of node.parents) visit(parent);
      order.push(node);
    };
    visit(this);
    for (const node of order) node.grad.fill(0);
    this.grad[0] = 1;
    for (const node of order.reverse()) node.back(node.grad);
  }

  /** The same values under another shape. */
  reshape(...shape: number[]): Node {
    return new Node(shape, this.data, [this], (dy) => addTo(this.grad, dy));
  }
}

export const numel = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);

function addTo(into: Float64Array, from: ArrayLike<number>): void {
  for (let i = 0; i < into.length; i++) into[i] += from[i];
}

/** x_NI w_OI (b_O) -> y_NO = x wᵀ + b */
export function linear(x: Node, w: Node, b?: Node): Node {
  const [O, I] = w.shape;
  const N = x.data.length / I;
  const y = new Float64Array(N * O);
  for (let n = 0; n < N; n++)
    for (let o = 0; o < O; o++) {
      let sum = b ? b.data[o] : 0;
      for (let i = 0; i < I; i++) sum += x.data[n * I + i] * w.data[o * I + i];
      y[n * O + o] = sum;
    }
  return new Node([...x.shape.slice(0, -1), O], y, b ? [x, w, b] : [x, w], (dy) => {
    for (let n = 0; n < N; n++)
      for (let o = 0; o < O; o++) {
        const d = dy[n * O + o];
        if (b) b.grad[o] += d;
        for (let i = 0; i < I; i++) {
          x.grad[n * I + i] += d * w.data[o * I + i];
          w.grad[o * I + i] += d * x.data[n * I + i];
        }
      }
  });
}

/** The last two axes exchanged. */
export function transpose(x: Node): Node {
  const [rows, columns] = x.shape.slice(-2);
  const place = (i: number) => {
    const [matrix, at] = [Math.floor(i / rows / columns), i % (rows * columns)];
    return matrix * rows * columns + (at % rows) * columns + Math.floor(at / rows);
  };
  return new Node(
    [...x.shape.slice(0, -2), columns, rows],
    x.data.map((_, i) => x.data[place(i)]),
    [x],
    (dy) => {
      for (let i = 0; i < dy.length; i++) x.grad[place(i)] += dy[i];
    },
  );
}

/** One matrix after another: a_GRI b_GCI -> a bᵀ, y_GRC. */
export function products(a: Node, b: Node): Node {
  const [G, R, I] = a.shape;
  const C = b.shape[1];
  const y = new Float64Array(G * R * C);
  const each = (visit: (g: number, at: number, rowA: number, rowB: number) => void) => {
    for (let g = 0; g < G; g++)
      for (let r = 0; r < R; r++)
        for (let c = 0; c < C; c++) visit(g, (g * R + r) * C + c, (g * R + r) * I, (g * C + c) * I);
  };
  each((_, at, rowA, rowB) => {
    for (let i = 0; i < I; i++) y[at] += a.data[rowA + i] * b.data[rowB + i];
  });
  return new Node([G, R, C], y, [a, b], (dy) =>
    each((_, at, rowA, rowB) => {
      for (let i = 0; i < I; i++) {
        a.grad[rowA + i] += dy[at] * b.data[rowB + i];
        b.grad[rowB + i] += dy[at] * a.data[rowA + i];
      }
    }),
  );
}

/** x + y, y repeated over the leading axes that it lacks. */
export function add(x: Node, y: Node): Node {
  const n = y.data.length;
  return new Node(
    x.shape,
    x.data.map((v, i) => v + y.data[i % n]),
    [x, y],
    (dy) => {
      addTo(x.grad, dy);
      for (let i = 0; i < dy.length; i++) y.grad[i % n] += dy[i];
    },
  );
}

/** x ∘ y, y repeated over the leading axes that it lacks. */
export function mul(x: Node, y: Node): Node {
  const n = y.data.length;
  return new Node(
    x.shape,
    x.data.map((v, i) => v * y.data[i % n]),
    [x, y],
    (dy) => {
      for (let i = 0; i < dy.length; i++) {
        x.grad[i] += dy[i] * y.data[i % n];
        y.grad[i % n] += dy[i] * x.data[i];
      }
    },
  );
}

/** f of each element, and its derivative. */
export function map(x: Node, f: (v: number) => number, slope: (v: number) => number): Node {
  return new Node(x.shape, x.data.map(f), [x], (dy) => {
    for (let i = 0; i < dy.length; i++) x.grad[i] += dy[i] * slope(x.data[i]);
  });
}

const density = (v: number) => Math.exp(-v * v * 0.5) / Math.sqrt(2 * Math.PI);
const cumulative = (v: number) => 0.5 * (1 + erf64(v / Math.SQRT2));
const logistic = (v: number) => 1 / (1 + Math.exp(-v));

export const gelu = (x: Node): Node =>
  map(
    x,
    (v) => v * cumulative(v),
    (v) => cumulative(v) + v * density(v),
  );
export const sigmoid = (x: Node): Node => map(x, logistic, (v) => logistic(v) * (1 - logistic(v)));
export const exp = (x: Node): Node => map(x, Math.exp, Math.exp);
export const times = (x: Node, factor: number): Node =>
  map(
    x,
    (v) => v * factor,
    () => factor,
  );

export function quickGelu(x: Node): Node {
  const s = (v: number) => logistic(1.702 * v);
  return map(
    x,
    (v) => v * s(v),
    (v) => s(v) + 1.702 * v * s(v) * (1 - s(v)),
  );
}

/** Each row to mean 0 and variance 1, then gain and bias; eps 1e-5. */
export function layerNorm(x: Node, gain: Node, bias: Node): Node {
  const D = gain.data.length;
  const rows = x.data.length / D;
  const unit = new Float64Array(x.data.length);
  const deviations = new Float64Array(rows);
  for (let n = 0; n < rows; n++) {
    const row = x.data.subarray(n * D, n * D + D);
    const mean = row.reduce((sum, v) => sum + v, 0) / D;
    deviations[n] = Math.sqrt(row.reduce((sum, v) => sum + (v - mean) ** 2, 0) / D + 1e-5);
    for (let d = 0; d < D; d++) unit[n * D + d] = (row[d] - mean) / deviations[n];
  }
  return new Node(
    x.shape,
    unit.map((v, i) => v * gain.data[i % D] + bias.data[i % D]),
    [x, gain, bias],
    (dy) => {
      for (let n = 0; n < rows; n++) {
        let [sum, along] = [0, 0];
        for (let d = 0; d < D; d++) {
          const at = n * D + d;
          gain.grad[d] += dy[at] * unit[at];
          bias.grad[d] += dy[at];
          sum += dy[at] * gain.data[d];
          along += dy[at] * gain.data[d] * unit[at];
        }
        for (let d = 0; d < D; d++) {
          const at = n * D + d;
          x.grad[at] += (dy[at] * gain.data[d] - sum / D - (unit[at] * along) / D) / deviations[n];
        }
      }
    },
  );
}

/** Softmax over the last axis, among the places where `allowed(row, column)`; 0 elsewhere. Rows count over all matrices. */
export function softmax(x: Node, allowed: (row: number, column: number) => boolean = () => true): Node {
  const C = x.shape[x.shape.length - 1];
  const y = new Float64Array(x.data.length);
  for (let row = 0; row * C < y.length; row++) {
    const places = Array.from({ length: C }, (_, c) => c).filter((c) => allowed(row, c));
    const top = places.reduce((most, c) => Math.max(most, x.data[row * C + c]), Number.NEGATIVE_INFINITY);
    const sum = places.reduce((total, c) => total + Math.exp(x.data[row * C + c] - top), 0);
    for (const c of places) y[row * C + c] = Math.exp(x.data[row * C + c] - top) / sum;
  }
  return new Node(x.shape, y, [x], (dy) => {
    for (let row = 0; row * C < y.length; row++) {
      let along = 0;
      for (let c = 0; c < C; c++) along += dy[row * C + c] * y[row * C + c];
      for (let c = 0; c < C; c++) x.grad[row * C + c] += y[row * C + c] * (dy[row * C + c] - along);
    }
  });
}

/** Chosen rows of a table whose rows are `width` long; also columns, tokens, heads: whatever is a list of places. */
export function take(x: Node, places: readonly number[], width: number, shape: readonly number[]): Node {
  const y = new Float64Array(places.length * width);
  for (const [i, place] of places.entries()) y.set(x.data.subarray(place * width, (place + 1) * width), i * width);
  return new Node(shape, y, [x], (dy) => {
    for (const [i, place] of places.entries())
      for (let d = 0; d < width; d++) x.grad[place * width + d] += dy[i * width + d];
  });
}

/** Tokens of `a` and of `b` behind one another: a_NLD b_NMD -> y_N(L+M)D. */
export function append(a: Node, b: Node): Node {
  const [N, L, D] = a.shape;
  const M = b.shape[1];
  const rowA = (i: number) => Math.floor(i / (L + M)) * L + (i % (L + M));
  const rowB = (i: number) => Math.floor(i / (L + M)) * M + (i % (L + M)) - L;
  const isA = (i: number) => i % (L + M) < L;
  const y = new Float64Array(N * (L + M) * D);
  for (let i = 0; i < N * (L + M); i++)
    y.set(
      isA(i) ? a.data.subarray(rowA(i) * D, (rowA(i) + 1) * D) : b.data.subarray(rowB(i) * D, (rowB(i) + 1) * D),
      i * D,
    );
  return new Node([N, L + M, D], y, [a, b], (dy) => {
    for (let i = 0; i < N * (L + M); i++)
      for (let d = 0; d < D; d++)
        if (isA(i)) a.grad[rowA(i) * D + d] += dy[i * D + d];
        else b.grad[rowB(i) * D + d] += dy[i * D + d];
  });
}

/** Σ x ∘ weights: one number. */
export function dot(x: Node, weights: ArrayLike<number>): Node {
  const value = x.data.reduce((sum, v, i) => sum + v * weights[i], 0);
  return new Node([], Float64Array.of(value), [x], ([d]) => {
    for (let i = 0; i < x.data.length; i++) x.grad[i] += d * weights[i];
  });
}

/** Mean over the middle axis: x_NTE -> y_NE. */
export function mean(x: Node): Node {
  const [N, T, E] = x.shape;
  const y = new Float64Array(N * E);
  const place = (i: number) => Math.floor(i / T / E) * E + (i % E);
  for (let i = 0; i < x.data.length; i++) y[place(i)] += x.data[i] / T;
  return new Node([N, E], y, [x], (dy) => {
    for (let i = 0; i < x.data.length; i++) x.grad[i] += dy[place(i)] / T;
  });
}

/** Rows of length one; shorter ones than 1e-12 are divided by that. */
export function normalize(x: Node): Node {
  const E = x.shape[x.shape.length - 1];
  const length = (row: number) => Math.hypot(...x.data.subarray(row * E, (row + 1) * E));
  const y = x.data.map((v, i) => v / Math.max(length(Math.floor(i / E)), 1e-12));
  return new Node(x.shape, y, [x], (dy) => {
    for (let row = 0; row * E < y.length; row++) {
      let along = 0;
      for (let e = 0; e < E; e++) along += dy[row * E + e] * y[row * E + e];
      const clipped = length(row) > 1e-12 ? along : 0;
      for (let e = 0; e < E; e++)
        x.grad[row * E + e] += (dy[row * E + e] - clipped * y[row * E + e]) / Math.max(length(row), 1e-12);
    }
  });
}

/** Mean over rows of −log softmax at the diagonal. */
export function crossEntropy(x: Node): Node {
  const [B] = x.shape;
  const p = softmax(x);
  let loss = 0;
  for (let b = 0; b < B; b++) {
    const row = x.data.subarray(b * B, (b + 1) * B);
    const top = Math.max(...row);
    loss += (top + Math.log(row.reduce((sum, v) => sum + Math.exp(v - top), 0)) - row[b]) / B;
  }
  return new Node([], Float64Array.of(loss), [x], ([d]) => {
    for (let i = 0; i < B * B; i++) x.grad[i] += (d * (p.data[i] - Number(i % B === Math.floor(i / B)))) / B;
  });
}
