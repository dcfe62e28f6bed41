// The inner tile of a matrix product as WGSL: the one kernel of this folder whose text is unrolled, and so is emitted (attention/tile.ts emits that of composed attention).
// Sizes, strides and offsets are data; transposes, the structure, the kind of access and the epilogue are text.
//
// Two structures, and what was measured on lavapipe (2 cores, f32, CPU time, one interleaved run) as ratios to one 4x4
// register tile per invocation (bench/baselines/plain-tile.wgsl):
//   sg  one subgroup owns `rows` x 4·SG columns; a's vectors are broadcast lane by lane. No workgroup memory, no
//       barrier: what CPU rasterisers are good at. 512³ NN / NT / TN: 8 rows 2.5 / 2.6 / 2.3, 16 rows 3.3 / 3.8 / 3.2,
//       32 rows 4.2 / 4.2 / 4.0; 408x2304x768 with 32 rows 4.1 / 4.3 / 3.9.
//   wg  a workgroup of TX x TY invocations owns a tile; both operands pass through workgroup memory in steps of KT.
//       What GPUs are good at; on lavapipe it loses to the plain register tile.
// A sum takes its four k's together in TN too: one k at a time loads and stores every sum four times as often (2.9).
// Both add over k in order into f32, PANEL k's at a time, and then those sums, so they agree bit for bit where fma is not fused. One
// chain of additions over K = 3072 rounds four times as much: in float32 the blocks of ViT-B/32 were up to 1.10 times the tolerance
// of the official numbers away, with panels of 512 / 256 / 128 they are 0.77 / 0.61 / 0.35. Panels cost 2 / 6 / 8 % of the time.
// Where there are more than 64 panels their sums go 64 by 64 into sums of a level above, so that the error stays what it is.
import activations from "../lib/activation.wgsl";
import erf from "../lib/erf.wgsl";
import type { Activation } from "./activation.ts";

/** Summands of one chain of additions; a multiple of every step. */
const PANEL = 128;

/** Sums that become one of the level above. */
const FAN = 64;

/** Levels above the sums of panels that a sum over k needs; registers of its own for each, so no more than that. */
export const levelsFor = (depth: number): number => [1, 2].filter((level) => depth > PANEL * FAN ** level).length;

export type ProductForm = "NN" | "NT" | "TN";
export type Role = "a" | "b" | "c" | "factor" | "bias" | "pre" | "residual";

/** How a tile is computed. */
export type ProductStructure =
  | { readonly mode: "sg"; readonly rows: number }
  | { readonly mode: "wg"; readonly TX: number; readonly TY: number; readonly rows: number; readonly KT: number };

/** The structures by name: `wg64` is 16 x 16 invocations of 4 x 4 outputs, as `wg32` is 8 x 8 of them. */
export const structures = {
  sg8: { mode: "sg", rows: 8 },
  sg16: { mode: "sg", rows: 16 },
  sg32: { mode: "sg", rows: 32 },
  wg32: { mode: "wg", TX: 8, TY: 8, rows: 4, KT: 8 },
  wg64: { mode: "wg", TX: 16, TY: 16, rows: 4, KT: 16 },
  wg128: { mode: "wg", TX: 16, TY: 16, rows: 8, KT: 16 },
} as const satisfies Record<string, ProductStructure>;

export type StructureName = keyof typeof structures;

/**
 * How memory is read. `vec`: vec4 everywhere, K a multiple of 4. `loads`: vec4 loads, any K, scalar stores.
 * `scalar`: any sizes and strides.
 */
export type Access = "vec" | "loads" | "scalar";

/** All that the text depends on. */
export interface EmittedKernel {
  readonly form: ProductForm;
  readonly structure: ProductStructure;
  readonly access: Access;
  readonly subgroup: number;
  /** Levels of sums above those of panels (levelsFor). */
  readonly levels: number;
  /** Fields of Dims beyond rows, cols, depth, lda, ldb, ldc, in order. */
  readonly fields: readonly string[];
  /** Element type of every tensor: T or f32. */
  readonly types: { readonly [R in Role]?: string };
  readonly activation: Activation;
}

