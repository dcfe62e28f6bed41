// The report as a whole: each part in a process of its own, one after another, within one time. A part that fails, crashes or hangs
// leaves the rows that it had told, and the others go on.
import { vitB32 } from "../../model/emotionclip/presets.ts";
import { goalsOf, type ReportGoal } from "./goals.ts";
import { type KnownSoFar, reportSizes, type ReportPart, type ReportRow, type Told } from "./part.ts";

/** How a part came out: `done`; `wrong` where an output was not right; `failed` with an error; `cut` by the time; `skipped` for want of it. */
export type PartState = "done" | "wrong" | "failed" | "cut" | "skipped";

/** What a part left. */
export interface PartOutcome {
  readonly name: string;
  readonly title: string;
  readonly about: string;
  readonly columns: ReportPart["columns"];
  readonly state: PartState;
  readonly seconds: number;
  /** What ended it, where it did not end well. */
  readonly error?: string;
  /** What was left out, and why. */
  readonly skipped: readonly string[];
  readonly rows: readonly ReportRow[];
}

/** The whole report. */
export interface GpuReport {
  readonly version: 1;
  readonly date: string;
  readonly commit: string;
  readonly adapter: string;
  /** A dry run at sizes that say nothing of a device. */
  readonly tiny: boolean;
  readonly software: boolean;
  readonly seconds: number;
  readonly budgetSeconds: number;
  /** Features that failed on the way: what follows was measured without them. */
  readonly without: readonly string[];
  readonly remarks: readonly string[];
  /** What to look at first. */
  readonly goals: readonly ReportGoal[];
  readonly parts: readonly PartOutcome[];
}

/** How one part's process ended: with nothing, an error, or because its time was over. */
export interface Ending {
  readonly error?: string;
  readonly isCut?: boolean;
}

/** Starts a part's process with `seconds` for it; `most` seconds later at the latest it is ended. */
export type StartPart = (
  name: string,
  known: KnownSoFar,
  seconds: number,
  most: number,
  hear: (told: Told) => void,
) => Promise<Ending>;

/** What the report is made with. */
export interface ReportOptions {
  readonly tiny: boolean;
  readonly seconds: number;
  readonly memory?: number;
  readonly python: string;
  readonly commit: string;
  start: StartPart;
  /** A line of progress. */
  say(line: string): void;
  /** Milliseconds, monotonic. */
  readonly now?: () => number;
}

/** Seconds that a part which does not look at its clock may take beyond its time. */
const grace = 10;
/** A part with less time than this is not begun. */
const least = 1;

/** Runs all parts. Gives the sentence instead where the adapter is no GPU. */
export async function runReport(
  parts: readonly ReportPart[],
  { tiny, seconds, memory, python, commit, start, say, now = () => performance.now() }: ReportOptions,
): Promise<GpuReport | { readonly refused: string }> {
  const began = now();
  const spent = () => (now() - began) / 1000;
  const share = seconds / parts.reduce((sum, part) => sum + part.seconds, 0);
  let known: KnownSoFar = { tiny, without: [], memory, python };
  const remarks: string[] = [];
  const results: PartOutcome[] = [];
  let ends = 0;
  for (const part of parts) {
    const own = part.seconds * share;
    ends += own;
    const { name, title, about, columns } = part;
    // what earlier parts have left is this one's too; what one has overdrawn is missing at the end
    const left = Math.min(Math.max(ends - spent(), own), seconds - spent());
    if (left < Math.min(least, own)) {
      results.push({
        name,
        title,
        about,
        columns,
        state: "skipped",
        seconds: 0,
        skipped: ["all: no time was left"],
        rows: [],
      });
      say(`${title}: left out, no time is left`);
      continue;
    }
    const rows: ReportRow[] = [];
    const skipped: string[] = [];
    let refused: string | undefined;
    const from = spent();
    const most = Math.min(left + grace, seconds - from + 1);
    const { error, isCut } = await start(name, known, left, most, (told) => {
      if ("row" in told) rows.push(told.row);
      else if ("skipped" in told) skipped.push(told.skipped);
      else if ("learned" in told) known = { ...known, ...told.learned };
      else refused = told.refused;
    });
    if (refused !== undefined) return { refused };
    const wrong = rows.filter(({ right }) => right === false);
    const state = isCut ? "cut" : error !== undefined ? "failed" : wrong.length > 0 ? "wrong" : "done";
    results.push({ name, title, about, columns, state, seconds: spent() - from, error, skipped, rows });
    if (part.tries && state !== "done") {
      known = { ...known, without: [...new Set([...known.without, ...part.tries])] };
      remarks.push(
        `${title}: ${error ?? wrong[0]?.note ?? "its time was over"}; all that follows is measured without ${part.tries.join(" and ")}`,
      );
    }
    say(lineOf(results.at(-1)!));
    for (const each of skipped) say(`  left out: ${each}`);
  }
  const sizes = reportSizes(tiny, vitB32);
  const fact = (name: string) => results[0]?.rows.find((row) => row.name === name)?.cells.value ?? "";
  return {
    version: 1,
    date: new Date().toISOString(),
    commit,
    adapter: `${fact("adapter")}`,
    tiny,
    software: /^software/.test(`${fact("kind")}`),
    seconds: spent(),
    budgetSeconds: seconds,
    without: known.without,
    remarks,
    // a dry run reaches nothing: its sizes and, on rasterisers, its clocks are others
    goals: goalsOf(results, sizes.clips, sizes.config.head.frames).map((goal) =>
      tiny ? { ...goal, reached: null } : goal,
    ),
    parts: results,
  };
}

/** A part in one line. */
function lineOf({ title, state, seconds, rows, error }: PartOutcome): string {
  const wrong = rows.filter(({ right }) => right === false);
  const what = {
    done: "",
    wrong: `, ${wrong.length} WRONG`,
    failed: ", FAILED",
    cut: ", stopped: its time was over",
    skipped: "",
  };
  const why = error ?? (wrong[0] && `${wrong[0].name}: ${wrong[0].note}`);
  return `${title}: ${rows.length} rows in ${seconds.toFixed(1)} s${what[state]}${why ? `: ${why}` : ""}`;
}

/** What did not end well, a line each: then the command's exit code is 1. */
export function faultsOf({ parts }: GpuReport): string[] {
  return parts.flatMap(({ title, state, rows, error }) => [
    ...(state === "failed" || state === "cut" ? [`${title}: ${error ?? "its time was over"}`] : []),
    ...rows.filter(({ right }) => right === false).map(({ name, note }) => `${title}: ${name}: ${note ?? "wrong"}`),
  ]);
}
