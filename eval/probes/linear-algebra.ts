// Dense products and factorisations in f64, just what the probes need. Loops are blocked so that a row block of X stays in
// the first-level cache while all columns pass over it; sums have a fixed order, so the same input gives the same bits.

/**
 * X padded with zero rows to a multiple of four, so that the inner loops have no edges. `d` is the number of columns,
 * `n` of true rows, `padded` of stored rows.
 */
export interface Rows {
  readonly n: number;
  readonly padded: number;
  readonly d: number;
  readonly data: Float64Array;
}

/** `rows` with its column means taken away, and the means. */
export function centredColumns(data: ArrayLike<number>, n: number, d: number): { x: Rows; mean: Float64Array } {
  const mean = new Float64Array(d);
  for (let i = 0; i < n; i++) for (let j = 0; j < d; j++) mean[j] += data[i * d + j];
  for (let j = 0; j < d; j++) mean[j] /= n;
  const padded = Math.ceil(n / 4) * 4;
  const x = new Float64Array(padded * d);
  for (let i = 0; i < n; i++) for (let j = 0; j < d; j++) x[i * d + j] = data[i * d + j] - mean[j];
  return { x: { n, padded, d, data: x }, mean };
}

/** z[k] = X w[k] for every k: each w[k] has d values, each z[k] `padded`. X is read once. */
export function project(x: Rows, w: readonly Float64Array[], z: readonly Float64Array[]): void {
  for (let i = 0; i < x.padded; i += 4) {
    let k = 0;
    for (; k + 1 < w.length; k += 2) project4x2(x.data, i * x.d, x.d, w[k], w[k + 1], z[k], z[k + 1], i);
    if (k < w.length) project4x1(x.data, i * x.d, x.d, w[k], z[k], i);
  }
}

function project4x2(
  x: Float64Array,
  at: number,
  d: number,
  u: Float64Array,
  v: Float64Array,
  p: Float64Array,
  q: Float64Array,
  i: number,
): void {
  const b = at + d;
  const c = b + d;
  const e = c + d;
  let [s0, s1, s2, s3, t0, t1, t2, t3] = [0, 0, 0, 0, 0, 0, 0, 0];
  for (let j = 0; j < d; j++) {
    const uj = u[j];
    const vj = v[j];
    const x0 = x[at + j];
    const x1 = x[b + j];
    const x2 = x[c + j];
    const x3 = x[e + j];
    s0 += x0 * uj;
    s1 += x1 * uj;
    s2 += x2 * uj;
    s3 += x3 * uj;
    t0 += x0 * vj;
    t1 += x1 * vj;
    t2 += x2 * vj;
    t3 += x3 * vj;
  }
  p[i] = s0;
  p[i + 1] = s1;
  p[i + 2] = s2;
  p[i + 3] = s3;
  q[i] = t0;
  q[i + 1] = t1;
  q[i + 2] = t2;
  q[i + 3] = t3;
}

function project4x1(x: Float64Array, at: number, d: number, u: Float64Array, p: Float64Array, i: number): void {
  for (let r = 0; r < 4; r++) {
    let sum = 0;
    for (let j = 0; j < d; j++) sum += x[at + r * d + j] * u[j];
    p[i + r] = sum;
  }
}

/** g[k] = Xᵀ r[k] for every k: each r[k] has `padded` values, each g[k] d. X is read once. */
export function projectBack(x: Rows, r: readonly Float64Array[], g: readonly Float64Array[]): void {
  for (const sum of g) sum.fill(0);
  for (let i = 0; i < x.padded; i += 4) {
    let k = 0;
    for (; k + 1 < r.length; k += 2) gather4x2(x.data, i * x.d, x.d, r[k], r[k + 1], g[k], g[k + 1], i);
    if (k < r.length) gather4x2(x.data, i * x.d, x.d, r[k], r[k], g[k], spare(x.d), i);
  }
}

let spareRow = new Float64Array(0);
function spare(d: number): Float64Array {
  if (spareRow.length !== d) spareRow = new Float64Array(d);
  return spareRow;
}

function gather4x2(
  x: Float64Array,
  at: number,
  d: number,
  p: Float64Array,
  q: Float64Array,
  g: Float64Array,
  h: Float64Array,
  i: number,
): void {
  const b = at + d;
  const c = b + d;
  const e = c + d;
  const [p0, p1, p2, p3] = [p[i], p[i + 1], p[i + 2], p[i + 3]];
  const [q0, q1, q2, q3] = [q[i], q[i + 1], q[i + 2], q[i + 3]];
  for (let j = 0; j < d; j++) {
    const x0 = x[at + j];
    const x1 = x[b + j];
    const x2 = x[c + j];
    const x3 = x[e + j];
    g[j] += x0 * p0 + x1 * p1 + (x2 * p2 + x3 * p3);
    h[j] += x0 * q0 + x1 * q1 + (x2 * q2 + x3 * q3);
  }
}

const PANEL = 128;

/**
 * Xᵀ diag(h) X, [d, d] row-major and symmetric; h is 1 if left out. Panels of rows are transposed so that every product is of
 * contiguous runs.
 */