/** Columns and rows of one workgroup's tile. */
export function tileOf(structure: ProductStructure, subgroup: number): { rows: number; cols: number } {
  if (structure.mode === "sg") return { rows: structure.rows, cols: 4 * subgroup };
  return { rows: structure.TY * structure.rows, cols: structure.TX * 4 };
}

/** The text of a kernel. */
export function emit(kernel: EmittedKernel): string {
  const body =
    kernel.structure.mode === "sg" ? subgroupTile(kernel, kernel.structure) : workgroupTile(kernel, kernel.structure);
  return [
    ...title(kernel),
    ...dims(kernel),
    ...bindings(kernel),
    ...(kernel.activation === "none" ? [] : [erf, activations]),
    ...loader("a", kernel),
    ...loader("b", kernel),
    ...epilogue(kernel),
    ...body,
    "",
  ].join("\n");
}

const equations = { NN: "a[M,K] b[K,N]", NT: "a[M,K] b[N,K]ᵀ", TN: "a[K,M]ᵀ b[K,N]" };

function title({ form, structure, access, subgroup }: EmittedKernel): string[] {
  const { rows, cols } = tileOf(structure, subgroup);
  return [
    `// c[M,N] = ${equations[form]}, ${rows} x ${cols} of it per ${structure.mode === "sg" ? "subgroup" : "workgroup"}; access: ${access}`,
  ];
}

const has = (kernel: EmittedKernel, field: string): boolean => kernel.fields.includes(field);

function dims({ fields }: EmittedKernel): string[] {
  const all = ["rows", "cols", "depth", "lda", "ldb", "ldc", ...fields];
  return [
    `struct Dims { ${all.map((name) => `${name}: ${name === "scale" ? "f32" : "u32"}`).join(", ")} }`,
    "var<immediate> dim: Dims;",
    "",
  ];
}

/** Outputs, the only ones written; they lie as c does. */
const written: readonly Role[] = ["c", "pre"];
/** Tensors read or written four columns at a time where `access` allows it. */
const vectors = (access: Access): readonly Role[] =>
  access === "vec" ? ["a", "b", "c", "bias", "pre", "residual"] : access === "loads" ? ["a", "b"] : [];

function bindings({ types, access }: EmittedKernel): string[] {
  return (Object.entries(types) as [Role, string][]).map(([role, type], i) => {
    const element = vectors(access).includes(role) ? `vec4<${type}>` : type;
    const mode = written.includes(role) ? "read_write" : "read";
    return `@group(0) @binding(${i}) var<storage, ${mode}> ${role}: array<${element}>;`;
  });
}

/** Whether k runs along the stored rows of an operand: one load gives four k's of one row, else four columns of one k. */
const along = (operand: "a" | "b", form: ProductForm): boolean => (operand === "a" ? form !== "TN" : form === "NT");

/**
 * A function that loads four elements of an operand.
 *   along:  aQuad(at, q, end)         k = 4q .. 4q + 3 of the stored row that starts at `at`
 *   across: aRow(at, k, end, col)     columns col .. col + 3 of the stored row k, the operand starting at `at`
 * Where K may end inside, what lies at k >= end is zero: the indices are clamped, then the numbers replaced.
 * `at` counts vec4s in the vector forms, elements otherwise.
 */
