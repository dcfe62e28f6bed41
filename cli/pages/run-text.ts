// What a finished run, or several side by side, comes to: lines for a terminal.
import type { Settings } from "../../train/settings.ts";
import { type Spread, spread } from "../../eval/paper/spread.ts";
import type { NotedRow } from "../../eval/probes/probe-table.ts";
import type { ClipsOutcome } from "../clips.ts";
import type { Outcome } from "../job.ts";

/** A finished run of a comparison. */
export interface ComparedRun extends Outcome {
  readonly settings: Settings;
}

const percent = (value: number) => (Number.isNaN(value) ? "–" : `${(100 * value).toFixed(1)} %`).padStart(8);

/** Before and after, a line for each figure; then what is not defined, what was not as it should be, and where the report lies. */
export function rowsText(outcome: Outcome, report: string): string {
  const { before, after } = outcome;
  const lines = before.map(([name, value], i) => `  ${name.padEnd(16)}${percent(value)}   ${percent(after[i][1])}`);
  const head = "held-out clips         untrained    trained";
  return [head, ...lines, ...noteLines(after), ...faultLines(outcome), `report: ${report}`].join("\n");
}

/** Counts of what was replaced, left out, repeated or skipped; none where all was well. */
export function faultLines({ clips, training, skipped, warnings }: Outcome): string[] {
  const { train, test } = clips;
  const bad = ({ bad, clips }: ClipsOutcome) => `${bad.length} of ${clips}`;
  const short = [train, test].flatMap(({ short }, i) =>
    short
      ? [`${short.count} of ${["train", "test"][i]} ${short.rule === "repeat" ? "repeat frames" : "left out"}`]
      : [],
  );
  return [
    ...(train.bad.length + test.bad.length > 0
      ? [
          `clips that cannot be read: ${bad(train)} to train on (showings in which others stood in: ${training.replaced}), ` +
            `${bad(test)} held out; none is measured`,
        ]
      : []),
    ...(short.length > 0 ? [`clips of too few frames: ${short.join(", ")}`] : []),
    ...(training.idle > 0 ? [`${training.idle} steps had no gradient: nothing was learnt from them`] : []),
    ...(skipped.count > 0 ? [skippedText(skipped)] : []),
    ...warnings.map((warning) => `warning: ${warning}`),
  ];
}

/** The first steps are named; results.json has all, metrics.jsonl their clips. */
function skippedText({ count, steps }: Outcome["skipped"]): string {
  const named = `${steps.slice(0, 8).join(", ")}${count > 8 ? ", …" : ""}`;
  return `skipped: ${count} steps with numbers that are not finite: ${named}`;
}

const noteLines = (rows: readonly NotedRow[]) =>
  rows.flatMap(([name, , note]) => (note === undefined ? [] : [`  ${name}: ${note}`]));

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
  const faults = new Set(results.flatMap(faultLines));
  return [title, head, ...lines, ...noteLines(results[0].after), ...verdict(results, of), ...faults].join("\n");
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
