// Tables 1 and 3, Figure 6 and the statements about them as plain text: published figures, ours, and the reason for every gap.
import type { Ablation, ComparedRow, ComparedTable } from "../../eval/paper/ablation.ts";
import { number } from "../../eval/paper/result.ts";
import type { Spread } from "../../eval/paper/spread.ts";
import type { Statement } from "../../eval/paper/statements.ts";

/** Columns of names; of published figures, and of ours with their deviations. */
export const NAME = 34;
const CELL = 13;
export const OWN = 16;

/** The tables of an ablation alone. */
export function ablationText({ table1, table3, figure6, statements, setting, leftOut }: Ablation): string {
  return [
    ...tableLines(table1),
    "",
    ...tableLines(table3),
    "",
    ...figure6Lines(figure6),
    "",
    ...statementLines(statements),
    "",
    `ours: ${setting ?? "no finished run"}`,
    ...leftOut.map((line) => `left out, another setting: ${line}`),
  ].join("\n");
}

const CLAIM = 54;

/** The paper's statements, each with what its figures and ours differ by. */
export function statementLines(statements: readonly Statement[]): string[] {
  const line = (statement: Statement) => {
    const { claim, figure, published, ours } = statement;
    return `  ${claim.padEnd(CLAIM)}${figure.padEnd(5)}${publishedChange(published).padStart(10)}${change(ours).padStart(16)}  ${verdictText(statement)}`.trimEnd();
  };
  const run = statements.filter(({ verdict }) => verdict !== "not run");
  const others = new Set(statements.filter(({ verdict }) => verdict === "not run").map(({ claim }) => claim));
  return [
    "What the paper says of its parts: difference, and ours with its standard error over seeds, in points",
    `  ${"".padEnd(CLAIM + 5)}${"published".padStart(10)}${"ours".padStart(16)}`,
    ...run.map(line),
    ...Array.from(others, (claim) => `  ${claim}: not run`),
    ...(run.length > 0 ? [`  ${clearness}`] : []),
  ];
}

/** When a difference counts. */
export const clearness =
  "Differences are taken seed by seed; one is told from none where it is beyond 95 % of Student's t, of three seeds 4.3 standard errors.";

const signed = (value: number) => `${value > 0 ? "+" : ""}${number(value, 2)}`;

/** What the paper's figures differ by; its plots tell the sign alone. */
export const publishedChange = (value: number | null): string => (value === null ? "better" : signed(value));

/** Ours, with the standard error. */
export const change = (ours: Statement["ours"]): string => {
  if (!ours) return "–";
  return Number.isFinite(ours.error) ? `${signed(ours.mean)} ± ${number(ours.error, 2)}` : signed(ours.mean);
};

const verdictText = ({ ours, verdict }: Statement): string =>
  ours ? `${verdict} (${ours.seeds === 1 ? "one seed" : `${ours.seeds} seeds`})` : verdict;

export function tableLines({ title, columns, rows, remarks }: ComparedTable): string[] {
  const reasons = [...new Set(rows.flatMap(({ why }) => (why ? [why] : [])))];
  const names = (width: number) => columns.map(({ name }) => name.padStart(width)).join("");
  const across = (label: string, width: number) => label.padStart(width * columns.length);
  return [
    title,
    `  ${"".padEnd(NAME)}${across("published", CELL)}${across("ours", OWN)}`,
    `  ${"".padEnd(NAME)}${names(CELL)}${names(OWN)}`,
    ...rows.map((row) => rowLine(row, columns, reasons)),
    ...reasons.map((reason, i) => `  (${letter(i)}) ${reason}`),
    ...remarks.map((remark) => `  ${remark}`),
  ];
}

/** Footnotes: a, b, c … */
export const letter = (i: number) => String.fromCharCode(97 + i);

function rowLine(
  { name, published, ours, runs, why }: ComparedRow,
  columns: ComparedTable["columns"],
  reasons: readonly string[],
): string {
  const label = name.length > NAME - 1 ? `${name.slice(0, NAME - 2)}…` : name;
  const cells = columns.map(({ digits }, i) => {
    const value = published[i];
    return (value == null ? "–" : number(value, digits)).padStart(CELL);
  });
  const own = columns.map(({ digits }, i) => (ours?.[i] ? shown(ours[i], digits) : "–").padStart(OWN));
  const notes = [runs && runs > 1 ? `${runs} runs` : "", why ? `(${letter(reasons.indexOf(why))})` : ""];
  return `  ${label.padEnd(NAME)}${cells.join("")}${own.join("")}  ${notes.filter(Boolean).join(" ")}`.trimEnd();
}

/** Mean and, over several runs, deviation. */
export const shown = ({ mean, deviation }: Spread, digits: number): string =>
  Number.isFinite(deviation) ? `${number(mean, digits)} ± ${number(deviation, digits)}` : number(mean, digits);

export function figure6Lines({ columns, points, remarks }: Ablation["figure6"]): string[] {
  const head = `  ${"beta".padEnd(NAME)}${columns.map((name) => name.padStart(OWN)).join("")}`;
  const lines = points.map(
    ({ beta, figures, runs }) =>
      `  ${String(beta).padEnd(NAME)}${figures.map((spread, i) => shown(spread, i < 2 ? 2 : 3).padStart(OWN)).join("")}${runs > 1 ? `   ${runs} runs` : ""}`,
  );
  return [
    "Figure 6: scores against beta (ours)",
    ...(points.length > 0 ? [head, ...lines] : []),
    ...remarks.map((remark) => `  ${remark}`),
  ];
}
