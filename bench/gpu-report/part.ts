// What the report on a GPU is made of: parts that each run in a process of their own, in the order of their importance, and rows that
// they tell one by one, so that a part that crashes or runs out of time leaves what it had.
import type { Gpu } from "../../engine/device/gpu.ts";
import type { StructureName } from "../../kernels/matmul/structures.ts";
import type { ModelConfig } from "../../model/emotionclip/config.ts";

/** What stands in a column: null where a row has none. */
export type ReportCell = number | string | null;

/** A column: its key in the rows, its heading, and how its numbers are written. */
export interface ReportColumn {
  readonly key: string;
  readonly title: string;
  /** `share` is a part of 1, drawn as a bar; `text` stands to the left. Otherwise three digits. */
  readonly as?: "share" | "text" | "whole";
}

/** One measurement. */
export interface ReportRow {
  readonly name: string;
  /** Whether its output was right; null where there is none to check. */
  readonly right: boolean | null;
  /** How it was checked, or what was wrong. */
  readonly note?: string;
  readonly cells: Readonly<Record<string, ReportCell>>;
}

/** What a device can do at best. Flops or bytes a second; null where it was not measured. */
export interface Ceilings {
  readonly bytesPerSecond: number;
  readonly f32: number;
  readonly f16: number | null;
  /** f16 matrices into f32 sums. */
  readonly matrices: number | null;
  /** Seconds of a launch. */
  readonly launch: number;
}

/** What later parts know from earlier ones. */
export interface KnownSoFar {
  readonly tiny: boolean;
  /** Features that have failed, and so are not asked for any more. */
  readonly without: readonly string[];
  /** Bytes that the engine may take, where the engine itself would not learn it. */
  readonly memory?: number;
  readonly ceilings?: Ceilings;
  /** Seconds of our training step: precision, then clips ("amp 16"). */
  readonly steps?: Readonly<Record<string, number>>;
  /** Cases of the part on correctness, and what was wrong of each, or nothing. */
  readonly faults?: Readonly<Record<string, string>>;
  /** The interpreter for PyTorch. */
  readonly python: string;
}

/** What a part's process tells the report, a line each. */
export type Told =
  | { readonly row: ReportRow }
  | { readonly skipped: string }
  | { readonly learned: Partial<KnownSoFar> }
  | { readonly refused: string };

/** What a part has at hand. */
export interface PartRun {
  readonly known: KnownSoFar;
  readonly sizes: ReportSizes;
  /** The GPU, opened at the first call. `further` features are left out beside those that have failed. */
  gpu(further?: readonly string[]): Promise<Gpu>;
  /** Whether the part's time is over: what is left is skipped. */
  late(): boolean;
  /** Seconds until then. */
  left(): number;
  tell(told: Told): void;
}

/** One part of the report. */
export interface ReportPart {
  readonly name: string;
  readonly title: string;
  /** What it measures and how its output is checked, in a sentence or two. */
  readonly about: string;
  /** Seconds that it may take; what earlier parts leave of theirs is added. */
  readonly seconds: number;
  readonly columns: readonly ReportColumn[];
  /** Features that its failure speaks against: later parts go on without them. */
  readonly tries?: readonly string[];
  run(part: PartRun): Promise<void>;
}

/** What is measured: ViT-B/32 on a GPU, and a dry run of everything that takes a rasteriser seconds. */
export interface ReportSizes {
  readonly config: ModelConfig;
  /** Clips of a batch, the one that matters most first. */
  readonly clips: readonly number[];
  /** Layers whose products are measured, the largest first. */
  readonly layers: number;
  /** Tiles that are run; all that the device runs unless given. Rasterisers compile the large ones for seconds. */
  readonly tiles?: readonly StructureName[];
  readonly rounds: number;
  /** Milliseconds of a sample. */
  readonly sampleMs: number;
  /** Bytes of one transfer over the bus. */
  readonly transfer: number;
  /** Ops that are checked at their declared sizes; all unless given. */
  readonly ops?: readonly string[];
  /** Values of an update by AdamW. */
  readonly values: number;
}

/** A model with every part of EmotionCLIP, each as small as it may be. */
const tinyModel: ModelConfig = {
  embed: 16,
  vision: { image: 16, patch: 8, width: 16, layers: 1, heads: 2, mlp: 64 },
  text: { context: 8, vocabulary: 24, width: 16, layers: 1, heads: 2 },
  head: { kind: "transformer", frames: 2, layers: 1, heads: 2, feedForward: 32, dropout: 0.1 },
  activation: "gelu",
  subject: "sap",
};

/** The sizes of a report: of `config` at the published batch and at one that fits small GPUs, or of the dry run. */
export function reportSizes(tiny: boolean, config: ModelConfig): ReportSizes {
  if (!tiny)
    return { config, clips: [128, 16], layers: 99, rounds: 3, sampleMs: 20, transfer: 2 ** 26, values: 2 ** 26 };
  return {
    config: tinyModel,
    clips: [4, 2],
    layers: 2,
    tiles: ["sg8", "wg32", "mx32"],
    rounds: 1,
    sampleMs: 2,
    transfer: 2 ** 16,
    ops: ["layernorm", "gelu"],
    values: 2 ** 12,
  };
}
