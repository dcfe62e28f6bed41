// Features of the clips of a list, kept batch by batch: what an earlier process has made is not made again. Clips that cannot be read
// have no row, and are counted and named.
import { createHash } from "node:crypto";
import { stat } from "node:fs/promises";
import { cellsOf } from "../../data/pixels/side.ts";
import type { AnyPixels } from "../../data/pixels/view.ts";
import { inOrder, range } from "../../data/threads/in-order.ts";
import { type StopRequest, untilStopped } from "../../data/threads/long-work.ts";
import { piped, readAhead } from "../../data/threads/piped.ts";
import { FormatError, HealthError } from "../../engine/errors.ts";
import { compute } from "../../engine/index.ts";
import type { VideoText } from "../../model/family.ts";
import type { Matrix } from "../matrix.ts";
import { clipsAtOnce } from "./benchmark.ts";
import type { CacheKey, FeatureCache } from "./cache.ts";
import { together, videoFeatures } from "./encode.ts";
import { lockedCache } from "./kept.ts";

/** Clips by their numbers, read as they are asked for. */
export interface ClipsToShow {
  readonly length: number;
  /** A clip as the model takes it. Errors: FormatError for one that cannot be read. */
  show(index: number): Promise<AnyPixels>;
  /** What decides a clip beside the view: its name, the frames that are shown; and the files that it is read from. */
  told(index: number): { readonly what: unknown; readonly files: readonly string[] };
}

/** How features are made, and who hears of it. */
export interface ListedOptions {
  /** Clips given to the model at once; as many as are 64 MB of pixels by default. */
  readonly batch?: number;
  /** Share of the clips that may be unreadable. */
  readonly maxBad: number;
  readonly at?: (done: number) => void;
  /** Once somebody has asked to stop, the batch at hand is the last. */
  readonly stop: StopRequest;
}

/** Rows [n, E] of the clips `kept`, in order; the others could not be read. */
export interface ListedFeatures {
  readonly features: Matrix;
  readonly kept: readonly number[];
  readonly bad: readonly { readonly index: number; readonly reason: string }[];
}

/** sha256 over names, shown frames, and size and time of change of every file; what is not there counts as nothing. */
export async function clipsHash(clips: ClipsToShow): Promise<string> {
  const hash = createHash("sha256");
  for (let i = 0; i < clips.length; i++) {
    const { what, files } = clips.told(i);
    hash.update(JSON.stringify(what));
    for (const path of files) {
      const found = await stat(path).catch(() => undefined);
      hash.update(JSON.stringify([found?.size, found?.mtimeMs]));
    }
  }
  return hash.digest("hex");
}

/** Features of a list on the disk, held by this process until it closes them. */
export class KeptFeatures {
  /** Why clips that were met by this process could not be read. */
  readonly #reasons = new Map<number, string>();

  private constructor(
    private readonly clips: ClipsToShow,
    private readonly cache: FeatureCache,
    readonly close: () => Promise<void>,
  ) {}

  /** Opens what is there of them. Errors: BusyError where another process makes them. */
  static async open(
    clips: ClipsToShow,
    key: Omit<CacheKey, "samples" | "data">,
    { folder, say }: { readonly folder?: string; say(line: string): void },
  ): Promise<KeptFeatures> {
    const whole = { ...key, data: await clipsHash(clips), samples: clips.length };
    const { cache, close } = await lockedCache(whole, folder, say);
    return new KeptFeatures(clips, cache, close);
  }

  /** Clips that are done. */
  get done(): number {
    return this.cache.next;
  }

  get isComplete(): boolean {
    return this.cache.isComplete;
  }

  /** Makes what is lacking, or until somebody asks to stop. Errors: HealthError for too many clips that cannot be read. */
  async fill(model: VideoText, options: ListedOptions): Promise<void> {
    const { frames, side } = model.takes;
    const { batch: size = clipsAtOnce(frames, side), maxBad, at, stop } = options;
    const batches = readAhead(untilStopped(this.#batches(size), stop));
    const rowsOf = async (batch: Batch) => {
      const { next, bad, shown } = batch;
      await this.#judge(maxBad);
      const pixels = () => together(shown, frames * cellsOf(side));
      const rows = shown.length > 0 ? await compute(() => videoFeatures(model, pixels())) : new Float32Array(0);
      return { next, bad, rows: rows as Float32Array };
    };
    for await (const { next, bad, rows } of piped(batches, rowsOf)) {
      await this.cache.append(rows, next, bad);
      at?.(next);
    }
  }

  /** All rows. Errors: HealthError for too many that cannot be read, also where an earlier process allowed more. */
  async read(maxBad: number): Promise<ListedFeatures> {
    const left = new Set(this.cache.bad);
    const kept = [...range(0, this.clips.length)].filter((i) => !left.has(i));
    const bad: { index: number; reason: string }[] = [];
    for (const index of this.cache.bad) bad.push({ index, reason: await this.#reason(index) });
    await this.#judge(maxBad);
    return { features: await this.cache.read(), kept, bad };
  }

  /** Of all clips that cannot be read, whichever process met them. */
  async #judge(maxBad: number): Promise<void> {
    const { length } = this.clips;
    const bad = [...new Set([...this.cache.bad, ...this.#reasons.keys()])];
    if (bad.length / length <= maxBad && bad.length < length) return;
    const first: string[] = [];
    for (const index of bad.slice(0, 5)) first.push(await this.#reason(index));
    throw new HealthError(
      `${bad.length} of ${length} clips cannot be read, more than --max-bad allows: ${first.join("; ")}`,
    );
  }

  /** Of a clip that an earlier process has met it is asked again. */
  async #reason(index: number): Promise<string> {
    if (!this.#reasons.has(index)) await this.#shown(index);
    return this.#reasons.get(index) ?? `clip ${index + 1} could not be read by an earlier process`;
  }

  async #shown(index: number): Promise<AnyPixels | undefined> {
    try {
      return await this.clips.show(index);
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
      this.#reasons.set(index, error.message);
      return undefined;
    }
  }

  /** What follows the rows that are there; a batch has clips of bytes or of floats. */
  async *#batches(size: number): AsyncGenerator<Batch> {
    let batch: Batch = { next: this.cache.next, shown: [], bad: [] };
    const numbers = range(this.cache.next, this.clips.length);
    for await (const { index, pixels } of inOrder(numbers, AHEAD, async (index) => ({
      index,
      pixels: await this.#shown(index),
    }))) {
      const isOther = pixels && batch.shown.length > 0 && kindOf(batch.shown[0]) !== kindOf(pixels);
      if (isOther || batch.shown.length + batch.bad.length === size) {
        yield batch;
        batch = { next: index, shown: [], bad: [] };
      }
      batch.next = index + 1;
      if (pixels) batch.shown.push(pixels);
      else batch.bad.push(index);
    }
    if (batch.shown.length + batch.bad.length > 0) yield batch;
  }
}

/** Clips read at the same time. */
const AHEAD = 4;

interface Batch {
  next: number;
  readonly shown: AnyPixels[];
  readonly bad: number[];
}

const kindOf = ({ frames }: AnyPixels) => (frames instanceof Float32Array ? "floats" : "bytes");