function loader(operand: "a" | "b", kernel: EmittedKernel): string[] {
  const { access, form } = kernel;
  const ragged = access !== "vec" || kernel.structure.mode === "wg";
  const limit = operand === "a" ? "dim.rows" : "dim.cols";
  if (along(operand, form)) {
    const load =
      access !== "scalar"
        ? `vec4f(${operand}[at + ${ragged ? "min(q, (dim.depth - 1u) / 4u)" : "q"}])`
        : `vec4f(${[0, 1, 2, 3].map((j) => `f32(${operand}[at + min(4u * q + ${j}u, dim.depth - 1u)])`).join(", ")})`;
    const value = ragged ? `select(vec4f(), ${load}, 4u * q + vec4u(0u, 1u, 2u, 3u) < vec4u(end))` : load;
    return [`fn ${operand}Quad(at: u32, q: u32, end: u32) -> vec4f {`, `  return ${value};`, "}", ""];
  }
  const row = `${ragged ? "min(k, dim.depth - 1u)" : "k"} * ${stride(operand, access)}`;
  const load =
    access !== "scalar"
      ? [`  let value = vec4f(${operand}[at + ${row} + min(col, ${limit} - 1u) / 4u]);`]
      : [
          `  let row = at + ${row};`,
          `  let value = vec4f(${[0, 1, 2, 3].map((j) => `f32(${operand}[row + min(col + ${j}u, ${limit} - 1u)])`).join(", ")});`,
        ];
  const value = ragged ? "select(vec4f(), value, k < end)" : "value";
  return [`fn ${operand}Row(at: u32, k: u32, end: u32, col: u32) -> vec4f {`, ...load, `  return ${value};`, "}", ""];
}

/** Stored row length in the unit of the loader. */
const stride = (operand: "a" | "b", access: Access): string =>
  access === "scalar" ? `dim.ld${operand}` : `(dim.ld${operand} / 4u)`;

/** Four columns of a tensor that lies as c does, or of a vector along c's columns. */
function quadOf(role: "bias" | "residual", { access }: EmittedKernel, index: string): string {
  if (access === "vec") return `vec4f(${role}[${index} / 4u])`;
  return `vec4f(${[0, 1, 2, 3].map((j) => `f32(${role}[${index} + min(${j}u, dim.cols - 1u - col)])`).join(", ")})`;
}

/** residualQuad(at, row, col), its indices clamped, and store(...): the epilogue of four columns of one row of c. */
function epilogue(kernel: EmittedKernel): string[] {
  const { types, access, activation } = kernel;
  const lines: string[] = [];
  if (types.bias)
    lines.push(
      "fn biasQuad(column: u32) -> vec4f {",
      `  let col = min(column, ${access === "vec" ? "dim.cols - 4u" : "dim.cols - 1u"});`,
      `  return ${quadOf("bias", kernel, "col")};`,
      "}",
      "",
    );
  if (types.residual)
    lines.push(
      "fn residualQuad(at: u32, row: u32, column: u32) -> vec4f {",
      `  let col = min(column, ${access === "vec" ? "dim.cols - 4u" : "dim.cols - 1u"});`,
      "  let i = at + min(row, dim.rows - 1u) * dim.ldc + col;",
      `  return ${quadOf("residual", kernel, "i")};`,
      "}",
      "",
    );
  lines.push(
    `fn store(at: u32, row: u32, col: u32, sum: vec4f${extras(kernel, (name, type) => `, ${name}: ${type}`)}) {`,
    "  if (row >= dim.rows || col >= dim.cols) { return; }",
    `  let i = ${access === "vec" ? "(at + row * dim.ldc + col) / 4u" : "at + row * dim.ldc + col"};`,
  );
  const scaled = `sum${types.factor || has(kernel, "scale") ? " * gain" : ""}${types.bias ? " + shift" : ""}`;
  const last = types.residual ? " + rest" : "";
  if (activation === "none") lines.push(`  let v = ${scaled}${last};`);
  else lines.push(`  let kept = ${scaled};`, `  let v = ${activation}(kept)${last};`);
  for (const [role, value] of [
    ["pre", "kept"],
    ["c", "v"],
  ] as const) {
    if (!types[role]) continue;
    if (access === "vec") lines.push(`  ${role}[i] = vec4<${types[role]}>(${value});`);
    else
      for (const j of range(4))
        lines.push(`  if (col + ${j}u < dim.cols) { ${role}[i + ${j}u] = ${types[role]}(${value}[${j}]); }`);
  }
  return [...lines, "}", ""];
}

