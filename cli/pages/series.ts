// The log of a run as curves: added line by line, in memory that does not grow with the run.
import type { LoggedStep } from "../../train/runs/run-log.ts";
import type { Values } from "./curves.ts";

/** One entry per logged step, or per some neighbours; the lists are of equal length. Missing values are null. */
export interface Series {
  readonly step: readonly number[];
  readonly loss: Values;
  readonly learningRate: Values;
  readonly clipsPerSecond: Values;
  /** Global norm of the gradients before clipping. */
  readonly norm?: Values;
  /** The parameter logit_scale, ln(1/τ). */
  readonly logitScale?: Values;
  /** Figures measured during training, and the steps they are of. */
  readonly probes?: {
    readonly step: readonly number[];
    readonly rows: readonly (readonly [string, number | null])[][];
  };
}

const fields = ["loss", "lr", "norm", "logitScale", "clipsPerSecond"] as const;

/** Neighbouring steps: sums of what they have, and how many have it. */
interface Bucket {
  readonly step: number;
  readonly sums: number[];
  readonly counts: number[];
}

/** Points that are kept at most; twice as many as a page shows. */
const MOST = 6000;

export class SeriesLog {
  #buckets: Bucket[] = [];
  /** Steps to a bucket, and those in the last one. */
  #width = 1;
  #filled = 0;
  readonly #probes: { step: number; row: [string, number | null][] }[] = [];

  constructor(rows: Iterable<LoggedStep> = []) {
    for (const row of rows) this.add(row);
  }

  add(row: LoggedStep): void {
    if (row.probes) this.#probes.push({ step: row.step, row: Object.entries(row.probes) });
    if (this.#filled === 0)
      this.#buckets.push({ step: row.step, sums: fields.map(() => 0), counts: fields.map(() => 0) });
    const { sums, counts } = this.#buckets.at(-1)!;
    for (const [i, field] of fields.entries()) {
      const value = row[field];
      if (value == null || !Number.isFinite(value)) continue;
      sums[i] += value;
      counts[i]++;
    }
    this.#filled = (this.#filled + 1) % this.#width;
    if (this.#filled === 0 && this.#buckets.length === MOST) this.#halve();
  }

  #halve(): void {
    this.#width *= 2;
    this.#buckets = Array.from({ length: MOST / 2 }, (_, i) => {
      const [a, b] = this.#buckets.slice(2 * i, 2 * i + 2);
      const both = (of: "sums" | "counts") => a[of].map((value, k) => value + b[of][k]);
      return { step: a.step, sums: both("sums"), counts: both("counts") };
    });
  }

  get series(): Series {
    const [loss, learningRate, norm, logitScale, clipsPerSecond] = fields.map((_, i) =>
      this.#buckets.map(({ sums, counts }) => (counts[i] > 0 ? sums[i] / counts[i] : null)),
    );
    const isLogged = (values: Values) => values.some((value) => value !== null);
    const probes = this.#probes;
    return {
      step: this.#buckets.map(({ step }) => step),
      loss,
      learningRate,
      clipsPerSecond,
      ...(isLogged(norm) && { norm }),
      ...(isLogged(logitScale) && { logitScale }),
      ...(probes.length > 0 && {
        probes: { step: probes.map(({ step }) => step), rows: probes.map(({ row }) => row) },
      }),
    };
  }
}
