// One row of every table of the benchmark, as JSON and as text.
import { ideal, type Roofline } from "../engine/device/roofline.ts";
import { type Clock, median, secondsOf, type Timing } from "./measure.ts";
import { amount } from "./table.ts";
import { versionOf } from "./versions.ts";

/** What `--json` prints per line. Rates are by the clock of the roofline: CPU time over cores on CPU rasterisers. */
export interface BenchRow {
  readonly suite: string;
  readonly case: string;
  readonly engine: string;
  /** Of the engine: that of its package here, or null where it is not installed. */
  readonly version: string | null;
  readonly adapter: string;
  readonly median_ms: number | null;
  readonly min_ms: number | null;
  /** CPU time of the whole process: the steady figure on CPU rasterisers. */
  readonly cpu_ms: number | null;
  readonly gflops: number | null;
  readonly gbps: number | null;
  readonly correct: boolean | null;
  /** Time that the roofline allows over the time taken. */
  readonly share?: number;
  /** Time over that of our own engine in the same interleaved run. */
  readonly ratio?: number;
  /** How the output was checked, why an engine did not run, or what a bar says. */
  readonly note?: string;
}

/** What a case does, for rates. */
export interface Amounts {
  readonly bytes: number;
  readonly flops: number;
  readonly launches: number;
}

/** The row of something that ran. */
export function rowOf(
  what: Pick<BenchRow, "suite" | "case" | "engine" | "adapter" | "correct" | "ratio" | "note">,
  timing: Timing,
  { bytes, flops, launches }: Amounts,
  clock: Clock,
  roof?: Roofline,
): BenchRow {
  const seconds = secondsOf(timing, clock);
  return {
    suite: what.suite,
    case: what.case,
    engine: what.engine,
    version: versionOf(what.engine),
    adapter: what.adapter,
    median_ms: timing.median,
    min_ms: timing.min,
    cpu_ms: timing.cpu,
    gflops: flops / seconds / 1e9,
    gbps: bytes / seconds / 1e9,
    correct: what.correct,
    ...(roof && { share: ideal({ bytes, flops, calls: launches }, roof).seconds / seconds }),
    ...(what.ratio !== undefined && { ratio: what.ratio }),
    ...(what.note && { note: what.note }),
  };
}

/** One round of something that runs on the processor alone, in milliseconds. */
export interface Round {
  readonly wall: number;
  readonly cpu: number;
}

/** The row of rounds on the processor: medians, the fastest, and no rates. */
export function processorRow(
  what: Pick<BenchRow, "suite" | "case" | "engine" | "adapter" | "correct" | "note">,
  rounds: readonly Round[],
): BenchRow {
  return {
    ...what,
    version: versionOf(what.engine),
    median_ms: median(rounds.map(({ wall }) => wall)),
    min_ms: Math.min(...rounds.map(({ wall }) => wall)),
    cpu_ms: median(rounds.map(({ cpu }) => cpu)),
    gflops: null,
    gbps: null,
  };
}

/** The row of something that could not run, or failed. */
export function failedRow(what: Pick<BenchRow, "suite" | "case" | "engine" | "adapter">, reason: string): BenchRow {
  const note = `did not run: ${reason.split("\n")[0].slice(0, 160)}`;
  const version = versionOf(what.engine);
  return {
    ...what,
    version,
    median_ms: null,
    min_ms: null,
    cpu_ms: null,
    gflops: null,
    gbps: null,
    correct: null,
    note,
  };
}

const columns: readonly { title: string; width: number; cell: (row: BenchRow) => string }[] = [
  { title: "median ms", width: 10, cell: ({ median_ms }) => milliseconds(median_ms) },
  { title: "min ms", width: 10, cell: ({ min_ms }) => milliseconds(min_ms) },
  { title: "CPU ms", width: 10, cell: ({ cpu_ms }) => milliseconds(cpu_ms) },
  { title: "GFLOP/s", width: 8, cell: ({ gflops }) => amount(gflops ?? 0) },
  { title: "GB/s", width: 8, cell: ({ gbps }) => amount(gbps ?? 0) },
  { title: "roof", width: 6, cell: ({ share }) => (share === undefined ? "" : `${(100 * share).toFixed(0)} %`) },
  { title: "x ours", width: 7, cell: ({ ratio }) => (ratio === undefined ? "" : ratio.toFixed(2)) },
  { title: "right", width: 6, cell: ({ correct }) => (correct === null ? "" : correct ? "yes" : "WRONG") },
];

const milliseconds = (ms: number | null): string => (ms === null ? "" : ms.toFixed(ms < 10 ? 4 : 1));

/** The heading of the table. */
export const heading = (): string =>
  [...columns.map(({ title, width }) => title.padStart(width)), " engine, case"].join("");

/** A row as one line of text. */
export function textOf(row: BenchRow): string {
  const cells = columns.map(({ width, cell }) => cell(row).padStart(width)).join("");
  return `${cells}  ${`${row.engine} ${row.version ?? "?"}`.padEnd(24)} ${row.case}${row.note ? `  (${row.note})` : ""}`;
}
