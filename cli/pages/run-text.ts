// What a finished run, or several side by side, comes to: lines for a terminal.
import type { Settings } from "../../train/settings.ts";
import type { Outcome } from "../job.ts";

/** A finished run of a comparison. */
export interface ComparedRun extends Outcome {
  readonly settings: Settings;
}

const percent = (value: number) => `${(100 * value).toFixed(1)} %`.padStart(8);

/** Before and after, a line for each figure. */
export function rowsText({ before, after, skipped }: Outcome, report: string): string {
  const lines = before.map(([name, value], i) => `  ${name.padEnd(16)}${percent(value)}   ${percent(after[i][1])}`);
  return `held-out clips         untrained    trained\n${lines.join("\n")}\n${skippedText(skipped)}report: ${report}`;
}

const skippedText = ({ count }: Outcome["skipped"]): string =>
  count > 0 ? `skipped steps: ${count}, with numbers that are not finite (results.json names them)\n` : "";

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
    `${(100 * mean).toFixed(1)} ± ${(100 * deviation).toFixed(1)}`.padStart(13);
  const lines = results[0].before.map(([name], i) => {
    const cells = [of("sap", i, "before"), of("none", i, "after"), of("sap", i, "after")];
    return `  ${name.padEnd(16)}${cells.map(cell).join("  ")}`;
  });
  const count = new Set(results.map(({ settings }) => settings.seed)).size;
  const title = `held-out clips, percent, mean ± standard deviation of ${count} seeds`;
  const head = `  ${"".padEnd(16)}${["untrained", "vanilla", "with prompt"].map((name) => name.padStart(13)).join("  ")}`;
  return [title, head, ...lines, verdict(results, of)].join("\n");
}

/** The figures of a subject's runs at place `i` of the table. */
type Figures = (subject: string, i: number, when: "before" | "after") => Spread;

function verdict([{ before }]: readonly ComparedRun[], of: Figures): string {
  const emotion = before.findIndex(([name]) => name === "emotion");
  const i = emotion < 0 ? 0 : emotion;
  const [vanilla, prompted] = [of("none", i, "after"), of("sap", i, "after")];
  const gain = prompted.mean - vanilla.mean;
  const noise = Math.max(vanilla.deviation, prompted.deviation);
  return (
    `the prompt ${gain > noise ? "helps" : "does not help"} on the subject's ${emotion < 0 ? "categories" : "emotion"}: ` +
    `${(100 * gain).toFixed(1)} points, spread over seeds ${(100 * noise).toFixed(1)}`
  );
}
