// Shards of a face set: both splits with what is said of their clips and the classes as labels, for trainings that mix them with other
// shards and for probes.
import { join, resolve } from "node:path";
import type { FoundClip } from "../data/faces/survey.ts";
import { sizeOfPicture } from "../data/pixels/image.ts";
import { fileLimits, readBytes } from "../data/sets/files.ts";
import { type Clip, UNSAID_SENTIMENT } from "../data/shards/clip.ts";
import type { ShardIndex } from "../data/shards/index-file.ts";
import { FormatError } from "../engine/errors.ts";
import type { Recipe } from "../train/recipe.ts";
import { once } from "./clips.ts";
import { writeContactSheet } from "./contact-sheet.ts";
import { FaceChoice, type TextsOf } from "./face-part.ts";
import { type GivenFaces, type OpenFaces, openFaces, preferenceOf } from "./face-source.ts";
import { ClipsInMaking, splitLines, writtenShards } from "./shard-writing.ts";
import { Progress } from "./terminal/progress.ts";
import { gracefulStop, printStopped } from "./terminal/stop.ts";
import { printResult, warn } from "./terminal/streams.ts";

/** What of each clip is stored. */
export interface FaceShards extends Pick<Recipe, "fold" | "every" | "texts" | "classes" | "maxBad"> {
  readonly fps: number;
  readonly perShard: number;
  readonly json?: boolean;
}

/** A clip and what belongs to it. */
interface Item {
  readonly from: OpenFaces;
  readonly clip: FoundClip;
  /** Its place in the list. */
  readonly number: number;
  readonly textsOf: TextsOf;
}

export async function shardsOfFaces(given: GivenFaces, out: string, options: FaceShards): Promise<void> {
  const notes: string[] = [];
  const say = once((line) => {
    notes.push(line);
    warn([line]);
  });
  const items: Record<"train" | "test", Item[]> = { train: [], test: [] };
  const parts = splitsOf(given);
  if (parts.length === 1) say(`${given.set}: a list has no splits; all its clips become ${parts[0]}`);
  let categories: readonly string[] = [];
  for (const split of parts) {
    const from = await openFaces(given, split, { ...options, prefer: preferenceOf(options) }, say);
    const choice = new FaceChoice(from.survey.clips, from.called, say);
    const textsOf = await choice.texts(options, from);
    items[split] = choice.clips.map((clip, number) => ({ from, clip, number, textsOf }));
    categories = from.set.classes;
  }
  say(`face sets do not tell frames a second; ${options.fps} is written (--fps)`);
  const count = items.train.length + items.test.length;
  const progress = new Progress({ phases: [["write shards", count * 0.02]] });
  const make = (item: Item) => clipOfFaces(item, options);
  const clips = new ClipsInMaking({ count, what: "clips", maxBad: options.maxBad, make }, progress, gracefulStop());
  const how = { perShard: options.perShard, categories, parts };
  const splits = await writtenShards(resolve(out), (split) => clips.of(items[split]), how);
  progress.end();
  if (!splits) return printStopped("nothing was written");
  const sheet = await writeContactSheet(resolve(out), splits);
  printResult(options.json, { kept: count - clips.bad.length, leftOut: clips.bad, notes, splits, sheet }, () =>
    page(out, sheet, splits, clips.bad.length),
  );
}

/** One's own list is one split. */
const splitsOf = ({ set }: GivenFaces): readonly ("train" | "test")[] =>
  set === "own" ? ["train"] : ["train", "test"];

/** The key of a clip in shards: its name, with a number where the name has letters that keys have not. */
function keyOfFaces(id: string, number: number): string {
  const key = id.replace(/[^\w@+=,/-]/g, "+");
  return key === id ? key : `${key}/${number}`;
}

/** Every k-th frame as it is; of several texts the first. Errors: FormatError for frames of several sizes. */
async function clipOfFaces({ from: { set }, clip, number, textsOf }: Item, { every, fps }: FaceShards): Promise<Clip> {
  const names = clip.frames.filter((_, i) => i % every === 0).map((name) => `${clip.folder}/${name}`);
  const frames = names.map((name) => readBytes(set.root, name, fileLimits.picture));
  const sizes = await Promise.all(frames.map((bytes, i) => sizeOfPicture(bytes, names[i])));
  const other = sizes.findIndex(({ width, height }) => width !== sizes[0].width || height !== sizes[0].height);
  if (other >= 0)
    throw new FormatError(
      `${names[other]}: is ${sizes[other].width}x${sizes[other].height}, the first frame ${sizes[0].width}x${sizes[0].height}; a clip of shards has one size`,
    );
  return {
    key: keyOfFaces(clip.id, number),
    caption: textsOf(clip)[0],
    sentiment: [...UNSAID_SENTIMENT],
    boxes: frames.map(() => []),
    fps,
    ...sizes[0],
    labels: { categories: set.classes.map((_, label) => Number(label === clip.label)) },
    meta: { emotion: set.classes[clip.label], set: set.name, fold: set.fold, every },
    frames,
  };
}

const page = (out: string, sheet: string, splits: readonly ShardIndex[], bad: number): string =>
  [
    ...(bad > 0 ? [`${bad} clips cannot be read`] : []),
    ...splitLines(splits),
    `look at them: ${sheet}`,
    `train on them: emotionclip train --train-data ${join(out)} --beta 0`,
    "",
  ].join("\n");
