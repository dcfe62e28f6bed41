// The comparison as plain text: a block per table, published figures, ours, and the reason for every gap.
import type { Comparison, OtherTable } from "../../eval/paper/compare.ts";
import { number } from "../../eval/paper/result.ts";
import { figure6Lines, NAME, OWN, statementLines, tableLines } from "./ablation-text.ts";

/** Everything, in the order of the paper. */
export function tablesText(comparison: Comparison): string {
  const { table1, table3, table4, setting, leftOut } = comparison;
  return [
    ...tableLines(table1),
    "",
    ...table2Lines(comparison.table2),
    "",
    ...tableLines(table3),
    ...table4.flatMap((table) => ["", ...tableLines(table)]),
    "",
    ...figure6Lines(comparison.figure6),
    "",
    ...statementLines(comparison.statements),
    "",
    "Figure 5: emotionclip attention draws what the subject token of a checkpoint looks at",
    "",
    ...comparison.others.flatMap((table) => [...otherLines(table), ""]),
    setting ? `ours: ${setting}` : "ours: no finished run; emotionclip ablate makes them",
    ...leftOut.map((line) => `left out, another setting: ${line}`),
  ].join("\n");
}

/** Each row under its own name, in full: it says what it was trained on, and how. */
function otherLines({ title, columns, rows, remarks }: OtherTable): string[] {
  const head = `  ${"".padEnd(NAME)}${columns.map((name) => name.padStart(OWN)).join("")}`;
  const lines = rows.flatMap(({ name, values }) => [
    `  ${name}`,
    `  ${"".padEnd(NAME)}${values.map((value) => figure(value).padStart(OWN)).join("")}`,
  ]);
  return [title, head, ...lines, ...remarks.map((remark) => `  ${remark}`)];
}

/** A fraction; a dash where there is none, of which a remark tells why. */
export const figure = (value: number | undefined): string => (value === undefined ? "–" : number(value, 4));

function table2Lines({ published, ours, source }: Comparison["table2"]): string[] {
  const line = (text: string, role: string, before: number, after: number, kl?: number) =>
    `  ${(text.length > 52 ? `${text.slice(0, 51)}…` : text).padEnd(54)}${role.padEnd(16)}${short(before).padStart(9)}${short(after).padStart(12)}${kl === undefined ? "" : `${number(kl, 3).padStart(9)}`}`;
  const head = `  ${"".padEnd(70)}${"before".padStart(9)}${"after".padStart(12)}`;
  return [
    "Table 2: logits of one video before and after reweighting",
    "  published",
    head,
    ...published.map(({ text, role, before, after }) => line(text, role, before, after)),
    ...(ours
      ? [
          `  ours: ${source}, batch of ${ours.batch}, beta ${ours.beta}; ${number(100 * ours.removed, 1)} % of the negatives no longer count`,
          `${head}${"KL".padStart(9)}`,
          ...ours.texts.map(({ text, role, before, after, kl }) => line(text, role, before, after, kl)),
        ]
      : ["  ours: none yet; emotionclip tables --checkpoint <run folder> shows it for a batch"]),
  ];
}

/** Four digits; a thousand and more without decimals. */
export const short = (value: number): string =>
  Math.abs(value) >= 1e3
    ? Math.round(value).toLocaleString("en").replace("-", "−")
    : number(value, Math.abs(value) >= 100 ? 1 : 2);
