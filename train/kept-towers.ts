// What frozen towers make of a training's clips and captions, made once and kept on the disk: `--cache-features`. Rows are f32, whatever
// precision a step computes in; every frame that some draw may choose has one, and every different caption.
import { createHash, type Hash } from "node:crypto";
import { join } from "node:path";
import { type BadSample, Tally } from "../data/bad-samples.ts";
import { CaptionRows, captionsOf } from "../data/features/caption-rows.ts";
import { frameChunks } from "../data/features/frame-chunks.ts";
import { FrameNumbers, FrameRows } from "../data/features/frame-rows.ts";
import { KeptRows } from "../data/features/kept-rows.ts";
import { checkSpace, makeFolder } from "../data/formats/disk.ts";
import { quoted } from "../data/formats/json.ts";
import { cellsOf, type Side } from "../data/pixels/side.ts";
import type { View } from "../data/pixels/view.ts";
import type { ClipSet } from "../data/shards/batch.ts";
import { picturesOf } from "../data/showing.ts";
import { lockOnceFree } from "../data/threads/lock-once-free.ts";
import { type Meter, type StopRequest, untilStopped } from "../data/threads/long-work.ts";
import { piped } from "../data/threads/piped.ts";
import { HealthError } from "../engine/errors.ts";
import { cacheFolder, compute, tensor } from "../engine/index.ts";
import { named } from "../model/params.ts";
import { asClips, pixelTensors } from "../model/pixels.ts";
import { type FrozenTowers, frozenTowers } from "./frozen-towers.ts";
import type { Trainer } from "./trainer.ts";

/** The clips of a training. */
export interface KeptClips {
  readonly set: ClipSet;
  readonly view: View;
  /** sha256 of which clips these are, and of what they say. */
  readonly digest: string;
}

export interface KeepOptions {
  readonly workers: number;
  /** Share of the clips that may have frames which cannot be read. */
  readonly maxBad: number;
  /** Where rows are kept; the user's cache folder. */
  readonly folder?: string;
}

/** What is kept of one tower, for people and for results.json. */
export interface KeptTower {
  readonly tower: keyof FrozenTowers;
  readonly folder: string;
  /** Frames or captions, and how many of them were there before. */
  readonly items: number;
  readonly found: number;
  /** Of the file. */
  readonly bytes: number;
  /** Frames that could not be read. */
  readonly bad: number;
}

/** Changes with every change of how rows are made or kept. */
const FORMAT = 1;

/** Texts that are encoded at once, at most. */
const TEXTS = 128;
/** Bytes of f32 pixels that a tower is shown at once, and frames. */
const [PIXEL_BYTES, FRAMES] = [64 * 2 ** 20, 128];

/** Of so many frames those that a tower is shown at once: the same for all of them, so that a row does not tell where work was resumed. */
export const framesAtOnce = (frames: number, side: Side): number =>
  Math.min(frames, FRAMES, Math.max(1, Math.floor(PIXEL_BYTES / (3 * cellsOf(side) * 4))));

/** The same of texts. */
export const textsAtOnce = (texts: number): number => Math.min(texts, TEXTS);

/** The kept rows of a training's frozen towers. `fill` makes what is lacking, with the weights that the model has then. */
export class KeptTowers {
  readonly towers: FrozenTowers;
  readonly #kept: KeptTower[] = [];
  readonly #open: KeptRows[] = [];
  #frames: FrameRows | undefined;
  #captions: CaptionRows | undefined;

  constructor(
    private readonly trainer: Trainer,
    private readonly clips: KeptClips,
    private readonly options: KeepOptions,
  ) {
    this.towers = frozenTowers(
      trainer.family,
      Array.from(named(trainer.model), ([name]) => name),
    );
  }

  /** Rows of the clips' frames. */
  get frames(): FrameRows {
    return this.#frames!;
  }

  /** Rows of their captions. */
  get captions(): CaptionRows {
    return this.#captions!;
  }

  /** What is kept where. */
  get kept(): readonly KeptTower[] {
    return this.#kept;
  }

