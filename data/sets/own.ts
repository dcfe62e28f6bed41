// Anybody's own tar shards with labels, read as a benchmark: what there is to probe follows from the clips themselves.
import { readdirSync } from "node:fs";
import { basename, resolve } from "node:path";
import { FormatError } from "../../engine/errors.ts";
import { type CheckedInfo, emotionOf } from "../shards/clip.ts";
import { indexName } from "../shards/index-file.ts";
import { openShards, type ShardSet } from "../shards/shards.ts";
import type { BenchmarkSample } from "./benchmark.ts";
import type { Reader } from "./reader.ts";

const dimensions = ["valence", "arousal", "dominance"] as const;

/** What the clips of a folder are labelled with; the same for all of its splits. */
export interface OwnLabels {
  /** Names of the splits, `train` first. */
  readonly splits: readonly string[];
  readonly categories: readonly string[];
  /** The one class of each clip, where every clip of every split has one: its `meta.emotion`, or its only category. */
  readonly single?: { readonly from: "emotion" | "category"; readonly of: readonly string[] };
  /** Names of the numbers that all clips have; none otherwise. */
  readonly dimensions: readonly string[];
  /** What was found, in words. */
  readonly notes: readonly string[];
}

interface Split {
  readonly set: ShardSet;
  readonly infos: readonly CheckedInfo[];
}

/** Reads the JSON of all clips. */
export async function labelsIn(root: string): Promise<OwnLabels> {
  return labelsOf(await splitsIn(root), basename(resolve(root)));
}

async function splitsIn(root: string): Promise<Map<string, Split>> {
  const found = new Map<string, Split>();
  for (const split of splitNames(root)) {
    const set = await openShards(root, split);
    found.set(split, { set, infos: [...set.infos()] });
  }
  return found;
}

/** Splits that have an index, `train` first. */
function splitNames(root: string): string[] {
  const ending = indexName("");
  const names = readdirSync(root).flatMap((name) => (name.endsWith(ending) ? [name.slice(0, -ending.length)] : []));
  return names.sort((a, b) => Number(b === "train") - Number(a === "train") || (a < b ? -1 : 1));
}

function labelsOf(splits: ReadonlyMap<string, Split>, name: string): OwnLabels {
  const sets = [...splits].map(([split, { set }]) => ({ split, names: set.categories }));
  for (const { split, names } of sets)
    if (names.join() !== sets[0].names.join())
      throw new FormatError(
        `${name}: ${indexName(split)} has other categories than ${indexName(sets[0].split)}: ${names.join(", ")}; all splits need the same, in one order`,
      );
  const infos = [...splits.values()].flatMap((split) => split.infos);
  const categories = sets[0]?.names ?? [];
  const single = singleOf(infos, categories);
  const rated = infos.filter(({ labels }) => labels?.vad).length;
  return {
    splits: [...splits.keys()],
    categories,
    ...(single && { single }),
    dimensions: rated === infos.length && rated > 0 ? dimensions : [],
    notes: notesOf(infos, categories, single, rated),
  };
}

function singleOf(infos: readonly CheckedInfo[], categories: readonly string[]): OwnLabels["single"] {
  const emotions = new Set(infos.map(emotionOf));
  if (!emotions.has(undefined) && infos.length > 0)
    return { from: "emotion", of: [...(emotions as Set<string>)].sort() };
  const isOneHot = ({ labels }: CheckedInfo) => labels?.categories.reduce((a, b) => a + b, 0) === 1;
  return categories.length > 1 && infos.every(isOneHot) ? { from: "category", of: categories } : undefined;
}

function notesOf(
  infos: readonly CheckedInfo[],
  categories: readonly string[],
  single: OwnLabels["single"],
  rated: number,
): string[] {
  const n = infos.length;
  const named = infos.filter((info) => emotionOf(info) !== undefined).length;
  return [
    ...(categories.length > 0 ? [`${categories.length} categories, each probed by itself`] : []),
    ...(single?.from === "category"
      ? ["every clip has exactly one category, so they are probed as one class too"]
      : []),
    ...(single?.from === "emotion"
      ? [`every clip has a meta.emotion, of ${single.of.length}: probed as one class`]
      : []),
    ...(named > 0 && named < n ? [`meta.emotion is not probed: ${n - named} of ${n} clips have none`] : []),
    ...(rated < n ? [`valence, arousal and dominance are not probed: ${n - rated} of ${n} clips have none`] : []),
  ];
}

export const own: Reader = {
  splits: splitNames,
  kind: "video",
  classes: [],
  dimensions: [],
  async read({ root, split }) {
    const splits = await splitsIn(root);
    const labels = labelsOf(splits, basename(resolve(root)));
    const { set, infos } = splits.get(split)!;
    const { categories, single, notes } = labels;
    const samples = set.items.map((sample, i): BenchmarkSample => {
      const info = infos[i];
      return {
        id: sample.key,
        group: sample.key,
        text: info.caption,
        ...(categories.length > 0 && { labels: Uint8Array.from(info.labels!.categories) }),
        ...(labels.dimensions.length > 0 && { values: Float32Array.from(info.labels!.vad!) }),
        ...(single && { label: classOf(info, single) }),
        source: { kind: "shard", sample, categories: categories.length },
      };
    });
    return {
      samples,
      notes,
      classes: categories,
      dimensions: labels.dimensions,
      ...(single && { emotions: single.of }),
    };
  },
};

const classOf = (info: CheckedInfo, { from, of }: NonNullable<OwnLabels["single"]>): number =>
  from === "emotion" ? of.indexOf(emotionOf(info)!) : info.labels!.categories.indexOf(1);