/** What store takes beside the sum. */
function extras({ types, fields }: EmittedKernel, each: (name: string, type: string) => string): string {
  const gain = types.factor || fields.includes("scale") ? each("gain", "f32") : "";
  return `${gain}${types.bias ? each("shift", "vec4f") : ""}${types.residual ? each("rest", "vec4f") : ""}`;
}

/**
 * The end of main: `count` rows of sums from `row` on are finished and stored. What is read is read before the first
 * store: loads between stores to addresses equal modulo 4 KiB stall (a residual then cost 6 to 10 ms instead of 1 on
 * lavapipe, 4608 x 256).
 */
function finish(kernel: EmittedKernel, count: number): string[] {
  const { types } = kernel;
  const lines: string[] = [];
  const gains = [...(has(kernel, "scale") ? ["dim.scale"] : []), ...(types.factor ? ["f32(factor[0])"] : [])];
  if (gains.length) lines.push(`  let gain = ${gains.join(" * ")};`);
  if (types.bias) lines.push("  let shift = biasQuad(col);");
  if (types.residual)
    for (const r of range(count)) lines.push(`  let rest${r} = residualQuad(cBase, row + ${r}u, col);`);
  for (const r of range(count))
    lines.push(
      `  store(cBase, row + ${r}u, col, total${r}${extras(kernel, (name) => (name === "rest" ? `, rest${r}` : `, ${name}`))});`,
    );
  return [...lines, "}"];
}

/** Base elements of the operands for this workgroup's batch, and the range of k. */
function bases(kernel: EmittedKernel): string[] {
  const lines: string[] = [];
  const two = has(kernel, "heads");
  if (two) lines.push("  let n = wid.z / dim.heads;", "  let h = wid.z % dim.heads;");
  for (const operand of ["a", "b", "c"] as const) {
    const terms = has(kernel, `${operand}Offset`) ? [`dim.${operand}Offset`] : [];
    if (has(kernel, `${operand}N`)) terms.push(`${two ? "n" : "wid.z"} * dim.${operand}N`);
    if (two) terms.push(`h * dim.${operand}H`);
    lines.push(`  let ${operand}Base = ${terms.join(" + ") || "0u"};`);
  }
  if (has(kernel, "chunk"))
    lines.push("  let start = wid.z * dim.chunk;", "  let end = min(start + dim.chunk, dim.depth);");
  else lines.push("  let start = 0u;", "  let end = dim.depth;");
  return lines;
}

const batched = (kernel: EmittedKernel): boolean => has(kernel, "cN");

/** Head of main, up to `tile`: this workgroup's row and column of tiles (gridOf in tile.ts says why there are two orders). */
function entry(kernel: EmittedKernel, size: string, builtins: string): string[] {
  const groups = batched(kernel) ? "" : "@builtin(num_workgroups) groups: vec3u, ";
  const rowsFirst = "select(wid.yx, vec2u(wid.x + wid.z * groups.x, wid.y), dim.rowsFirst != 0u)";
  return [
    `@compute @workgroup_size(${size})`,
    `fn main(@builtin(workgroup_id) wid: vec3u, ${groups}${builtins}) {`,
    ...bases(kernel),
    `  let tile = ${batched(kernel) ? "wid.yx" : rowsFirst};`,
  ];
}

/** Position of an operand's base, or of its stored row `row`, in the unit of the loader. */
function position(operand: "a" | "b", access: Access, row?: string): string {
  const base = access === "scalar" ? `${operand}Base` : `${operand}Base / 4u`;
  return row === undefined ? base : `${base} + ${row} * ${stride(operand, access)}`;
}

const range = (n: number): number[] => Array.from({ length: n }, (_, i) => i);

