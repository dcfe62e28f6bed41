// The inner tile of a head's product as WGSL, unrolled and so emitted: one subgroup owns `rows` x 4·SG numbers of one
// head. What distinguishes it from the tile of matmul/: rows come in the heights that fit attention (51 and 77 tokens
// are 2 and 3 times 26), every address is computed before the loop, and lengths that 4 does not divide cost nothing.
// 96 heads of 51 x 51 x 64 on lavapipe, CPU ms: matmul's sg16 2.2 to 2.6 for each form; here NT 1.8, NN 1.6, TN 1.3.

/** NN c = a[rows, depth]·b[depth, cols], NT c = a[rows, depth]·b[cols, depth]ᵀ, TN c = a[depth, rows]ᵀ·b[depth, cols]. */
export type AttentionForm = "NN" | "NT" | "TN";

/** All that the text depends on. Rows of a TN tile are a multiple of 4. */
export interface Tile {
  readonly form: AttentionForm;
  readonly rows: number;
  readonly subgroup: number;
  /** Element types of a, b and c. */
  readonly types: { readonly a: string; readonly b: string; readonly c: string };
  /** Fields of Dims that not every product has: aOffset, bOffset, cOffset, scale. */
  readonly fields: readonly string[];
}

const range = (n: number): number[] => Array.from({ length: n }, (_, i) => i);
const axes = [..."xyzw"];

/** Fields that every text declares. Strides, offsets and `wide`, the columns, count vec4s. */
const common = ["rows", "wide", "depth", "heads", "lda", "ldb", "ldc", "aN", "aH", "bN", "bH", "cN", "cH"];

/** The text of a tile's kernel. */
export function emitTile(tile: Tile): string {
  const { form, rows, types, fields } = tile;
  const declared = [...common, ...fields].map((name) => `${name}: ${name === "scale" ? "f32" : "u32"}`);
  const base = (name: "a" | "b" | "c") =>
    [`n * dim.${name}N`, `h * dim.${name}H`, ...(fields.includes(`${name}Offset`) ? [`dim.${name}Offset`] : [])].join(
      " + ",
    );
  const inner = { NN: alongRows, NT: alongBoth, TN: alongColumns }[form](tile);
  const value = (r: number) => (fields.includes("scale") ? `s${r} * dim.scale` : `s${r}`);
  return [
    `// c = ${{ NN: "a·b", NT: "a·bᵀ", TN: "aᵀ·b" }[form]} of every head, ${rows} rows x 4·SG columns of it per subgroup`,
    `struct Dims { ${declared.join(", ")} }`,
    `@group(0) @binding(0) var<storage, read> a: array<vec4<${types.a}>>;`,
    `@group(0) @binding(1) var<storage, read> b: array<vec4<${types.b}>>;`,
    `@group(0) @binding(2) var<storage, read_write> c: array<vec4<${types.c}>>;`,
    "var<immediate> dim: Dims;",
    "",
    "@compute @workgroup_size(SG)",
    "fn main(@builtin(workgroup_id) wid: vec3u, @builtin(subgroup_invocation_id) lane: u32) {",
    "  let n = wid.z / dim.heads;",
    "  let h = wid.z % dim.heads;",
    "  let quad = wid.x * SG + lane;",
    `  let row = wid.y * ${rows}u;`,
    `  let aBase = ${base("a")};`,
    `  let bBase = ${base("b")};`,
    ...range(rows).map((r) => `  var s${r} = vec4f();`),
    ...inner,
    "  if (quad >= dim.wide) { return; }",
    `  let out = ${base("c")} + row * dim.ldc + quad;`,
    ...range(rows).map(
      (r) => `  if (row + ${r}u < dim.rows) { c[out + ${r}u * dim.ldc] = vec4<${types.c}>(${value(r)}); }`,
    ),
    "}",
    "",
  ].join("\n");
}

