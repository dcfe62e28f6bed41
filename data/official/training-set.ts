// The official training set in its own layout: sentences, the frames that were on screen, who was seen in them, and the
// sentiment of what was said. A showing of a sample is a function of (seed, epoch, index) alone.
import { takes } from "../../engine/takes.ts";
import { FormatError } from "../../engine/errors.ts";
import { orSubstitute } from "../bad-samples.ts";
import { quoted } from "../formats/json.ts";
import { type BoxRule, boxesOf, type Detection } from "../pixels/boxes.ts";
import { Canvas } from "../pixels/canvas.ts";
import { decodeImage } from "../pixels/image.ts";
import type { Rect, Size } from "../pixels/resize.ts";
import type { Pixels, View } from "../pixels/view.ts";
import type { RandomDraw } from "../sampling.ts";
import { type Found, readVideoBoxes } from "../sets/detections.ts";
import { SENTIMENTS } from "../shards/clip.ts";
import { chooseFrames, cropOf } from "../shards/frames.ts";
import { FrameFile, frameNamed } from "./frame-file.ts";
import {
  checkFilters,
  type ClipEntry,
  type Filters,
  frameNumbers,
  passes,
  published,
  readIndexFile,
  readLogits,
} from "./index-file.ts";

/** Where the files lie, which sentences are trained on (the published filters unless given), and how a sample is shown. */
export interface TrainingSetOptions extends Partial<Filters> {
  /** Names below the folder; "videos", "index.json" and "sentiment_logits.npy". */
  readonly videos?: string;
  readonly index?: string;
  readonly sentiment?: string;
  /** How detector boxes meet the picture; "compat", what the published weights saw. */
  readonly boxes?: BoxRule;
  /** Frames of a showing, T (8), of side S (224), cut from frames with this short side (256). */
  readonly frames?: number;
  readonly side?: number;
  readonly resize?: number;
  /** Which frames of a sample and which part of each are shown; "random", as in the published training. */
  readonly sampling?: View["sampling"];
  readonly crop?: View["crop"];
}

/** One showing of a sample. */
export interface TrainingSample extends Pixels {
  /** The sample that is shown: another than was asked for where that one cannot be read. */
  readonly index: number;
  readonly text: string;
  /** Logits of the seven sentiments. */
  readonly sentiment: Float32Array;
}

/** What is random in a showing: numbers of its frames, and where each is cut out of a picture of `size`. */
export interface FrameChoice {
  readonly numbers: readonly number[];
  crop(slot: number, size: Size): Rect;
}

/** The encoded frames of a sentence and who was detected in each. */
export interface OfficialFootage {
  readonly numbers: readonly number[];
  readonly pictures: readonly Uint8Array[];
  readonly people: readonly (readonly Detection[])[];
}

/** Videos whose boxes are remembered. */
const REMEMBERED = 16;

/**
 * The published training set as it is distributed: sentences of videos with their frames, boxes and sentiment. Pictures
 * are read one at a time.
 */
export class TrainingSet {
  /** Samples found bad so far: number -> reason. */
  readonly bad = new Map<number, string>();
  private readonly boxes = new Map<string, Found>();

  private constructor(
    readonly root: string,
    /** What passed the filters, in the order of the index. */
    readonly entries: readonly ClipEntry[],
    /** Entries of the whole index. */
    readonly listed: number,
    private readonly logits: Float32Array,
    readonly view: View,
    private readonly videos: string,
    readonly rule: BoxRule,
  ) {}

  /**
   * Opens the set below the folder `root`. Errors: FormatError for files that are missing or not what they should be, or where
   * no sentence passes the filters.
   */
  static open(root: string, options: TrainingSetOptions = {}): TrainingSet {
    takes("TrainingSet.open(root: text, options?: object, ...)", arguments);
    const { videos = "videos", index = "index.json", sentiment = "sentiment_logits.npy", boxes = "compat" } = options;
    const { frames = 8, side = 224, resize = 256, sampling = "random", crop = "random", ...given } = options;
    const filters = checkFilters(filtersOf(given));
    const all = readIndexFile(root, index);
    const logits = readLogits(root, sentiment, all.length);
    const kept = all.flatMap((entry, i) => (passes(entry, filters) ? [i] : []));
    if (kept.length === 0)
      throw new FormatError(
        `${index}: none of its ${all.length} sentences pass the filters ${JSON.stringify(filters)}`,
      );
    const width = SENTIMENTS.length;
    const rows = new Float32Array(kept.length * width);
    for (const [k, i] of kept.entries()) rows.set(logits.subarray(i * width, (i + 1) * width), k * width);
    const view: View = { frames, side, resize, sampling, crop };
    const entries = kept.map((i) => all[i]);
    return new TrainingSet(root, entries, all.length, rows, view, videos, boxes);
  }

