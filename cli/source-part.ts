// One source of training clips: shards with their index, the official layout as it lies, or plain tars. The one place that tells them apart.
import { createHash } from "node:crypto";
import { existsSync, readdirSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { isFolder } from "../data/footage/files.ts";
import { TrainingSet } from "../data/official/training-set.ts";
import type { Colours } from "../data/pixels/image.ts";
import { rowsOf, type Side, squareOf } from "../data/pixels/side.ts";
import { publishedResize, type View, viewOf } from "../data/pixels/view.ts";
import type { ClipSet } from "../data/shards/batch.ts";
import { indexName } from "../data/shards/index-file.ts";
import { openPlainTars } from "../data/shards/plain.ts";
import type { ShardSet } from "../data/shards/shards.ts";
import type { Survey } from "../data/shards/survey.ts";
import { FormatError, UsageError } from "../engine/errors.ts";
import type { Recipe } from "../train/recipe.ts";
import { digestOf, lookedOver, openClips, type Say } from "./clips.ts";

/** What a model takes of a clip. */
export interface ClipShape {
  readonly frames: number;
  readonly side: Side;
  /** By whose mean and deviation colours are normalised; ImageNet's unless said. */
  readonly colours?: Colours;
}

/** Some clips of a training, before a picture is decoded. */
export interface SourcePart {
  readonly kind: "shards" | "official layout" | "plain tars" | "clips of faces";
  readonly name: string;
  readonly set: ClipSet;
  /** How its clips are shown. */
  readonly view: View;
  /** Samples before filters. */
  readonly found: number;
  /** sha256 of which clips these are. */
  readonly digest: string;
  /** What its clips say, of all of them or of many spread over the set. */
  readonly facts: Omit<Survey, "bad">;
  /** Of clips of faces: what was chosen of the set. */
  readonly faces?: FaceFacts;
}

/** What of a face set is trained on. */
export interface FaceFacts {
  readonly set: string;
  readonly fold: number;
  /** Clips of each class. */
  readonly classes: Readonly<Record<string, number>>;
  /** Clips that are not trained on, by reason. */
  readonly leftOut: Readonly<Record<string, number>>;
  /** What is said of the classes, where that is trained on. */
  readonly texts?: Readonly<Record<string, readonly string[]>>;
}

/** How parts are opened. */
export interface PartOptions {
  readonly recipe: Recipe;
  readonly shape: ClipShape;
  readonly say: Say;
}

/** The parts behind the paths of one source: each folder by itself, its tar files together. */
export async function openParts(paths: readonly string[], options: PartOptions): Promise<SourcePart[]> {
  const parts: SourcePart[] = [];
  const tars: string[] = [];
  for (const path of paths) {
    if (await isFolder(path)) parts.push(await openFolder(path, options));
    else if (/\.tar$/i.test(path)) tars.push(path);
    else throw new UsageError(`--train-data: ${path} is neither a folder nor a .tar file`);
  }
  if (tars.length > 0) parts.push(plainPart(tars, tars.length === 1 ? basename(tars[0]) : folderOf(tars[0]), options));
  return parts;
}

const folderOf = (path: string): string => basename(resolve(path, ".."));

async function openFolder(folder: string, options: PartOptions): Promise<SourcePart> {
  if (existsSync(join(folder, indexName("train")))) return shardPart(folder, options);
  const { index } = options.recipe;
  if (existsSync(join(folder, index))) return officialPart(folder, options);
  const tars = readdirSync(folder).filter((name) => /\.tar$/i.test(name));
  if (tars.length > 0)
    return plainPart(
      tars.sort().map((name) => join(folder, name)),
      basename(resolve(folder)),
      options,
    );
  throw new FormatError(
    `${folder}: has neither ${indexName("train")} (shards) nor ${index} (the official layout; --index names another), and no .tar files`,
  );
}

async function shardPart(folder: string, { recipe, shape, say }: PartOptions): Promise<SourcePart> {
  const { set, survey } = await openClips(folder, "train", shape.frames, recipe, say);
  return storedPart("shards", basename(resolve(folder)), set, survey, { recipe, shape });
}

const storedPart = (
  kind: SourcePart["kind"],
  name: string,
  set: ShardSet,
  facts: SourcePart["facts"],
  { recipe, shape }: Pick<PartOptions, "recipe" | "shape">,
): SourcePart => ({
  ...{ kind, name, set, facts, found: set.samples, digest: digestOf(set) },
  view: { ...viewOf({ frames: shape.frames, image: shape.side }), ...shownBy(recipe) },
});

function plainPart(paths: readonly string[], name: string, { recipe, shape, say }: PartOptions): SourcePart {
  const { set: all, passedOver } = openPlainTars(paths, name);
  const others = [...passedOver].map(([extension, count]) => `${extension} ${count}`).join(", ");
  if (others) say(`${name}: members that are passed over: ${others}`);
  const { set, survey } = lookedOver(all, name, shape.frames, recipe, say);
  for (const line of silentIn(set, survey)) say(`${name}: ${line}`);
  return storedPart("plain tars", name, set, survey, { recipe, shape });
}

/** What the clips of plain tars do not say, or say in vain. */
function silentIn(set: ShardSet, { sentiment, captions, boxed }: SourcePart["facts"]): string[] {
  const clips = captions.length;
  const without = captions.filter((_, i) => sentiment.subarray(7 * i, 7 * i + 7).every((logit) => logit === 0)).length;
  const unread = new Map<string, number>();
  for (const found of set.readings())
    if ("info" in found)
      for (const field of Object.keys((found.info.meta ?? {}) as object))
        unread.set(field, (unread.get(field) ?? 0) + 1);
  const fields = [...unread].slice(0, 10).map(([field, count]) => `${field} ${count}`);
  return [
    ...(without > 0 ? [`${without} of ${clips} clips have no sentiment; theirs is seven logits of 0`] : []),
    ...(boxed < clips ? [`${clips - boxed} of ${clips} clips have no boxes; their masks are empty`] : []),
    ...(fields.length > 0 ? [`fields of their JSON that training passes over: ${fields.join(", ")}`] : []),
  ];
}

/** Captions of the official layout that are looked at before training: it may have millions. */
const LOOKED_AT = 20_000;

function officialPart(folder: string, { recipe, shape: { frames, side } }: PartOptions): SourcePart {
  squareOf(side, "--train-data: the official layout is shown");
  if (recipe.shortClips === "leave-out")
    throw new UsageError("--short-clips: the official layout repeats frames of short clips; shards can leave them out");
  const { videos, index, sentiment, boxes, longerThan, shorterThan } = recipe;
  const { minCharacters: characters, maxNeutral: neutral, minPerson: person } = recipe;
  const view: View = { frames, side: rowsOf(side), resize: publishedResize(side), ...shownBy(recipe) };
  const files = { videos, index, sentiment, boxes };
  const set = TrainingSet.open(folder, { ...files, frames, longerThan, shorterThan, characters, neutral, person });
  const looked = spread(set.samples, LOOKED_AT);
  const facts = {
    captions: looked.map((i) => set.entries[i].text),
    keys: looked.map((i) => set.nameOf(i)),
    sentiment: Float32Array.from(looked.flatMap((i) => [...set.sentiment(i)])),
    ...{ boxed: 1, labelsAreEqual: false, picturesAreEqual: false },
  };
  const found = set.listed;
  return {
    kind: "official layout",
    name: basename(resolve(folder)),
    set,
    view,
    found,
    digest: digestOfEntries(set),
    facts,
  };
}

/** sha256 of the sentences and places of an official set's samples, in their order. */
function digestOfEntries({ entries }: TrainingSet): string {
  const hash = createHash("sha256");
  for (const entry of entries) hash.update(JSON.stringify(entry));
  return hash.digest("hex");
}

/** Numbers below `count`: all of them, or `most` spread evenly. */
const spread = (count: number, most: number): number[] =>
  Array.from({ length: Math.min(count, most) }, (_, k) => (count <= most ? k : Math.floor((k * count) / most)));

/** Which frames of a clip are shown, and which part of each; of faces their window and their centre are, whatever a recipe says. */
export const shownBy = ({ sampling, crop }: Recipe) => ({ sampling, crop });
