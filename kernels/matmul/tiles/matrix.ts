// The tile of a workgroup whose subgroups multiply matrices of halves into f32 sums: the matrix units of GPUs.
//
// Per step of KT k's both operands are copied into workgroup memory as they are stored; whether k runs along their rows there is told
// when a matrix is loaded. Each subgroup keeps its block of outputs in matrices, whose elements cannot be reached: at the end they
// pass through workgroup memory, one row of matrices at a time, to the lanes that finish them.
import { ShapeError } from "../../../engine/errors.ts";
import { along, entry, extras, gainOf, position, eachOf } from "../parts.ts";
import type { EmittedKernel, MatrixStructure } from "../structures.ts";

/** Halves behind each row in workgroup memory, so that rows of 32 or 64 do not begin in the same bank. */
const PAD = 8;

/** Sizes that the text has as literals. */
interface Blocks {
  readonly m: number;
  readonly n: number;
  readonly k: number;
  /** Matrices of a subgroup's block, down and across. */
  readonly down: number;
  readonly across: number;
  /** Columns of a subgroup's block. */
  readonly wide: number;
  readonly threads: number;
}

function blocksOf({ matrix, subgroup }: EmittedKernel, { rows, cols, down, across }: MatrixStructure): Blocks {
  if (!matrix) throw new ShapeError("matrix tile: the device multiplies no matrices");
  const { m, n, k } = matrix;
  const wide = cols / across;
  return { m, n, k, down: rows / down / m, across: wide / n, wide, threads: down * across * subgroup };
}

/** Vec4s from one row of an operand in workgroup memory to the next: it lies there as it is stored. */
const pitchOf = (width: number, KT: number, isAlong: boolean): number => ((isAlong ? KT : width) + PAD) / 4;

/** The tile's variables, and main. */
export function matrixTile(kernel: EmittedKernel, structure: MatrixStructure): string[] {
  const { form } = kernel;
  const { rows, cols, across, KT } = structure;
  const blocks = blocksOf(kernel, structure);
  const operands = [
    { name: "a", width: rows, isAlong: along("a", form) },
    { name: "b", width: cols, isAlong: along("b", form) },
  ] as const;
  const { m, n, wide, threads } = blocks;
  const space = ({ width, isAlong }: (typeof operands)[number]) => (isAlong ? width : KT) * pitchOf(width, KT, isAlong);
  return [
    ...operands.map((each) => `var<workgroup> ${each.name}Tile: array<vec4<f16>, ${space(each)}>;`),
    `var<workgroup> sums: array<f32, ${structure.down * across * m * wide}>;`,
    "",
    ...entry(
      kernel,
      `${threads}`,
      "@builtin(local_invocation_index) lane: u32, @builtin(subgroup_id) own: u32, " +
        "@builtin(subgroup_invocation_id) at: u32",
    ),
    `  let row0 = tile.x * ${rows}u;`,
    `  let col0 = tile.y * ${cols}u;`,
    `  let rowIn = own / ${across}u * ${blocks.down * m}u;`,
    `  let colIn = own % ${across}u * ${wide}u;`,
    ...eachOf(blocks.down * blocks.across).map((i) => `  var y${i}: subgroup_matrix_result<f32, ${n}, ${m}>;`),
    `  for (var step = start; step < end; step += ${KT}u) {`,
    ...operands.flatMap(({ name, width, isAlong }) => copied(name, width, isAlong, kernel, KT, threads)),
    "    workgroupBarrier();",
    ...multiplied(blocks, operands, KT),
    "    workgroupBarrier();",
    "  }",
    ...gainOf(kernel),
    ...eachOf(blocks.down).flatMap((i) => finished(kernel, blocks, i)),
    "}",
  ];
}