/** The sums of a tile, four columns of each row: total0, total1, … of panels, total0_1, … of the levels above. */
const totals = (rows: number, levels: number): string[] =>
  range(levels + 1).flatMap((level) => range(rows).map((r) => `  var ${totalOf(r, level)} = vec4f();`));

const totalOf = (row: number, level: number): string => `total${row}${level ? `_${level}` : ""}`;

/** Opens the loop over panels of k; s0, s1, … are the sums within one. */
const panels = (rows: number): string[] => [
  `  for (var panel = start; panel < end; panel += ${PANEL}u) {`,
  `  let stop = min(panel + ${PANEL}u, end);`,
  ...range(rows).map((r) => `  var s${r} = vec4f();`),
];

/** Closes it: the panel's sums are added, full levels carried upwards, and after the last panel all levels joined. */
const endOfPanel = (rows: number, levels: number): string[] => [
  ...range(rows).map((r) => `  total${r} += s${r};`),
  ...range(levels).map((level) => {
    const moves = range(rows).map(
      (r) => `${totalOf(r, level + 1)} += ${totalOf(r, level)}; ${totalOf(r, level)} = vec4f();`,
    );
    return `  if ((stop - start) % ${PANEL * FAN ** (level + 1)}u == 0u) { ${moves.join(" ")} }`;
  }),
  "  }",
  ...range(levels).flatMap((level) => range(rows).map((r) => `  total${r} += ${totalOf(r, level + 1)};`)),
];

/**
 * Per step of four k's: each lane loads its share of a (`rows` vec4s among SG lanes) and, for each k, its own four
 * columns of b. Every vec4 of a is then broadcast and multiplies those four columns.
 */
function subgroupTile(kernel: EmittedKernel, { rows }: { rows: number }): string[] {
  const { form, access, subgroup } = kernel;
  const loads = Math.ceil(rows / subgroup);
  const lines = entry(kernel, "SG", "@builtin(subgroup_invocation_id) lane: u32");
  lines.push(`  let row = tile.x * ${rows}u;`, "  let col = (tile.y * SG + lane) * 4u;");
  if (form === "TN") lines.push(`  let aAt = ${position("a", access)};`);
  else
    for (const i of range(loads))
      lines.push(`  let aAt${i} = ${position("a", access, `min(row + ${i}u * SG + lane, dim.rows - 1u)`)};`);
  if (form === "NT")
    for (const j of range(4))
      lines.push(`  let bAt${j} = ${position("b", access, `min(col + ${j}u, dim.cols - 1u)`)};`);
  else lines.push(`  let bAt = ${position("b", access)};`);
  lines.push(...totals(rows, kernel.levels));
  if (kernel.types.residual) lines.push(...touch(rows, subgroup));
  lines.push(...panels(rows), "  for (var q = panel / 4u; q < (stop + 3u) / 4u; q++) {");
  for (const j of range(4))
    lines.push(
      form === "NT"
        ? `    let t${j} = bQuad(bAt${j}, q, end);`
        : `    let b${j} = bRow(bAt, 4u * q + ${j}u, end, col);`,
    );
  if (form === "NT")
    for (const [j, axis] of axes.entries())
      lines.push(
        `    let b${j} = vec4f(${range(4)
          .map((t) => `t${t}.${axis}`)
          .join(", ")});`,
      );
  lines.push(...(form === "TN" ? columnsOfA(rows, subgroup) : rowsOfA(rows, subgroup)), "  }");
  return [...lines, ...endOfPanel(rows, kernel.levels), ...finish(kernel, rows)];
}

/**
 * Loads of the residual's cache lines, a row per lane, before they are needed: at the end of the tile each row would wait
 * for memory by itself (4608 x 256 x 64 on lavapipe: 12.5 ms, with this 9.5, without residual 7.5). The sum is used in
 * a case that never happens, or the compiler would drop the loads.
 */