  /** Logits of sample i, in the order of SENTIMENTS. */
  sentiment(i: number): Float32Array {
    return this.logits.slice(i * SENTIMENTS.length, (i + 1) * SENTIMENTS.length);
  }

  /** `AbCdEfGhIjK frames 2 to 23`, for messages. */
  nameOf(i: number): string {
    const { videoId, startFrame, endFrame } = this.entries[i];
    return `${quoted(videoId)} frames ${startFrame} to ${endFrame}`;
  }

  /** Frames of sample i; one with fewer than a showing takes repeats some, in order. */
  frameCount(i: number): number {
    return this.entries[i].endFrame - this.entries[i].startFrame + 1;
  }

  /** How sample `draw.index` is shown in this epoch. */
  choose(draw: RandomDraw): FrameChoice {
    const { startFrame } = this.entries[draw.index];
    const among = chooseFrames(this.view, draw, this.frameCount(draw.index));
    const crop = cropOf(this.view, draw);
    return { numbers: Array.from(among, (k) => startFrame + k), crop: (_, size) => crop(size, this.view.side) };
  }

  /** A showing of sample `draw.index`, or of another one in place of a bad one. */
  async sample(draw: RandomDraw): Promise<TrainingSample> {
    const show = (shown: RandomDraw) => this.show(shown.index, this.choose(shown));
    return orSubstitute(draw, this.entries.length, show, ({ index, reason }) => this.bad.set(index, reason));
  }

  /** Sample i as the choice says. */
  async show(i: number, choice: FrameChoice): Promise<TrainingSample> {
    const { pictures, people } = await this.footage(i, choice.numbers);
    const canvas = new Canvas(pictures.length, this.view);
    for (const [slot, bytes] of pictures.entries()) {
      const name = `${this.nameOf(i)}: ${frameNamed(choice.numbers[slot])}`;
      const image = await decodeImage(bytes, name);
      const boxes = (original: Size, drawn: Size) => boxesOf(people[slot], drawn, this.rule, original);
      canvas.draw(slot, image, { at: "resized", boxes }, name, (size) => choice.crop(slot, size));
    }
    return { index: i, text: this.entries[i].text, sentiment: this.sentiment(i), ...canvas.pixels };
  }

  /** Encoded frames of sample i, all of them or those of these numbers. */
  async footage(i: number, numbers?: readonly number[]): Promise<OfficialFootage> {
    try {
      const wanted = numbers ?? frameNumbers(this.entries[i]);
      const { videoId } = this.entries[i];
      const found = this.boxesOf(videoId);
      const file = await FrameFile.open(this.root, `${this.videos}/${videoId}/frames.hdf5`);
      try {
        const pictures = wanted.map((number) => file.read(number));
        return { numbers: wanted, pictures, people: wanted.map((number) => peopleIn(found, number)) };
      } finally {
        file.close();
      }
    } catch (error) {
      if (error instanceof FormatError) throw new FormatError(`${this.nameOf(i)}: ${error.message}`, { cause: error });
      throw error;
    }
  }

  /** Neighbours in the index are mostly of one video, whose boxes are then not parsed again. */
  private boxesOf(videoId: string): Found {
    const known = this.boxes.get(videoId);
    if (known) return known;
    const found = readVideoBoxes(this.root, `${this.videos}/${videoId}/human_boxes.json`);
    if (this.boxes.size >= REMEMBERED) this.boxes.delete(this.boxes.keys().next().value!);
    this.boxes.set(videoId, found);
    return found;
  }
}

function peopleIn(found: Found, number: number): readonly Detection[] {
  const people = found.get(frameNamed(number));
  if (!people) throw new FormatError(`human_boxes.json: no entry ${quoted(frameNamed(number))}`);
  return people;
}

function filtersOf(given: Partial<Filters>): Filters {
  const { longerThan, shorterThan, characters, neutral, person } = { ...published, ...defined(given) };
  return { longerThan, shorterThan, characters, neutral, person };
}

const defined = <T extends object>(given: T): Partial<T> =>
  Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) as Partial<T>;