  /** Makes the rows that are lacking; false where somebody asked to stop first: what is made then stays. */
  async fill(meter: Meter, stop: StopRequest): Promise<boolean> {
    if (this.towers.image && !(await this.#fillFrames(meter, stop))) return false;
    return !this.towers.text || this.#fillCaptions(meter, stop);
  }

  async close(): Promise<void> {
    for (const rows of this.#open) await rows.close();
  }

  async #fillFrames(meter: Meter, stop: StopRequest): Promise<boolean> {
    const { set, view } = this.clips;
    const numbers = new FrameNumbers(set, view);
    const tally = new Tally(
      set.samples,
      { maxBad: this.options.maxBad, onBad: ({ reason }) => meter.say(`cannot be kept: ${reason}`) },
      "have frames that cannot be read",
    );
    const rows = await this.#rows(
      "image",
      numbers.count,
      picturesIn(this.clips),
      { meter, stop },
      {
        found: (rows) => {
          for (const frame of rows.bad) tally.add(badBefore(numbers.clipOf(frame), set));
        },
        make: (rows) => this.#encodeFrames(rows, numbers, tally, meter, stop),
      },
    );
    if (!rows) return false;
    this.#frames = new FrameRows(numbers, rows, this.trainer.model.embed);
    return rows.isComplete;
  }

  async #encodeFrames(rows: KeptRows, numbers: FrameNumbers, tally: Tally, meter: Meter, stop: StopRequest) {
    const { model } = this.trainer;
    const { side, colours } = model.takes;
    const { workers } = this.options;
    const size = framesAtOnce(numbers.count, side);
    const chunks = frameChunks(numbers, { view: this.clips.view, workers, from: rows.next, size });
    meter.start(keptPhase.image, numbers.count, rows.next);
    const encoded = piped(untilStopped(chunks, stop), async (chunk) => {
      const [f] = await compute(() => {
        const { frames_BT3SS, mask_BTSS } = asClips(pixelTensors(chunk.pixels, side, 0, undefined, colours), 1);
        return [model.encodeFrames(frames_BT3SS, mask_BTSS)];
      });
      return { chunk, rows: f as Float32Array };
    });
    const pace = paceFrom(rows.next, "frames/s");
    for await (const { chunk, rows: all } of encoded) {
      for (const each of chunk.reasons) tally.add(each);
      const { from, until, bad } = chunk;
      const made = without(all, bad, from, until, model.embed);
      refuseNotFinite(made, model.embed, (row) => this.#frameAt(numbers, itemOfRow(row, from, bad)));
      await rows.append(made, until, bad);
      meter.at(until, pace(until));
    }
  }

  #frameAt(numbers: FrameNumbers, item: number): string {
    const [piece] = numbers.pieces(item, item + 1);
    return `frame ${piece.numbers[0]} of ${this.clips.set.nameOf(piece.index)}`;
  }

  async #fillCaptions(meter: Meter, stop: StopRequest): Promise<boolean> {
    const { set, view } = this.clips;
    const { model, tokenizer } = this.trainer;
    const captions = await captionsOf(set, view);
    const size = textsAtOnce(captions.length);
    const shown = createHash("sha256");
    for (let at = 0; at < captions.length; at += size)
      shown.update(bytesOf(tokenizer.encode(captions.slice(at, at + size))));
    const make = async (rows: KeptRows) => {
      meter.start(keptPhase.text, captions.length, rows.next);
      const pace = paceFrom(rows.next, "captions/s");
      for (let at = rows.next; at < captions.length && stop.requested === undefined; at += size) {
        const until = Math.min(at + size, captions.length);
        // as many at every time, so that the last ones are computed as the others are
        const some = Array.from({ length: size }, (_, i) => captions[Math.min(at + i, until - 1)]);
        const { tokens_BW, ends_B } = model.textRows(tokenizer.encode(some));
        const [t] = await compute(() => [
          model.encodeText(tensor(tokens_BW, [size, model.takes.context], "u32"), tensor(ends_B, [size], "u32")),
        ]);
        const made = (t as Float32Array).subarray(0, (until - at) * model.embed);
        refuseNotFinite(made, model.embed, (row) => `the caption ${quoted(some[row])}`);
        await rows.append(made, until);
        meter.at(until, pace(until));
      }
    };
    const rows = await this.#rows("text", captions.length, shown.digest("hex"), { meter, stop }, { make });
    if (!rows) return false;
    this.#captions = new CaptionRows(captions, rows, model.embed);
    return rows.isComplete;
  }

  /**
   * The rows of a tower for what it is shown: those that are there are judged by `found`, what is lacking is made by `make` under the
   * folder's lock, which is waited for: of two trainings on one tower one makes them. Undefined when a stop was requested first.
   */
  async #rows(
    tower: keyof FrozenTowers,
    samples: number,
    shown: string,
    { meter, stop }: { readonly meter: Meter; readonly stop: StopRequest },
    { found: judge, make }: RowsWork,
  ): Promise<KeptRows | undefined> {
    const { model, family } = this.trainer;
    const weights = await this.#weightsOf(tower);
    const shape = { samples, width: model.embed };
    const manifest = { format: FORMAT, tower, family: family.name, config: model.config, weights, shown, ...shape };
    const key = createHash("sha256").update(JSON.stringify(manifest)).digest("hex").slice(0, 16);
    const folder = join(this.options.folder ?? join(cacheFolder(), "features"), `${tower}-tower-${key}`);
    await makeFolder(folder);
    const lock = await lockOnceFree(folder, meter, stop);
    if (!lock) return undefined;
    try {
      const rows = await KeptRows.open(folder, shape, manifest);
      this.#open.push(rows);
      const found = rows.next;
      meter.say(foundText(tower, rows, samples, folder));
      judge?.(rows);
      if (rows.cut > 0)
        meter.say(`${rows.cut} bytes behind them there were torn or damaged: they are cut off and made again`);
      const lacking = samples - found;
      if (lacking > 0) {
        await checkSpace(folder, lacking * 4 * model.embed, `room for features of ${lacking} ${itemsOf[tower]}`);
        await make(rows);
      }
      if (!rows.isComplete)
        meter.say(
          `stopped: features of ${rows.next} of ${samples} ${itemsOf[tower]} are kept; the same command goes on there`,
        );
      this.#kept.push({ tower, folder, items: samples, found, bytes: rows.bytes, bad: rows.bad.length });
      return rows;
    } finally {
      await lock.release(); // nobody writes to rows that are complete
    }
  }

  /** sha256 of a tower's parameters as they are on the device. */
  async #weightsOf(tower: keyof FrozenTowers): Promise<string> {
    const { model, family } = this.trainer;
    const hash: Hash = createHash("sha256");
    for (const [name, t] of named(model)) {
      if (family.place!(name).tower !== tower) continue;
      hash.update(`${name} ${t.shape.join(" ")}\n`).update(bytesOf((await t.data()) as Float32Array));
    }
    return hash.digest("hex");
  }
}