export function gram(x: Rows, h?: Float64Array): Float64Array {
  const { d } = x;
  const sum = new Float64Array(d * d);
  const padded = Math.ceil(d / 4) * 4;
  const panel: Rows = { n: d, padded, d: PANEL, data: new Float64Array(padded * PANEL) };
  const [p, q] = [new Float64Array(padded), new Float64Array(padded)];
  const pair = [new Float64Array(PANEL), new Float64Array(PANEL)];
  for (let start = 0; start < x.n; start += PANEL) {
    for (let r = 0; r < PANEL; r++) {
      const live = start + r < x.n;
      for (let j = 0; j < d; j++) panel.data[j * PANEL + r] = live ? x.data[(start + r) * d + j] : 0;
    }
    for (let k = 0; k < d; k += 2) {
      const odd = Math.min(k + 1, d - 1);
      const [u, v] = [k, odd].map((column, side) => {
        const values = panel.data.subarray(column * PANEL, (column + 1) * PANEL);
        if (!h) return values;
        for (let r = 0; r < PANEL; r++) pair[side][r] = start + r < x.n ? values[r] * h[start + r] : 0;
        return pair[side];
      });
      for (let i = 0; i <= odd; i += 4) project4x2(panel.data, i * PANEL, PANEL, u, v, p, q, i);
      for (let i = 0; i <= k; i++) sum[k * d + i] += p[i];
      if (odd > k) for (let i = 0; i <= odd; i++) sum[odd * d + i] += q[i];
    }
  }
  for (let i = 0; i < d; i++) for (let j = 0; j < i; j++) sum[j * d + i] = sum[i * d + j];
  return sum;
}

/** Share of a diagonal entry below which what is left of it as a pivot is rounding. */
const LOST = 1e-14;

/**
 * L with L Lᵀ = identity·shift + scale·a for a symmetric a [d, d] whose lower triangle is read; lower triangle, row-major. The sum
 * must be positive definite but for rounding: a pivot lost in it is put at the size of the rounding, and `lost` hears its number.
 */
export function cholesky(
  a: Float64Array,
  d: number,
  shift: number,
  scale: number,
  lost: (i: number) => void = () => {},
): Float64Array {
  const l = new Float64Array(d * d);
  for (let i = 0; i < d; i++) {
    for (let j = 0; j < i; j++) l[i * d + j] = (scale * a[i * d + j] - dotRange(l, i * d, j * d, j)) / l[j * d + j];
    const whole = scale * a[i * d + i] + shift;
    const rest = whole - dotRange(l, i * d, i * d, i);
    if (!(rest > LOST * whole)) lost(i);
    l[i * d + i] = Math.sqrt(Math.max(rest, LOST * whole));
  }
  return l;
}

/** x with L Lᵀ x = b, in place. */
export function solveCholesky(l: Float64Array, d: number, b: Float64Array): void {
  for (let i = 0; i < d; i++) {
    let rest = b[i];
    for (let j = 0; j < i; j++) rest -= l[i * d + j] * b[j];
    b[i] = rest / l[i * d + i];
  }
  for (let i = d - 1; i >= 0; i--) {
    const value = b[i] / l[i * d + i];
    b[i] = value;
    for (let j = 0; j < i; j++) b[j] -= l[i * d + j] * value;
  }
}

/** Σ of `length` products of a[at + j] a[bt + j], with four running sums so that the additions overlap. */
function dotRange(a: Float64Array, at: number, bt: number, length: number): number {
  let [s0, s1, s2, s3] = [0, 0, 0, 0];
  let j = 0;
  for (; j + 3 < length; j += 4) {
    s0 += a[at + j] * a[bt + j];
    s1 += a[at + j + 1] * a[bt + j + 1];
    s2 += a[at + j + 2] * a[bt + j + 2];
    s3 += a[at + j + 3] * a[bt + j + 3];
  }
  for (; j < length; j++) s0 += a[at + j] * a[bt + j];
  return s0 + s1 + (s2 + s3);
}

/** Σ a_j b_j. */
export function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let j = 0; j < a.length; j++) sum += a[j] * b[j];
  return sum;
}

/** y += t·x. */
export function addScaled(y: Float64Array, t: number, x: Float64Array): void {
  for (let j = 0; j < y.length; j++) y[j] += t * x[j];
}

/**
 * Eigenvalues and eigenvectors of a small symmetric matrix [n, n] by cyclic Jacobi rotations: column j of `vectors` belongs
 * to `values[j]`.
 */
export function symmetricEigen(matrix: Float64Array, n: number): { values: Float64Array; vectors: Float64Array } {
  const a = Float64Array.from(matrix);
  const vectors = Float64Array.from({ length: n * n }, (_, i) => (i % (n + 1) === 0 ? 1 : 0));
  for (let sweep = 0; sweep < 50 && offDiagonal(a, n) > 0; sweep++)
    for (let p = 0; p < n; p++) for (let q = p + 1; q < n; q++) rotate(a, vectors, n, p, q);
  return { values: Float64Array.from({ length: n }, (_, i) => a[i * n + i]), vectors };
}

function offDiagonal(a: Float64Array, n: number): number {
  let largest = 0;
  let diagonal = 0;
  for (let i = 0; i < n; i++) {
    diagonal = Math.max(diagonal, Math.abs(a[i * n + i]));
    for (let j = 0; j < i; j++) largest = Math.max(largest, Math.abs(a[i * n + j]));
  }
  return largest > 1e-15 * diagonal ? largest : 0;
}

function rotate(a: Float64Array, vectors: Float64Array, n: number, p: number, q: number): void {
  const apq = a[p * n + q];
  if (apq === 0) return;
  const theta = (a[q * n + q] - a[p * n + p]) / (2 * apq);
  const t = (theta >= 0 ? 1 : -1) / (Math.abs(theta) + Math.hypot(theta, 1));
  const c = 1 / Math.hypot(t, 1);
  const s = t * c;
  for (let k = 0; k < n; k++) turn(a, k * n + p, k * n + q, c, s);
  for (let k = 0; k < n; k++) turn(a, p * n + k, q * n + k, c, s);
  for (let k = 0; k < n; k++) turn(vectors, k * n + p, k * n + q, c, s);
}

function turn(a: Float64Array, i: number, j: number, c: number, s: number): void {
  const [x, y] = [a[i], a[j]];
  a[i] = c * x - s * y;
  a[j] = s * x + c * y;
}
