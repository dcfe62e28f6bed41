// The tile of a workgroup, whose invocations own `rows` x 4 outputs each out of workgroup memory.
import { along, endOfPanel, entry, finish, panels, position, eachOf, totals } from "../parts.ts";
import { type Access, type EmittedKernel, type ProductForm, type ProductStructure, tileOf } from "../structures.ts";

/**
 * Per step of KT k's the workgroup copies a tile of each operand into workgroup memory, k-major, then each invocation
 * multiplies `rows` x 4 outputs out of it. The rows of k are padded by 2, so that copying an operand along k
 * does not hit one bank four times.
 */
export function workgroupTile(kernel: EmittedKernel, structure: Extract<ProductStructure, { mode: "wg" }>): string[] {
  const { form, access } = kernel;
  const { TX, TY, rows: own, KT } = structure;
  const tile = tileOf(structure, kernel.subgroup);
  const lines = [
    `const PAD = 2u;`,
    `var<workgroup> aTile: array<f32, ${KT * (tile.rows + 2)}>;  // [KT, ${tile.rows} + PAD]`,
    `var<workgroup> bTile: array<f32, ${KT * (tile.cols + 2)}>;  // [KT, ${tile.cols} + PAD]`,
    "",
    ...entry(kernel, `${TX * TY}`, "@builtin(local_invocation_index) lane: u32"),
    `  let row0 = tile.x * ${tile.rows}u;`,
    `  let col0 = tile.y * ${tile.cols}u;`,
    `  let rowIn = lane / ${TX}u * ${own}u;`,
    `  let colIn = lane % ${TX}u * 4u;`,
    `  let row = row0 + rowIn;`,
    `  let col = col0 + colIn;`,
    ...totals(own, kernel.levels),
    ...panels(own, kernel.levels),
    `  for (var step = panel; step < stop; step += ${KT}u) {`,
    ...copy("a", form, access, tile.rows, TX * TY, KT),
    ...copy("b", form, access, tile.cols, TX * TY, KT),
    "    workgroupBarrier();",
    `    for (var k = 0u; k < ${KT}u; k++) {`,
    `      let i = k * (${tile.rows}u + PAD) + rowIn;`,
    `      let j = k * (${tile.cols}u + PAD) + colIn;`,
    "      let b = vec4f(bTile[j], bTile[j + 1u], bTile[j + 2u], bTile[j + 3u]);",
    ...eachOf(own).map((r) => `      s${r} = fma(vec4f(aTile[i + ${r}u]), b, s${r});`),
    "    }",
    "    workgroupBarrier();",
    "  }",
    ...endOfPanel(own, kernel.levels),
    ...finish(kernel, own),
  ];
  return lines;
}

/** Copies an operand's tile: `width` rows (or columns) x KT, four elements at a time; beyond the edges clamped or zero. */
function copy(
  operand: "a" | "b",
  form: ProductForm,
  access: Access,
  width: number,
  threads: number,
  KT: number,
): string[] {
  const origin = operand === "a" ? "row0" : "col0";
  const limit = operand === "a" ? "dim.rows" : "dim.cols";
  const pitch = `(${width}u + PAD)`;
  const head = `    for (var t = lane; t < ${(width * KT) / 4}u; t += ${threads}u) {`;
  if (along(operand, form))
    return [
      head,
      `      let m = t / ${KT / 4}u;`,
      `      let q = t % ${KT / 4}u;`,
      `      let v = ${operand}Quad(${position(operand, access, `min(${origin} + m, ${limit} - 1u)`)}, step / 4u + q, end);`,
      ...eachOf(4).map((j) => `      ${operand}Tile[(4u * q + ${j}u) * ${pitch} + m] = v[${j}];`),
      "    }",
    ];
  return [
    head,
    `      let k = t / ${width / 4}u;`,
    `      let m = t % ${width / 4}u * 4u;`,
    `      let v = ${operand}Row(${position(operand, access)}, step + k, end, ${origin} + m);`,
    ...eachOf(4).map((j) => `      ${operand}Tile[k * ${pitch} + m + ${j}u] = v[${j}];`),
    "    }",
  ];
}