/** Copies an operand's part of a step, four elements at a time; beyond the edges clamped, beyond the end of k zero. */
function copied(
  name: "a" | "b",
  width: number,
  isAlong: boolean,
  { access }: EmittedKernel,
  KT: number,
  threads: number,
): string[] {
  const [origin, limit] = name === "a" ? ["row0", "dim.rows"] : ["col0", "dim.cols"];
  const pitch = pitchOf(width, KT, isAlong);
  const quads = (isAlong ? KT : width) / 4;
  const row = `min(${origin} + line, ${limit} - 1u)`;
  const value = isAlong
    ? `${name}Quad(${position(name, access, row)}, step / 4u + quad, end)`
    : `${name}Row(${position(name, access)}, step + line, end, ${origin} + 4u * quad)`;
  return [
    `    for (var t = lane; t < ${(width * KT) / 4}u; t += ${threads}u) {`,
    `      let line = t / ${quads}u;`,
    `      let quad = t % ${quads}u;`,
    `      ${name}Tile[line * ${pitch}u + quad] = vec4<f16>(${value});`,
    "    }",
  ];
}

/** The products of a step: matrices of both operands, each used as often as the block is wide or high. */
function multiplied(
  { m, n, k, down, across }: Blocks,
  [a, b]: readonly { readonly width: number; readonly isAlong: boolean }[],
  KT: number,
): string[] {
  const [aPitch, bPitch] = [a, b].map(({ width, isAlong }) => pitchOf(width, KT, isAlong));
  const aAt = (i: number) =>
    a.isAlong ? `(rowIn + ${i * m}u) * ${aPitch}u + k / 4u` : `k * ${aPitch}u + (rowIn + ${i * m}u) / 4u`;
  const bAt = (j: number) =>
    b.isAlong ? `(colIn + ${j * n}u) * ${bPitch}u + k / 4u` : `k * ${bPitch}u + (colIn + ${j * n}u) / 4u`;
  return [
    `    for (var k = 0u; k < ${KT}u; k += ${k}u) {`,
    ...eachOf(across).map(
      (j) =>
        `      let b${j} = subgroupMatrixLoad<subgroup_matrix_right<f16, ${n}, ${k}>, ${b.isAlong ? "col_major" : "row_major"}>(&bTile, ${bAt(j)}, ${bPitch}u);`,
    ),
    ...eachOf(down).flatMap((i) => [
      `      let a${i} = subgroupMatrixLoad<subgroup_matrix_left<f16, ${k}, ${m}>, ${a.isAlong ? "row_major" : "col_major"}>(&aTile, ${aAt(i)}, ${aPitch}u);`,
      ...eachOf(across).map((j) => {
        const y = `y${i * across + j}`;
        return `      ${y} = subgroupMatrixMultiplyAccumulate(a${i}, b${j}, ${y});`;
      }),
    ]),
    "    }",
  ];
}

/** Row `i` of a subgroup's matrices through workgroup memory to its lanes, which finish four columns of a row each time. */
function finished(kernel: EmittedKernel, { m, n, down, across, wide }: Blocks, i: number): string[] {
  const { types } = kernel;
  const given = extras(kernel, (name) => `, ${name}`);
  return [
    ...eachOf(across).map(
      (j) => `  subgroupMatrixStore<row_major>(&sums, own * ${m * wide}u + ${j * n}u, y${i * across + j}, ${wide}u);`,
    ),
    "  workgroupBarrier();",
    `  for (var t = at; t < ${(m * wide) / 4}u; t += SG) {`,
    `    let row = row0 + rowIn + ${i * m}u + t / ${wide / 4}u;`,
    `    let col = col0 + colIn + 4u * (t % ${wide / 4}u);`,
    `    let first = own * ${m * wide}u + 4u * t;`,
    ...(types.bias ? ["    let shift = biasQuad(col);"] : []),
    ...(types.residual ? ["    let rest = residualQuad(cBase, row, col);"] : []),
    `    store(cBase, row, col, vec4f(sums[first], sums[first + 1u], sums[first + 2u], sums[first + 3u])${given});`,
    "  }",
    ...(i + 1 < down ? ["  workgroupBarrier();"] : []),
  ];
}
