// Runs as a table for a terminal.
import type { RunComparison } from "../../train/runs/run-comparison.ts";
import type { RunFigure, RunState } from "../../train/runs/run-state.ts";

/** A table of the runs below a folder, the ones that can be gone on with marked by how far they came. */
export function runsText({ folder, runs }: { folder: string; runs: readonly RunState[] }): string {
  if (runs.length === 0) return `no runs in ${folder}`;
  const head = ["run", "state", "model", "data", "loss", "date", "figures"];
  return tableText([head, ...runs.map(cellsOf)]).join("\n");
}

const cellsOf = (run: RunState): string[] => [
  run.folder,
  stateText(run),
  run.model,
  run.data,
  lossText(run.loss),
  run.date.slice(0, 16).replace("T", " "),
  [...run.figures.map(figureText), bestText(run)].filter(Boolean).join(", "),
];

/** "finished, 20 steps", or how far a run came and who has it. */
export function stateText({ state, holder, step, steps, epochs, saved }: RunState): string {
  const end = steps !== null ? ` of ${steps}` : epochs !== null ? ` (${epochs} epochs)` : "";
  if (state === "finished") return `finished, ${step} steps`;
  const kept = saved === null ? "no checkpoint" : `checkpoint ${saved}`;
  return `${state} at step ${step}${end}, ${holder ?? kept}`;
}

export const lossText = (loss: number | null): string => (loss === null ? "–" : loss.toFixed(4));

/** A fraction as percent. */
export const percentText = (value: number | null): string =>
  value === null ? "not defined" : (100 * value).toFixed(2);

const figureText = ([name, value]: RunFigure) => `${name} ${percentText(value)}`;
const bestText = ({ best }: RunState) => best && `best ${best.name} ${percentText(best.value)} at step ${best.step}`;

/** Lines of cells under one another, each column as wide as its widest cell. */
export function tableText(rows: readonly (readonly string[])[]): string[] {
  const widths = rows[0].map((_, i) => Math.max(...rows.map((row) => row[i].length)));
  return rows.map((row) =>
    row
      .map((cell, i) => cell.padEnd(widths[i]))
      .join("  ")
      .trimEnd(),
  );
}

/** Runs side by side, a column each. */
export function runComparisonText(comparison: RunComparison): string {
  const { runs, settings, figures, losses } = comparison;
  const head = [
    ["", ...runs.map(({ folder }) => folder)],
    ["state", ...runs.map(stateText)],
    ["model", ...runs.map(({ model }) => model)],
    ["last loss", ...runs.map(({ loss }) => lossText(loss))],
    ...figures.map(({ name, values }) => [`${name}, %`, ...values.map(percentOrNone)]),
  ];
  const set = settings.map(({ name, values }) => [name, ...values.map((value) => value ?? "unset")]);
  const at = losses.at.map(({ step, values }) => [`step ${step}`, ...values.map(lossText)]);
  const parts: [string, string[][]][] = [
    ["", head],
    [set.length > 0 ? "settings that differ" : "no setting differs", set],
    [lossesText(losses), at],
  ];
  const lines = tableText(parts.flatMap(([, rows]) => rows));
  return parts.flatMap(([title, rows]) => [...(title ? ["", title] : []), ...lines.splice(0, rows.length)]).join("\n");
}

/** A fraction as percent, where not every run has measured it. */
export const percentOrNone = (value: number | null): string => (value === null ? "–" : percentText(value));

/** What the losses of runs say at the steps that all have. */
export function lossesText({ common, firstDifference }: RunComparison["losses"]): string {
  if (common === 0) return "no step is in all logs";
  const steps = common === 1 ? "the one step" : `the ${common} steps`;
  return firstDifference === null
    ? `the same losses, to the last digit, at ${steps} that all have`
    : `losses at some of ${steps} that all have; the first that differs is of step ${firstDifference}`;
}
