// The tile of one subgroup, which owns `rows` x 4·SG columns.
import { endOfPanel, entry, finish, panels, position, eachOf, totals } from "../parts.ts";
import type { EmittedKernel } from "../structures.ts";

const axes = [..."xyzw"];

/**
 * Per step of four k's: each lane loads its share of a (`rows` vec4s among SG lanes) and, for each k, its own four
 * columns of b. Every vec4 of a is then broadcast and multiplies those four columns.
 */
export function subgroupTile(kernel: EmittedKernel, { rows }: { rows: number }): string[] {
  const { form, access, subgroup } = kernel;
  const loads = Math.ceil(rows / subgroup);
  const lines = entry(kernel, "SG", "@builtin(subgroup_invocation_id) lane: u32");
  lines.push(`  let row = tile.x * ${rows}u;`, "  let col = (tile.y * SG + lane) * 4u;");
  if (form === "TN") lines.push(`  let aAt = ${position("a", access)};`);
  else
    for (const i of eachOf(loads))
      lines.push(`  let aAt${i} = ${position("a", access, `min(row + ${i}u * SG + lane, dim.rows - 1u)`)};`);
  if (form === "NT")
    for (const j of eachOf(4))
      lines.push(`  let bAt${j} = ${position("b", access, `min(col + ${j}u, dim.cols - 1u)`)};`);
  else lines.push(`  let bAt = ${position("b", access)};`);
  lines.push(...totals(rows, kernel.levels));
  if (kernel.types.residual) lines.push(...touch(rows, subgroup));
  lines.push(...panels(rows, kernel.levels), "  for (var q = panel / 4u; q < (stop + 3u) / 4u; q++) {");
  for (const j of eachOf(4))
    lines.push(
      form === "NT"
        ? `    let t${j} = bQuad(bAt${j}, q, end);`
        : `    let b${j} = bRow(bAt, 4u * q + ${j}u, end, col);`,
    );
  if (form === "NT")
    for (const [j, axis] of axes.entries())
      lines.push(
        `    let b${j} = vec4f(${eachOf(4)
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
  const quads = eachOf(Math.ceil(rows / subgroup)).flatMap((i) =>
    eachOf(Math.ceil((4 * subgroup) / line)).map(
      (at) => `residualQuad(cBase, row + ${i}u * SG + lane, tile.y * SG * 4u + ${at * line}u).x`,
    ),
  );
  return [`  let touched = ${quads.join(" + ")};`, "  if (dim.depth == 0u) { total0 += touched; }"];
}

/** a[M, K]: lane l holds four k's of row l. */
function rowsOfA(rows: number, subgroup: number): string[] {
  const lines = eachOf(Math.ceil(rows / subgroup)).map((i) => `    let a${i} = aQuad(aAt${i}, q, end);`);
  for (const r of eachOf(rows)) {
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
  const lines = eachOf(Math.ceil(rows / subgroup)).map((i) => {
    const at = `(${i}u * SG + lane)`;
    return `    let a${i} = aRow(aAt, 4u * q + ${at} / ${quads}u % 4u, end, row + 4u * (${at} % ${quads}u));`;
  });
  for (const quad of eachOf(quads)) {
    lines.push("    {");
    for (const k of eachOf(4)) {
      const at = k * quads + quad;
      lines.push(`      let x${k} = subgroupBroadcast(a${Math.floor(at / subgroup)}, ${at % subgroup}u);`);
    }
    for (const [j, axis] of axes.entries()) {
      const sum = `s${4 * quad + j}`;
      for (const k of eachOf(4)) lines.push(`      ${sum} = fma(vec4f(x${k}.${axis}), b${k}, ${sum});`);
    }
    lines.push("    }");
  }
  return lines;
}