/** What is done with a tower's rows once they are open. */
interface RowsWork {
  /** Errors where too many of them could not be read. */
  readonly found?: (rows: KeptRows) => void;
  readonly make: (rows: KeptRows) => Promise<void>;
}

/** sha256 of which pictures the clips have. Only stored clips need the digest: where they lie does not tell what lies there. */
function picturesIn({ set, view, digest }: KeptClips): string {
  let isStored = false;
  for (let i = 0; i < set.samples && !isStored; i++) isStored = set.placeOf(i).kind === "stored";
  const hash = createHash("sha256").update(JSON.stringify([isStored ? digest : "", view]));
  for (let i = 0; i < set.samples; i++) hash.update(JSON.stringify(picturesOf(set.placeOf(i))));
  return hash.digest("hex");
}

const badBefore = (index: number, set: ClipSet): BadSample => ({
  index,
  reason: `${set.nameOf(index)}: could not be read when its features were made`,
});

/** What a progress bar calls the making of a tower's rows. */
export const keptPhase = { image: "features of frames", text: "features of captions" } as const;

const itemsOf = { image: "frames", text: "captions" } as const;

function foundText(
  tower: keyof FrozenTowers,
  { next: found, bad }: Pick<KeptRows, "next" | "bad">,
  samples: number,
  folder: string,
): string {
  const items = itemsOf[tower];
  const unread = bad.length > 0 ? `but for ${bad.length} that could not be read` : "";
  if (found === samples) return `features of all ${samples} ${items}${unread && `, ${unread},`} are kept in ${folder}`;
  return `the ${tower} tower is frozen: features of ${samples} ${items} are made once and kept in ${folder}${found > 0 ? `, where ${found} are already${unread && `, ${unread}`}` : ""}`;
}

/** The rows of a chunk but those of its bad frames. */
function without(all: Float32Array, bad: readonly number[], from: number, until: number, width: number): Float32Array {
  if (bad.length === 0) return all.subarray(0, (until - from) * width);
  const isBad = new Set(bad);
  const rows: Float32Array[] = [];
  for (let i = from; i < until; i++)
    if (!isBad.has(i)) rows.push(all.subarray((i - from) * width, (i - from + 1) * width));
  const kept = new Float32Array(rows.length * width);
  for (const [k, row] of rows.entries()) kept.set(row, k * width);
  return kept;
}

/** The item of a row of a piece, whose bad items have none. */
function itemOfRow(row: number, from: number, bad: readonly number[]): number {
  let item = from + row;
  for (const each of bad) if (each <= item) item++;
  return item;
}

/** Refuses rows to be kept: a device that errs once would otherwise err in every epoch of every training from then on. */
function refuseNotFinite(rows: Float32Array, width: number, nameOf: (row: number) => string): void {
  const at = rows.findIndex((value) => !Number.isFinite(value));
  if (at < 0) return;
  throw new HealthError(
    `the features of ${nameOf(Math.floor(at / width))} are not finite (${rows[at]}); they are not kept, and neither are those made with them\n` +
      "  the same command makes them again; where it ends like this too, the weights of the tower are at fault",
  );
}

function paceFrom(first: number, unit: string): (done: number) => string {
  const began = performance.now();
  return (done) => {
    const speed = (done - first) / ((performance.now() - began) / 1000);
    return `${speed < 10 ? speed.toFixed(1) : Math.round(speed)} ${unit}`;
  };
}

const bytesOf = ({ buffer, byteOffset, byteLength }: Float32Array | Uint32Array) =>
  new Uint8Array(buffer, byteOffset, byteLength);
