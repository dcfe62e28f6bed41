// Parts that the texts of all tiles are made of: sizes, bindings, loaders, the sums over panels of k, and the epilogue.
import { type Access, type EmittedKernel, inVectors, type ProductForm, type Role } from "./structures.ts";

/** Summands of one chain of additions; a multiple of every step. */
const PANEL = 128;

/** Sums that become one of the level above. */
const FAN = 64;

/** Levels of sums of panels that a sum over k needs; registers of its own for each, so no more than that. */
export const levelsFor = (depth: number): number => [0, 1, 2].filter((level) => depth > PANEL * FAN ** level).length;

export const has = (kernel: EmittedKernel, field: string): boolean => kernel.fields.includes(field);

export function dims({ fields }: EmittedKernel): string[] {
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
  inVectors(access) ? ["a", "b", "c", "bias", "pre", "residual"] : access === "loads" ? ["a", "b"] : [];

export function bindings({ types, access }: EmittedKernel): string[] {
  return (Object.entries(types) as [Role, string][]).map(([role, type], i) => {
    const element = vectors(access).includes(role) ? `vec4<${type}>` : type;
    const mode = written.includes(role) ? "read_write" : "read";
    return `@group(0) @binding(${i}) var<storage, ${mode}> ${role}: array<${element}>;`;
  });
}

/** Whether k runs along the stored rows of an operand: one load gives four k's of one row, else four columns of one k. */
export const along = (operand: "a" | "b", form: ProductForm): boolean =>
  operand === "a" ? form !== "TN" : form === "NT";

/**
 * A function that loads four elements of an operand.
 *   along:  aQuad(at, q, end)         k = 4q .. 4q + 3 of the stored row that starts at `at`
 *   across: aRow(at, k, end, col)     columns col .. col + 3 of the stored row k, the operand starting at `at`
 * Where K may end inside, what lies at k >= end is zero: the indices are clamped, then the numbers replaced.
 * `at` counts vec4s in the vector forms, elements otherwise.
 */
export function loader(operand: "a" | "b", kernel: EmittedKernel): string[] {
  const { access, form } = kernel;
  const ragged = access !== "vec" || kernel.structure.mode !== "sg";
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
  if (inVectors(access)) return `vec4f(${role}[${index} / 4u])`;
  return `vec4f(${[0, 1, 2, 3].map((j) => `f32(${role}[${index} + min(${j}u, dim.cols - 1u - col)])`).join(", ")})`;
}

/** residualQuad(at, row, col), its indices clamped, and store(...): the epilogue of four columns of one row of c. */
export function epilogue(kernel: EmittedKernel): string[] {
  const { types, access, activation } = kernel;
  const lines: string[] = [];
  if (types.bias)
    lines.push(
      "fn biasQuad(column: u32) -> vec4f {",
      `  let col = min(column, ${inVectors(access) ? "dim.cols - 4u" : "dim.cols - 1u"});`,
      `  return ${quadOf("bias", kernel, "col")};`,
      "}",
      "",
    );
  if (types.residual)
    lines.push(
      "fn residualQuad(at: u32, row: u32, column: u32) -> vec4f {",
      `  let col = min(column, ${inVectors(access) ? "dim.cols - 4u" : "dim.cols - 1u"});`,
      "  let i = at + min(row, dim.rows - 1u) * dim.ldc + col;",
      `  return ${quadOf("residual", kernel, "i")};`,
      "}",
      "",
    );
  lines.push(
    `fn store(at: u32, row: u32, col: u32, sum: vec4f${extras(kernel, (name, type) => `, ${name}: ${type}`)}) {`,
    "  if (row >= dim.rows || col >= dim.cols) { return; }",
    `  let i = ${inVectors(access) ? "(at + row * dim.ldc + col) / 4u" : "at + row * dim.ldc + col"};`,
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
    if (inVectors(access)) lines.push(`  ${role}[i] = vec4<${types[role]}>(${value});`);
    else
      for (const j of eachOf(4))
        lines.push(`  if (col + ${j}u < dim.cols) { ${role}[i + ${j}u] = ${types[role]}(${value}[${j}]); }`);
  }
  return [...lines, "}", ""];
}

/** What store takes beside the sum. */
export function extras({ types, fields }: EmittedKernel, each: (name: string, type: string) => string): string {
  const gain = types.factor || fields.includes("scale") ? each("gain", "f32") : "";
  return `${gain}${types.bias ? each("shift", "vec4f") : ""}${types.residual ? each("rest", "vec4f") : ""}`;
}

/**
 * The end of main: `count` rows of sums from `row` on are finished and stored. What is read is read before the first
 * store: loads between stores to addresses equal modulo 4 KiB stall (a residual then cost 6 to 10 ms instead of 1 on
 * lavapipe, 4608 x 256).
 */
export function finish(kernel: EmittedKernel, count: number): string[] {
  const { types } = kernel;
  const lines = gainOf(kernel);
  if (types.bias) lines.push("  let shift = biasQuad(col);");
  if (types.residual)
    for (const r of eachOf(count)) lines.push(`  let rest${r} = residualQuad(cBase, row + ${r}u, col);`);
  for (const r of eachOf(count))
    lines.push(
      `  store(cBase, row + ${r}u, col, total${r}${extras(kernel, (name) => (name === "rest" ? `, rest${r}` : `, ${name}`))});`,
    );
  return [...lines, "}"];
}

/** What multiplies every sum, where anything does. */
export function gainOf(kernel: EmittedKernel): string[] {
  const gains = [...(has(kernel, "scale") ? ["dim.scale"] : []), ...(kernel.types.factor ? ["f32(factor[0])"] : [])];
  return gains.length > 0 ? [`  let gain = ${gains.join(" * ")};`] : [];
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
export function entry(kernel: EmittedKernel, size: string, builtins: string): string[] {
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
export function position(operand: "a" | "b", access: Access, row?: string): string {
  const base = access === "scalar" ? `${operand}Base` : `${operand}Base / 4u`;
  return row === undefined ? base : `${base} + ${row} * ${stride(operand, access)}`;
}

export const eachOf = (n: number): number[] => Array.from({ length: n }, (_, i) => i);

/** The sums of a tile, four columns of each row: total0, total1, … of panels, total0_1, … of the levels above. */
export const totals = (rows: number, levels: number): string[] =>
  eachOf(levels).flatMap((level) => eachOf(rows).map((r) => `  var ${totalOf(r, level)} = vec4f();`));

const totalOf = (row: number, level: number): string => `total${row}${level ? `_${level}` : ""}`;

/** Opens the loop over panels of k, where there is more than one; s0, s1, … are the sums within a panel. */
export const panels = (rows: number, levels: number): string[] => [
  ...(levels === 0
    ? ["  let panel = start;", "  let stop = end;"]
    : [`  for (var panel = start; panel < end; panel += ${PANEL}u) {`, `  let stop = min(panel + ${PANEL}u, end);`]),
  ...eachOf(rows).map((r) => `  var s${r} = vec4f();`),
];

/** Closes it: the panel's sums are added, full levels carried upwards, and after the last panel all levels joined. */
export function endOfPanel(rows: number, levels: number): string[] {
  if (levels === 0) return eachOf(rows).map((r) => `  let total${r} = s${r};`);
  return [
    ...eachOf(rows).map((r) => `  total${r} += s${r};`),
    ...eachOf(levels - 1).map((level) => {
      const moves = eachOf(rows).map(
        (r) => `${totalOf(r, level + 1)} += ${totalOf(r, level)}; ${totalOf(r, level)} = vec4f();`,
      );
      return `  if ((stop - start) % ${PANEL * FAN ** (level + 1)}u == 0u) { ${moves.join(" ")} }`;
    }),
    "  }",
    ...eachOf(levels - 1).flatMap((level) => eachOf(rows).map((r) => `  total${r} += ${totalOf(r, level + 1)};`)),
  ];
}
