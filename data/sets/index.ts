// The data sets that the paper evaluates on, and the embedded one, behind one call.
import { basename } from "node:path";
import { foundAt } from "../formats/regular.ts";
import { FormatError, nearest, UsageError } from "../../engine/errors.ts";
import { takes } from "../../engine/takes.ts";
import { quoted } from "../formats/json.ts";
import type { Benchmark } from "./benchmark.ts";
import { bold } from "./bold.ts";
import { emotic } from "./emotic.ts";
import { liris } from "./liris.ts";
import { meld } from "./meld.ts";
import { moviegraphs } from "./moviegraphs.ts";
import { own } from "./own.ts";
import type { Reader } from "./reader.ts";
import { stage } from "./stage.ts";
import {
  type BenchmarkName,
  decisionsOf,
  resolveSwitches,
  type SetName,
  setNames,
  type SwitchOptions,
} from "./switches.ts";

export type { Benchmark, BenchmarkSample } from "./benchmark.ts";
export {
  type BenchmarkName,
  benchmarkNames,
  type Compat,
  type Decision,
  decisionsOf,
  resolveSwitches,
  type SetName,
  setNames,
  type SwitchOptions,
  type Switches,
  switchTable,
} from "./switches.ts";

const official = { bold, moviegraphs, meld, liris, emotic, stage };
const readers: Readonly<Record<SetName, Reader>> = { ...official, own };

/** Names of a data set's splits. */
export function benchmarkSplits(name: BenchmarkName): readonly string[] {
  takes('benchmarkSplits(name: "bold" | "moviegraphs" | "meld" | "liris" | "emotic" | "stage", ...)', arguments);
  return splitsOf(official[name], "");
}

const splitsOf = ({ splits }: Reader, root: string) => (typeof splits === "function" ? splits(root) : splits);

/** Which split is opened, how many frames make a sample, and the switches. */
export interface OpenOptions extends SwitchOptions {
  readonly split: string;
  /** Frames of a sample, T; 8 as published. Pictures have 1. */
  readonly frames?: number;
}

/**
 * Reads the lists of a split: which samples there are, in the official order, where their frames lie, their masks' rules
 * and their targets. No picture is opened. A file that is missing or malformed is a FormatError that names file, row and
 * column; a clip without frames is a sample that fails when it is loaded.
 */
export async function openBenchmark(name: SetName, root: string, options: OpenOptions): Promise<Benchmark> {
  takes("openBenchmark(name: text, root: text, options: { split: text, frames?: any, ... }, ...)", arguments);
  if (!Object.hasOwn(readers, name)) throw new UsageError(unknown("data set", name, setNames));
  const { split, frames = 8 } = options;
  if (!Number.isSafeInteger(frames) || frames < 1 || frames > 1000)
    throw new UsageError(`frames is ${frames}, expected a whole number from 1 to 1000`);
  const switches = resolveSwitches(options);
  if (!foundAt(root, basename(root))?.isDirectory())
    throw new FormatError(`${basename(root)}: the folder of ${name} is not there, or is no folder`);
  const reader = readers[name];
  const splits = splitsOf(reader, root);
  if (!splits.includes(split)) throw new UsageError(unknown(`split of ${name}`, split, splits));
  const { kind, classes, dimensions, emotions } = reader;
  const { samples, notes = [], ...names } = await reader.read({ root, split, frames, switches });
  if (samples.length === 0) throw new FormatError(`${name}: the split ${split} has no samples`);
  return {
    name,
    split,
    kind,
    frames: kind === "image" ? 1 : frames,
    classes,
    dimensions,
    ...(emotions && { emotions }),
    ...names,
    samples,
    switches,
    decisions: decisionsOf(name, switches),
    notes,
  };
}

function unknown(what: string, name: string, known: readonly string[]): string {
  const guess = nearest(name, known);
  return `unknown ${what} ${quoted(name)}${guess ? `, did you mean ${guess}?` : `; known: ${known.join(", ")}`}`;
}
