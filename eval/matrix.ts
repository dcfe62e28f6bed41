// A table of numbers with a shape: what the probes and metrics of this folder take and give. An array from a .npy file is
// one as it stands. Values are row-major.

import type { Numbers } from "../data/formats/npy.ts";
import { HealthError, ShapeError } from "../engine/errors.ts";
import { takes } from "../engine/takes.ts";

/** `shape[0]` rows of `shape[1]` values, row-major. One dimension counts as a single column. */
export interface Matrix {
  readonly shape: readonly number[];
  readonly data: Numbers;
}

/** A matrix of `rows` rows over `data`, which is not copied. */
export function matrix(rows: number, columns: number, data: Numbers): Matrix {
  takes("matrix(rows: natural, columns: natural, data: numbers, ...)", arguments);
  if (data.length !== rows * columns)
    throw new ShapeError(`matrix: ${rows} x ${columns} needs ${rows * columns} values, but ${data.length} came`);
  return { shape: [rows, columns], data };
}

/** Rows that came in parts, one part after another, as one matrix; all parts have the type of the first. */
export function joinRows(parts: readonly (Float32Array | Uint8Array)[], rows: number, columns?: number): Matrix {
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  const data = parts[0] instanceof Uint8Array ? new Uint8Array(length) : new Float32Array(length);
  let at = 0;
  for (const part of parts) {
    data.set(part, at);
    at += part.length;
  }
  return matrix(rows, columns ?? length / rows, data);
}

/** Rows and columns of `m`; `what` names it in the ShapeError of a matrix with another number of axes, or without rows. */
export function extent(m: Matrix, what: string): [rows: number, columns: number] {
  const [rows, columns = 1] = m.shape;
  if (m.shape.length < 1 || m.shape.length > 2)
    throw new ShapeError(`${what}: one or two axes are needed, but the shape is [${m.shape}]`);
  if (rows * columns !== m.data.length)
    throw new ShapeError(`${what}: shape [${m.shape}] needs ${rows * columns} values, but there are ${m.data.length}`);
  if (rows * columns === 0)
    throw new ShapeError(`${what}: at least one row and column are needed, but the shape is [${m.shape}]`);
  return [rows, columns];
}

/** Column `j` of `m` in f64. */
export function column(m: Matrix, j: number): Float64Array {
  const [rows, columns = 1] = m.shape;
  return Float64Array.from({ length: rows }, (_, i) => m.data[i * columns + j]);
}

/** The chosen rows of `m`, copied, in the order given. */
export function takeRows(m: Matrix, rows: ArrayLike<number>): Matrix {
  const columns = m.shape[1] ?? 1;
  const data = new Float64Array(rows.length * columns);
  for (let i = 0; i < rows.length; i++)
    for (let j = 0; j < columns; j++) data[i * columns + j] = m.data[rows[i] * columns + j];
  return matrix(rows.length, columns, data);
}

/** Each row divided by max(its Euclidean length, 1e-12), in f64: what the probes are fitted on. */
export function normalizeRows(m: Matrix): Matrix {
  takes("normalizeRows(m: matrix, ...)", arguments);
  const [rows, columns] = extent(m, "normalizeRows");
  const data = Float64Array.from(m.data);
  for (let i = 0; i < rows; i++) {
    const row = data.subarray(i * columns, (i + 1) * columns);
    let sum = 0;
    for (const v of row) sum += v * v;
    const length = Math.max(Math.sqrt(sum), 1e-12);
    for (let j = 0; j < columns; j++) row[j] /= length;
  }
  return matrix(rows, columns, data);
}

/** Refuses NaN and infinities: a metric or a probe over them would be a number that means nothing. */
export function requireFinite(data: ArrayLike<number>, what: string): void {
  for (let i = 0; i < data.length; i++)
    if (!Number.isFinite(data[i]))
      throw new HealthError(`${what}: value ${i} of ${data.length} is ${data[i]}; all must be finite`);
}