/** Vectors of a, each lane holding the four k's of its own row. */
function rowsOfA({ rows, subgroup }: Tile): { addresses: string[]; loads: string[] } {
  const shares = range(Math.ceil(rows / subgroup));
  return {
    addresses: shares.map((i) => `  let aAt${i} = aBase + min(row + ${i}u * SG + lane, dim.rows - 1u) * dim.lda;`),
    loads: shares.map((i) => `    let a${i} = vec4f(a[aAt${i} + k]);`),
  };
}

/** s_r += Σ_k a_rk b_k for the four k's of a step, a's row broadcast from the lane that loaded it. */
const fourSteps = ({ rows, subgroup }: Tile): string[] =>
  range(rows).flatMap((r) => [
    "    {",
    `      let x = subgroupBroadcast(a${Math.floor(r / subgroup)}, ${r % subgroup}u);`,
    ...axes.map((axis, k) => `      s${r} = fma(vec4f(x.${axis}), b${k}, s${r});`),
    "    }",
  ]);

/** NN: lanes hold four columns of b. Beyond the last row of b both are 0: the last row in its place may be infinite. */
function alongRows(tile: Tile): string[] {
  const { addresses, loads } = rowsOfA(tile);
  return [
    "  let bAt = bBase + min(quad, dim.wide - 1u);",
    "  let last = dim.depth - 1u;",
    ...addresses,
    "  for (var k = 0u; 4u * k < dim.depth; k++) {",
    "    let b0 = vec4f(b[bAt + 4u * k * dim.ldb]);",
    ...[1, 2, 3].map((j) => {
      const row = `4u * k + ${j}u`;
      return `    let b${j} = select(vec4f(), vec4f(b[bAt + min(${row}, last) * dim.ldb]), ${row} <= last);`;
    }),
    ...loads,
    ...fourSteps(tile),
    "  }",
  ];
}

/** NT: lanes hold four rows of b, of which there are as many as of a, transposed in registers; past the end, the last. */
function alongBoth(tile: Tile): string[] {
  const { addresses, loads } = rowsOfA(tile);
  return [
    ...range(4).map((j) => `  let bAt${j} = bBase + min(4u * quad + ${j}u, dim.rows - 1u) * dim.ldb;`),
    ...addresses,
    "  for (var k = 0u; 4u * k < dim.depth; k++) {",
    ...range(4).map((j) => `    let t${j} = vec4f(b[bAt${j} + k]);`),
    ...axes.map((axis, k) => `    let b${k} = vec4f(t0.${axis}, t1.${axis}, t2.${axis}, t3.${axis});`),
    ...loads,
    ...fourSteps(tile),
    "  }",
  ];
}

/** TN: two k's a step; vec4 number i of the step holds four rows of k = i / (rows / 4), lanes four columns of b. */
function alongColumns({ rows, subgroup }: Tile): string[] {
  const quads = rows / 4;
  const shares = range(Math.ceil((2 * quads) / subgroup));
  const slot = (i: number) => `(${i}u * SG + lane)`;
  return [
    "  let bAt = bBase + min(quad, dim.wide - 1u);",
    "  let last = dim.depth - 1u;",
    ...shares.map((i) => `  let aAt${i} = aBase + min(row / 4u + ${slot(i)} % ${quads}u, dim.lda - 1u);`),
    ...shares.map((i) => `  let odd${i} = ${slot(i)} / ${quads}u % 2u;`),
    "  for (var k = 0u; k < dim.depth; k += 2u) {",
    "    let b0 = vec4f(b[bAt + k * dim.ldb]);",
    "    let b1 = select(vec4f(), vec4f(b[bAt + min(k + 1u, last) * dim.ldb]), k < last);",
    ...shares.map((i) => `    let a${i} = vec4f(a[aAt${i} + min(k + odd${i}, last) * dim.lda]);`),
    ...range(2 * quads).flatMap((at) => [
      "    {",
      `      let x = subgroupBroadcast(a${Math.floor(at / subgroup)}, ${at % subgroup}u);`,
      ...axes.map((axis, j) => {
        const r = 4 * (at % quads) + j;
        return `      s${r} = fma(vec4f(x.${axis}), b${Math.floor(at / quads)}, s${r});`;
      }),
      "    }",
    ]),
    "  }",
  ];
}
