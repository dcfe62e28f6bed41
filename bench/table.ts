// Plain text tables: columns as wide as their widest cell, numbers to the right.

/** Rows of cells as lines; columns from `left` on are aligned to the left. */
export function table(rows: readonly (readonly string[])[], left: number): string {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => (row[column] ?? "").length)));
  const line = (row: readonly string[]) =>
    row.map((cell, column) => (column < left ? cell.padStart(widths[column]) : cell.padEnd(widths[column]))).join("  ");
  return rows.map((row) => line(row).trimEnd()).join("\n");
}

/** A rate with three significant digits, without exponents; a dash for nothing. */
export function amount(value: number): string {
  if (!Number.isFinite(value) || value < 0.00005) return "-";
  const digits = Math.max(0, 2 - Math.floor(Math.log10(value)));
  return value.toFixed(Math.min(4, digits));
}
