// What every data set is turned into: a list of samples in the official order, each with the places of its frames, the
// rule for its mask, and its targets. Plain data; nothing is decoded here.
import type { Box, BoxRule, Detection } from "../pixels/boxes.ts";
import type { Sample as ShardSample } from "../shards/shards.ts";
import type { SetName, Decision, Switches } from "./switches.ts";

/** A split of a data set, opened. */
export interface Benchmark {
  readonly name: SetName;
  readonly split: string;
  /** Whether a sample is T frames for `encodeVideo`, or one picture for `encodeImage`. */
  readonly kind: "video" | "image";
  /** Frames of a sample, T; 1 for pictures. */
  readonly frames: number;
  /** Names of the classes that `labels` (MELD: `label`) counts; empty for LIRIS-ACCEDE. */
  readonly classes: readonly string[];
  /** Names of the classes that `label` counts where samples have `labels` too: the embedded set. */
  readonly emotions?: readonly string[];
  /** Names of `values`, as valence and arousal; empty for MovieGraphs and MELD. */
  readonly dimensions: readonly string[];
  /** The samples, in the official order. */
  readonly samples: readonly BenchmarkSample[];
  readonly switches: Switches;
  /** The switches that matter to this data set, to be printed with its results. */
  readonly decisions: readonly Decision[];
  /** What the reader left out or changed, and why; to be printed too. */
  readonly notes: readonly string[];
}

/** One sample of a split: where its pixels come from, and its targets. Which of the targets it has is the same for all samples of a data set. */
export interface BenchmarkSample {
  /** Names it in messages and files. */
  readonly id: string;
  /** The movie, video or dialogue that it was cut from. */
  readonly group: string;
  readonly source: PixelSource;
  /** What is said in it. */
  readonly text?: string;
  /** 0 or 1 for each class. */
  readonly labels?: Uint8Array;
  /** The number of its one class. */
  readonly label?: number;
  /** Numbers such as valence and arousal, as `dimensions` names them. */
  readonly values?: Float32Array;
}

/** Where pixels and mask come from. Plain data: it travels to threads. */
export type PixelSource = FileSource | ShardSource | FaultySource;

/** Pictures in files of their own. */
export interface FileSource {
  readonly kind: "files";
  /** The data set's folder; nothing outside it is read. */
  readonly root: string;
  /** T names below root; a short clip repeats some. */
  readonly frames: readonly string[];
  /** Short side to which a picture is resized for a crop of 224; both shrink together for smaller models. */
  readonly resize: 256 | 224;
  readonly mask: MaskRule;
}

/** A clip of tar shards; `categories` is what its JSON must have. */
export interface ShardSource {
  readonly kind: "shard";
  readonly sample: ShardSample;
  readonly categories: number;
}

/** A sample of the official list that cannot be read; known before anybody tries. */
export interface FaultySource {
  readonly kind: "faulty";
  readonly reason: string;
}

/** How the subject's mask is made. */
export type MaskRule =
  /** Detector boxes for each frame, drawn at the resized size or at full size first; undefined where the file has no entry. */
  | {
      readonly kind: "detections";
      readonly at: "resized" | "full size";
      readonly rule: BoxRule;
      readonly file: string;
      readonly boxes: readonly (readonly Detection[] | undefined)[];
    }
  /** The box around the joints of one person in a .npy file, for the frames of these numbers; full size first. */
  | { readonly kind: "joints"; readonly file: string; readonly person: number; readonly numbers: readonly number[] }
  /** One box in pixels of the picture. */
  | { readonly kind: "box"; readonly box: Box };

/** Ids of the samples with fewer frames than are taken of them, so that some are shown twice or more; where frames repeat by rule, none. */
export function shortSamples({ kind, frames, samples, name, switches }: Benchmark): string[] {
  if (kind === "image" || (name === "liris" && switches.window === "repeat")) return [];
  return samples.filter(({ source }) => framesIn(source) < frames).map(({ id }) => id);
}

function framesIn(source: PixelSource): number {
  if (source.kind === "faulty") return Number.POSITIVE_INFINITY;
  return source.kind === "shard" ? source.sample.frames.length / 2 : new Set(source.frames).size;
}