function touch(rows: number, subgroup: number): string[] {
  const line = 16;
  const quads = range(Math.ceil(rows / subgroup)).flatMap((i) =>
    range(Math.ceil((4 * subgroup) / line)).map(
      (at) => `residualQuad(cBase, row + ${i}u * SG + lane, tile.y * SG * 4u + ${at * line}u).x`,
    ),
  );
  return [`  let touched = ${quads.join(" + ")};`, "  if (dim.depth == 0u) { total0 += touched; }"];
}

const axes = [..."xyzw"];

/** a[M, K]: lane l holds four k's of row l. */
function rowsOfA(rows: number, subgroup: number): string[] {
  const lines = range(Math.ceil(rows / subgroup)).map((i) => `    let a${i} = aQuad(aAt${i}, q, end);`);
  for (const r of range(rows)) {
    const steps = axes.map((axis, k) => `s${r} = fma(vec4f(x.${axis}), b${k}, s${r});`);
    lines.push(
      "    {",
      `      let x = subgroupBroadcast(a${Math.floor(r / subgroup)}, ${r % subgroup}u);`,
      ...steps.map((step) => `      ${step}`),
      "    }",
    );
  }
  return lines;
}

/** a[K, M]: vec4 number i of the step holds four rows of k = i / (rows / 4). */
function columnsOfA(rows: number, subgroup: number): string[] {
  const quads = rows / 4;
  const lines = range(Math.ceil(rows / subgroup)).map((i) => {
    const at = `(${i}u * SG + lane)`;
    return `    let a${i} = aRow(aAt, 4u * q + ${at} / ${quads}u % 4u, end, row + 4u * (${at} % ${quads}u));`;
  });
  for (const quad of range(quads)) {
    lines.push("    {");
    for (const k of range(4)) {
      const at = k * quads + quad;
      lines.push(`      let x${k} = subgroupBroadcast(a${Math.floor(at / subgroup)}, ${at % subgroup}u);`);
    }
    for (const [j, axis] of axes.entries()) {
      const sum = `s${4 * quad + j}`;
      for (const k of range(4)) lines.push(`      ${sum} = fma(vec4f(x${k}.${axis}), b${k}, ${sum});`);
    }
    lines.push("    }");
  }
  return lines;
}

/**
 * Per step of KT k's the workgroup copies a tile of each operand into workgroup memory, k-major, then each invocation
 * multiplies `rows` x 4 outputs out of it. The rows of k are padded by 2, so that copying an operand along k
 * does not hit one bank four times.
 */
function workgroupTile(kernel: EmittedKernel, structure: Extract<ProductStructure, { mode: "wg" }>): string[] {
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
    ...panels(own),
    `  for (var step = panel; step < stop; step += ${KT}u) {`,
    ...copy("a", form, access, tile.rows, TX * TY, KT),
    ...copy("b", form, access, tile.cols, TX * TY, KT),
    "    workgroupBarrier();",
    `    for (var k = 0u; k < ${KT}u; k++) {`,
    `      let i = k * (${tile.rows}u + PAD) + rowIn;`,
    `      let j = k * (${tile.cols}u + PAD) + colIn;`,
    "      let b = vec4f(bTile[j], bTile[j + 1u], bTile[j + 2u], bTile[j + 3u]);",
    ...range(own).map((r) => `      s${r} = fma(vec4f(aTile[i + ${r}u]), b, s${r});`),
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
      ...range(4).map((j) => `      ${operand}Tile[(4u * q + ${j}u) * ${pitch} + m] = v[${j}];`),
      "    }",
    ];
  return [
    head,
    `      let k = t / ${width / 4}u;`,
    `      let m = t % ${width / 4}u * 4u;`,
    `      let v = ${operand}Row(${position(operand, access)}, step + k, end, ${origin} + m);`,
    ...range(4).map((j) => `      ${operand}Tile[k * ${pitch} + m + ${j}u] = v[${j}];`),
    "    }",
  ];
}
