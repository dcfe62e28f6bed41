// What a finished run, or several side by side, comes to: lines for a terminal.
import type { Settings } from "../../train/settings.ts";
import type { NotedRow } from "../../eval/probes/probe-table.ts";
import type { Outcome } from "../job.ts";

/** A finished run of a comparison. */
export interface ComparedRun extends Outcome {
  readonly settings: Settings;
}

const percent = (value: number) => (Number.isNaN(value) ? "–" : `${(100 * value).toFixed(1)} %`).padStart(8);

/** Before and after, a line for each figure; then what is not defined, or leaves something out. */
export function rowsText({ before, after }: Outcome, report: string): string {
  const lines = before.map(([name, value], i) => `  ${name.padEnd(16)}${percent(value)}   ${percent(after[i][1])}`);
  return ["held-out clips         untrained    trained", ...lines, ...noteLines(after), `report: ${report}`].join("\n");
}

const noteLines = (rows: readonly NotedRow[]) =>
  rows.flatMap(([name, , note]) => (note === undefined ? [] : [`  ${name}: ${note}`]));

/** Mean and sample standard deviation. */
interface Spread {
  readonly mean: number;
  readonly deviation: number;
}

function spread(values: readonly number[]): Spread {
  const mean = values.reduce((a, b) => a + b, 0) / values.length;
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (values.length - 1);
  return { mean, deviation: Math.sqrt(variance) };
}

/** The arms side by side, and whether the prompt helps. */
export function comparisonText(results: readonly ComparedRun[]): string {
  const of: Figures = (subject, i, when) =>
    spread(results.filter(({ settings }) => settings.subject === subject).map((result) => result[when][i][1]));
  const cell = ({ mean, deviation }: Spread) =>
    (Number.isNaN(mean) ? "–" : `${(100 * mean).toFixed(1)} ± ${(100 * deviation).toFixed(1)}`).padStart(13);
  const lines = results[0].before.map(([name], i) => {
    const cells = [of("sap", i, "before"), of("none", i, "after"), of("sap", i, "after")];
    return `  ${name.padEnd(16)}${cells.map(cell).join("  ")}`;
  });
  const count = new Set(results.map(({ settings }) => settings.seed)).size;
  const title = `held-out clips, percent, mean ± standard deviation of ${count} seeds`;
  const head = `  ${"".padEnd(16)}${["untrained", "vanilla", "with prompt"].map((name) => name.padStart(13)).join("  ")}`;
  return [title, head, ...lines, ...noteLines(results[0].after), ...verdict(results, of)].join("\n");
}

/** The figures of a subject's runs at place `i` of the table. */
type Figures = (subject: string, i: number, when: "before" | "after") => Spread;

/** What the prompt does for the subject's emotion, or for the first figure that is defined. */
function verdict([{ before }]: readonly ComparedRun[], of: Figures): string[] {
  const known = before.flatMap(([name, value], i) => (Number.isNaN(value) ? [] : [{ name, i }]));
  const judged = known.find(({ name }) => name === "emotion") ?? known[0];
  if (!judged) return [];
  const { name, i } = judged;
  const [vanilla, prompted] = [of("none", i, "after"), of("sap", i, "after")];
  const gain = prompted.mean - vanilla.mean;
  const noise = Math.max(vanilla.deviation, prompted.deviation);
  return [
    `the prompt ${gain > noise ? "helps" : "does not help"} on ${name === "emotion" ? "the subject's emotion" : name}: ` +
      `${(100 * gain).toFixed(1)} points, spread over seeds ${(100 * noise).toFixed(1)}`,
  ];
}
