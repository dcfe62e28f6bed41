// Where a recipe's clips come from: shards, or the official layout as it lies. The one place that chooses.
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { BadSampleRule } from "../data/bad-samples.ts";
import { isFolder } from "../data/footage/files.ts";
import { TrainingSet } from "../data/official/training-set.ts";
import { rowsOf, type Side } from "../data/pixels/side.ts";
import { publishedResize, viewOf } from "../data/pixels/view.ts";
import { indexName } from "../data/shards/index-file.ts";
import { Loader } from "../data/shards/loader.ts";
import { FormatError, UsageError } from "../engine/errors.ts";
import type { Batches } from "../train/loop.ts";
import type { Recipe } from "../train/recipe.ts";
import { vanishing } from "../train/vanishing.ts";
import { type Clips, digestOf, openClips, type Say } from "./clips.ts";
import { OfficialBatches } from "./official-batches.ts";

/** What a model takes of a clip. */
export interface ClipShape {
  readonly frames: number;
  readonly side: Side;
}

/** Batches by their number, and an end to what makes them. */
export type OpenBatches = Batches & { close(): Promise<void> };

/** The clips of a training, before a picture is decoded. */
export interface ClipSource {
  readonly kind: "shards" | "official layout";
  readonly folder: string;
  /** Samples of an epoch, and how many there were before filters. */
  readonly samples: number;
  readonly found: number;
  /** sha256 of which clips these are. */
  readonly digest: string;
  /** Captions, all of them or many spread over the set, and a name for each. */
  readonly captions: readonly string[];
  readonly keyOf: (i: number) => string;
  /** What is to be said before training on them. */
  readonly warnings: readonly string[];
  open(recipe: Recipe, rule: BadSampleRule): OpenBatches;
}

/** Opens the folder of a recipe. Errors: UsageError for one that is neither, FormatError for one that is damaged. */
export async function openSource(recipe: Recipe, folder: string, shape: ClipShape, say: Say): Promise<ClipSource> {
  if (!(await isFolder(folder))) throw new UsageError(`--train-data: ${folder} is not a folder`);
  if (existsSync(join(folder, indexName("train")))) return shardSource(recipe, folder, shape, say);
  if (existsSync(join(folder, recipe.index))) return officialSource(recipe, folder, shape, say);
  throw new FormatError(
    `${folder}: has neither ${indexName("train")} (shards) nor ${recipe.index} (the official layout; --index names another)`,
  );
}

async function shardSource(recipe: Recipe, folder: string, shape: ClipShape, say: Say): Promise<ClipSource> {
  const { set, survey }: Clips = await openClips(folder, "train", shape.frames, recipe, say);
  const view = { ...viewOf({ frames: shape.frames, image: shape.side }), ...choices(recipe) };
  return {
    kind: "shards",
    folder,
    samples: set.samples,
    found: set.samples,
    digest: digestOf(set),
    captions: survey.captions,
    keyOf: (i) => survey.keys[i],
    warnings: vanishing(survey, recipe),
    open: ({ batch, seed, together, workers }, rule) =>
      new Loader(set, { ...view, order: "shuffled", batch, seed, together, workers, ...rule }),
  };
}

/** Captions of the official layout that are looked at before training: it may have millions. */
const LOOKED_AT = 20_000;

async function officialSource(
  recipe: Recipe,
  folder: string,
  { frames, side }: ClipShape,
  say: Say,
): Promise<ClipSource> {
  if (typeof side !== "number")
    throw new UsageError("--train-data: the official layout is shown in squares; this model takes rectangles");
  if (recipe.shortClips === "leave-out")
    throw new UsageError("--short-clips: the official layout repeats frames of short clips; shards can leave them out");
  const { videos, index, sentiment, boxes, longerThan, shorterThan } = recipe;
  const filters = {
    longerThan,
    shorterThan,
    characters: recipe.minCharacters,
    neutral: recipe.maxNeutral,
    person: recipe.minPerson,
  };
  const resize = publishedResize(side);
  const set = TrainingSet.open(folder, {
    videos,
    index,
    sentiment,
    boxes,
    frames,
    side: rowsOf(side),
    resize,
    ...choices(recipe),
    ...filters,
  });
  if (recipe.workers > 1)
    say("--workers: the official layout is decoded on one thread; shards on as many as there are");
  const looked = spread(set.entries.length, LOOKED_AT);
  const captions = looked.map((i) => set.entries[i].text);
  const logits = Float32Array.from(looked.flatMap((i) => [...set.sentiment(i)]));
  const facts = {
    captions,
    keys: captions,
    sentiment: logits,
    boxed: 1,
    labelsAreEqual: false,
    picturesAreEqual: false,
  };
  return {
    kind: "official layout",
    folder,
    samples: set.entries.length,
    found: set.listed,
    digest: digestOfEntries(set),
    captions,
    keyOf: (k) => set.nameOf(looked[k]),
    warnings: vanishing(facts, recipe),
    open: ({ batch, seed, together }, rule) => new OfficialBatches(set, { batch, seed, together, ...rule }),
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

const choices = ({ sampling, crop }: Recipe) => ({ sampling, crop });
