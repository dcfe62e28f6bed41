// report.html of a run of `emotionclip train`: written anew while it trains, and for the last time when it ends.
import { performance } from "node:perf_hooks";
import { loggedStepOf, type LoggedStep, readLog } from "../../train/runs/run-log.ts";
import type { LogLine } from "../../train/runs/run-folder.ts";
import { paceText } from "../../train/step-meter.ts";
import { clock } from "../terminal/progress.ts";
import { type Report, writeReport } from "./report.ts";
import { SeriesLog } from "./series.ts";

/** What the page says besides the log. */
export interface TrainReportOptions {
  /** Of report.html, and of the log. */
  readonly path: string;
  readonly log: string;
  readonly title: string;
  readonly settings: Report["settings"];
  /** Of the run: adapter, data, parameters. */
  readonly facts: Report["facts"];
  /** Updates that the run is to have. */
  readonly steps: number;
  /** Clips that could not be read so far. */
  readonly unreadable: () => number;
  /** Hears, once, that the page cannot be written; training goes on. */
  readonly say: (line: string) => void;
  /** Milliseconds, monotonic. */
  readonly now?: () => number;
}

/** Milliseconds between two pages: a minute, and more where a page takes more than half a percent of the time. */
const EVERY = 60_000;
const SHARE = 200;

export class TrainReport {
  readonly #now: () => number;
  readonly #began: number;
  /** Lines that the page has yet to take up: of this process. */
  #fresh: LoggedStep[] = [];
  #steps = 0;
  #history: Promise<SeriesLog> | undefined;
  #damaged = 0;
  readonly #counts = { skipped: 0, replaced: 0, idle: 0 };
  #last: LoggedStep | undefined;
  #figures: Report["figures"];
  #due = Number.NEGATIVE_INFINITY;
  #writing: Promise<void> | undefined;
  #isFaultSaid = false;

  constructor(readonly options: TrainReportOptions) {
    this.#now = options.now ?? (() => performance.now());
    this.#began = this.#now();
  }

  /** Takes up a line of the log; the page is written beside the training, where it is due and not being written. */
  logged(line: LogLine): void {
    const row = loggedStepOf(JSON.parse(JSON.stringify(line)));
    if (!row) return;
    this.#fresh.push(row);
    this.#steps++;
    if (this.#writing || this.#now() < this.#due) return;
    this.#writing = this.#write(`running, step ${row.step} of ${this.options.steps}`, true).finally(() => {
      this.#writing = undefined;
    });
  }

  /** The last page: what became of the run. */
  async end(state: string): Promise<void> {
    await this.#writing;
    await this.#write(state, false);
  }

  async #write(state: string, isRunning: boolean): Promise<void> {
    const began = this.#now();
    try {
      await writeReport(this.options.path, await this.#report(state, isRunning));
    } catch (error) {
      if (!this.#isFaultSaid)
        this.options.say(`warning: no report.html: ${(error as Error).message}; training goes on`);
      this.#isFaultSaid = true;
    }
    const now = this.#now();
    this.#due = now + Math.max(EVERY, SHARE * (now - began));
  }

  async #report(state: string, isRunning: boolean): Promise<Report> {
    this.#history ??= this.#before(this.#fresh[0]?.step ?? Number.POSITIVE_INFINITY);
    const log = await this.#history.catch((error) => {
      this.#history = undefined; // the next page asks again
      throw error;
    });
    for (const row of this.#fresh.splice(0)) this.#add(log, row);
    const { title, settings, facts } = this.options;
    return {
      title,
      summary: `${state[0].toUpperCase()}${state.slice(1)}, as of ${new Date().toISOString().slice(0, 16).replace("T", " ")} UTC.`,
      facts: [...this.#facts(isRunning), ...facts],
      settings,
      results: [],
      figures: this.#figures,
      series: log.series,
      attention: [],
      ...(isRunning && { refresh: EVERY / 1000 }),
    };
  }

  /** What the log has from before this process: of steps before `step`. */
  async #before(step: number): Promise<SeriesLog> {
    const { rows, damaged } = await readLog(this.options.log);
    this.#damaged = damaged;
    const log = new SeriesLog();
    for (const row of rows) if (row.step < step) this.#add(log, row);
    return log;
  }

  #add(log: SeriesLog, row: LoggedStep): void {
    log.add(row);
    this.#last = row;
    this.#counts.skipped += Number(row.skipped !== undefined);
    this.#counts.replaced += row.replaced?.length ?? 0;
    this.#counts.idle += Number(row.norm === 0 && row.skipped === undefined);
    if (row.probes) this.#figures = { step: row.step, rows: Object.entries(row.probes) };
  }

  *#facts(isRunning: boolean): Generator<Report["facts"][number]> {
    const { steps, unreadable } = this.options;
    const last = this.#last;
    if (last) {
      yield ["Step", `${last.step} of ${steps}`];
      if (isRunning) yield ["Left", clock(((steps - last.step) * (this.#now() - this.#began)) / 1000 / this.#steps)];
      yield ["Loss", numberText(last.loss)];
      yield ["Gradient norm", numberText(last.norm)];
      if (last.logitScale != null) yield ["Temperature", numberText(Math.exp(-last.logitScale))];
      yield ["Learning rate", numberText(last.lr)];
      if (last.tflops != null && last.clipsPerSecond != null) yield ["Pace", paceOf(last)];
    }
    const { skipped, replaced, idle } = this.#counts;
    yield ["Skipped steps", skipped > 0 ? `${skipped}, for numbers that are not finite` : "0"];
    yield [
      "Clips",
      `${unreadable()} unreadable since the start or the resume, ${replaced} showings of others in their place`,
    ];
    if (idle > 0) yield ["Idle steps", `${idle} had no gradient`];
    if (this.#damaged > 0) yield ["Log", `${this.#damaged} damaged lines, left out of the curves`];
  }
}

const numberText = (value: number | null | undefined): string =>
  value == null ? "not finite" : String(Number(value.toPrecision(4)));

const paceOf = ({ clipsPerSecond, tflops, mfu, waiting, ranks, gpuBytes }: LoggedStep): string =>
  paceText({
    clipsPerSecond: clipsPerSecond!,
    tflops: tflops!,
    ...(mfu != null && { mfu }),
    waiting: waiting ?? 0,
    ...(ranks != null && { ranks }),
    gpuBytes: gpuBytes ?? 0,
    rss: 0,
  });
