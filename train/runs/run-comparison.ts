// Runs side by side: the settings in which they differ, what they measured, and their losses at the steps that all have logged.
import type { Json } from "../../data/formats/json.ts";
import { leavesOf } from "./run-folder.ts";
import type { RunRecord, RunState } from "./run-state.ts";

/** A row of a comparison: a value for each run, null where it has none. */
export interface ComparedValues<T> {
  readonly name: string;
  readonly values: readonly (T | null)[];
}

export interface RunComparison {
  readonly runs: readonly RunState[];
  /** Damaged lines of each log, left out here. */
  readonly damaged: readonly number[];
  /** Settings that are not the same in all, as JSON. */
  readonly settings: readonly ComparedValues<string>[];
  /** The last figures of merit, as fractions. */
  readonly figures: readonly ComparedValues<number>[];
  readonly losses: {
    /** Steps that every log has. */
    readonly common: number;
    /** The first of them at which the losses are not all the same number; null where they always are. */
    readonly firstDifference: number | null;
    /** Some of them, the first and the last among these. */
    readonly at: readonly { readonly step: number; readonly values: readonly (number | null)[] }[];
  };
}

/** Common steps that are shown. */
const shown = 10;

/** Compares runs in the order given. */
export function compareRuns(records: readonly RunRecord[]): RunComparison {
  return {
    runs: records.map(({ state }) => state),
    damaged: records.map(({ damaged }) => damaged),
    settings: differing(records.map(({ config }) => leavesOf(config as Json))),
    figures: united(records.map(({ state }) => new Map(state.figures))),
    losses: lossesOf(records),
  };
}

const differing = (all: readonly ReadonlyMap<string, string>[]) =>
  united(all).filter(({ values }) => new Set(values).size > 1);

/** Every name that any of them has, in the order of its first mention. */
function united<T>(all: readonly ReadonlyMap<string, T | null>[]): ComparedValues<T>[] {
  const names = new Set(all.flatMap((each) => [...each.keys()]));
  return [...names].map((name) => ({ name, values: all.map((each) => each.get(name) ?? null) }));
}

function lossesOf(records: readonly RunRecord[]): RunComparison["losses"] {
  const all = records.map(({ rows }) => new Map(rows.map(({ step, loss }) => [step, loss])));
  const common = [...all[0].keys()].filter((step) => all.every((each) => each.has(step)));
  const valuesAt = (step: number) => all.map((each) => each.get(step) ?? null);
  const differs = common.find((step) => new Set(valuesAt(step)).size > 1);
  const last = common.length - 1;
  const places = new Set(Array.from({ length: shown }, (_, i) => Math.round((i * last) / (shown - 1))));
  return {
    common: common.length,
    firstDifference: differs ?? null,
    at: last < 0 ? [] : [...places].map((i) => ({ step: common[i], values: valuesAt(common[i]) })),
  };
}
