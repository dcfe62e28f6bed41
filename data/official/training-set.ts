// The official training set in its own layout: sentences, the frames that were on screen, who was seen in them, and the
// sentiment of what was said. A showing of a sample is a function of (seed, epoch, index) alone.
import { takes } from "../../engine/takes.ts";
import { FormatError } from "../../engine/errors.ts";
import { orSubstitute } from "../bad-samples.ts";
import type { BoxRule } from "../pixels/boxes.ts";
import { Canvas } from "../pixels/canvas.ts";
import type { Pixels, View } from "../pixels/view.ts";
import type { RandomDraw } from "../sampling.ts";
import { SENTIMENTS } from "../shards/clip.ts";
import {
  checkFilters,
  type ClipEntry,
  type Filters,
  passes,
  published,
  readIndexFile,
  readLogits,
} from "./index-file.ts";
import {
  chooseOf,
  drawFootage,
  type FrameChoice,
  type OfficialFootage,
  type SentencePlace,
  SentenceReader,
  sentenceLength,
  sentenceName,
} from "./footage.ts";

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

/**
 * The published training set as it is distributed: sentences of videos with their frames, boxes and sentiment. Pictures
 * are read one at a time.
 */
export class TrainingSet {
  /** Samples found bad so far: number -> reason. */
  readonly bad = new Map<number, string>();
  /** Names of label categories: there are none in this set. */
  readonly categories: readonly string[] = [];
  private readonly reader = new SentenceReader();

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

  /** Number of samples. */
  get samples(): number {
    return this.entries.length;
  }

  /** `AbCdEfGhIjK frames 2 to 23`, for messages. */
  nameOf(i: number): string {
    return sentenceName(this.entries[i]);
  }

  /** Frames of sample i; one with fewer than a showing takes repeats some, in order. */
  frameCount(i: number): number {
    return sentenceLength(this.entries[i]);
  }

  /** Sample i as any thread can show it. */
  placeOf(i: number): SentencePlace {
    const { root, videos, rule } = this;
    return { kind: "sentence", entry: this.entries[i], sentiment: [...this.sentiment(i)], root, videos, rule };
  }

  /** How sample `draw.index` is shown in this epoch. */
  choose(draw: RandomDraw): FrameChoice {
    return chooseOf(this.entries[draw.index], this.view, draw);
  }

  /** A showing of sample `draw.index`, or of another one in place of a bad one. */
  async sample(draw: RandomDraw): Promise<TrainingSample> {
    const show = (shown: RandomDraw) => this.show(shown.index, this.choose(shown));
    return orSubstitute(draw, this.entries.length, show, ({ index, reason }) => this.bad.set(index, reason));
  }

  /** Sample i as the choice says. */
  async show(i: number, choice: FrameChoice): Promise<TrainingSample> {
    const canvas = new Canvas(choice.numbers.length, this.view);
    await drawFootage(canvas, 0, this.placeOf(i), choice, await this.footage(i, choice.numbers));
    return { index: i, text: this.entries[i].text, sentiment: this.sentiment(i), ...canvas.pixels };
  }

  /** Encoded frames of sample i, all of them or those of these numbers. */
  async footage(i: number, numbers?: readonly number[]): Promise<OfficialFootage> {
    return this.reader.footage(this.placeOf(i), numbers);
  }
}

function filtersOf(given: Partial<Filters>): Filters {
  const { longerThan, shorterThan, characters, neutral, person } = { ...published, ...defined(given) };
  return { longerThan, shorterThan, characters, neutral, person };
}

const defined = <T extends object>(given: T): Partial<T> =>
  Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) as Partial<T>;
