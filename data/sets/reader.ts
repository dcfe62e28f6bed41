// What a data set's file provides: its protocol, and how a split is read.
import type { BenchmarkSample } from "./benchmark.ts";
import type { Switches } from "./switches.ts";

/** What a reader is asked for. */
export interface Request {
  readonly root: string;
  readonly split: string;
  /** Frames of a sample, T. */
  readonly frames: number;
  readonly switches: Switches;
}

/** What it answers. */
export interface ReadSplit {
  readonly samples: readonly BenchmarkSample[];
  /** What was left out or changed, and why. */
  readonly notes?: readonly string[];
  /** Where they are not the same for every folder: what stands in the reader otherwise. */
  readonly classes?: readonly string[];
  readonly dimensions?: readonly string[];
  readonly emotions?: readonly string[];
}

export interface Reader {
  /** Names of the splits, or those that a folder has. */
  readonly splits: readonly string[] | ((root: string) => readonly string[]);
  readonly kind: "video" | "image";
  readonly classes: readonly string[];
  readonly dimensions: readonly string[];
  readonly emotions?: readonly string[];
  read(request: Request): ReadSplit | Promise<ReadSplit>;
}
