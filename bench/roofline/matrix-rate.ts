// Matrix units at best: each subgroup multiplies operands that stay, into eight sums that do not wait for one another.
import type { MatrixSize } from "../../engine/declare/facts.ts";

/** Sums of a subgroup; with eight an A100 is at 99 % of its peak. */
const SUMS = 8;
/** Subgroups of a workgroup. */
const SUBGROUPS = 4;

/** The kernel, the number that each element of y ends at for operands of 1/16, sums and flops of a workgroup. */
export function matrixRateText(
  { m, n, k }: MatrixSize,
  subgroup: number,
  steps: number,
): { text: string; sum: number; sums: number; flops: number } {
  const each = Array.from({ length: SUMS }, (_, i) => i);
  const text = `
enable chromium_experimental_subgroup_matrix;
struct Dims { steps: u32 }
@group(0) @binding(0) var<storage, read> a: array<f16>;
@group(0) @binding(1) var<storage, read> b: array<f16>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
var<immediate> dim: Dims;
@compute @workgroup_size(${SUBGROUPS * subgroup})
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(subgroup_id) own: u32) {
  let left = subgroupMatrixLoad<subgroup_matrix_left<f16, ${k}, ${m}>, row_major>(&a, 0u, ${k}u);
  let right = subgroupMatrixLoad<subgroup_matrix_right<f16, ${n}, ${k}>, row_major>(&b, 0u, ${n}u);
${each.map((i) => `  var y${i}: subgroup_matrix_result<f32, ${n}, ${m}>;`).join("\n")}
  for (var i = 0u; i < dim.steps; i++) {
${each.map((i) => `    y${i} = subgroupMatrixMultiplyAccumulate(left, right, y${i});`).join("\n")}
  }
  let first = (wid.x * ${SUBGROUPS}u + own) * ${SUMS * m * n}u;
${each.map((i) => `  subgroupMatrixStore<row_major>(&y, first + ${i * m * n}u, y${i}, ${n}u);`).join("\n")}
}`;
  return { text, sum: (steps * k) / 256, sums: SUMS * SUBGROUPS, flops: 2 * m * n * k * steps * SUMS * SUBGROUPS };
}
