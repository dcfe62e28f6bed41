// Runs as a table for a terminal.
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

function stateText({ state, holder, step, steps, epochs, saved }: RunState): string {
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
