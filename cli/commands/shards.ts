// `emotionclip shards`: the official training set in its own layout -> tar shards that `start --data` trains from. The folder
// appears whole or not at all.
import { existsSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { Command, Option } from "commander";
import type { Clip } from "../../data/shards/clip.ts";
import { commitFolder, makeFolder, removeLeftovers } from "../../data/formats/disk.ts";
import { isFolder } from "../../data/footage/files.ts";
import type { BoxRule } from "../../data/pixels/boxes.ts";
import type { ShardIndex } from "../../data/shards/index-file.ts";
import { writeShards } from "../../data/shards/writer.ts";
import { clipOf, divide } from "../../data/official/clips.ts";
import { published } from "../../data/official/index-file.ts";
import { TrainingSet } from "../../data/official/training-set.ts";
import { FormatError, HealthError, UsageError } from "../../engine/errors.ts";
import { type Meter, orStopped, Stopped, type StopRequest } from "../../data/threads/long-work.ts";
import { isOneSentiment } from "../../train/vanishing.ts";
import { real, whole } from "../flags.ts";
import { Progress } from "../terminal/progress.ts";
import { gracefulStop, printStopped } from "../terminal/stop.ts";
import { printResult } from "../terminal/streams.ts";

interface Flags {
  videos: string;
  index: string;
  sentiment: string;
  boxes: BoxRule;
  maxNeutral: number;
  heldOut: number;
  maxBad: number;
  perShard: number;
  json?: boolean;
}

export function command(): Command {
  const share = (flag: string) => (text: string) => real(flag, text, 0, 1);
  return new Command()
    .argument("<folder>", "the official training set; names in it are given by the flags")
    .argument("<out>", "a new folder: splits train and test, to be used as `start --data <out>`")
    .option("--videos <name>", "its folder with <id>/frames.hdf5 and <id>/human_boxes.json", "videos")
    .option("--index <name>", "its list of sentences", "index.json")
    .option(
      "--sentiment <name>",
      "its array [sentences, 7] of logits, a row per entry of the list",
      "sentiment_logits.npy",
    )
    .addOption(
      new Option("--boxes <rule>", "how boxes meet pictures: as the official code does, or without its padding error")
        .choices(["compat", "exact"])
        .default("compat"),
    )
    .option("--max-neutral <p>", "largest neutral score of a sentence", share("max-neutral"), published.neutral)
    .option(
      "--held-out <share>",
      "share of the videos that become the split test; at least one",
      share("held-out"),
      0.05,
    )
    .option(
      "--max-bad <share>",
      "share of unreadable sentences that stops the work; they are left out",
      share("max-bad"),
      0.01,
    )
    .option("--per-shard <n>", "clips in a tar file", (text) => whole("per-shard", text, 1, 65536), 256)
    .option("--json", "one JSON object instead of text")
    .addHelpText(
      "after",
      `
Taken are sentences of more than 2 and less than 10 seconds, of at least 3 characters and not neutral, with all their
frames as they are. The set has no labels: training from it measures retrieval only; probe with
npm start -- --eval-bold, or with emotionclip eval.`,
    )
    .action(shards);
}

async function shards(folder: string, out: string, flags: Flags): Promise<void> {
  if (!(await isFolder(folder))) throw new UsageError(`${folder}: is not a folder`);
  if (existsSync(out)) throw new UsageError(`${out}: exists; name a folder that does not`);
  const { videos, index, sentiment, boxes, maxNeutral } = flags;
  const set = TrainingSet.open(folder, { videos, index, sentiment, boxes, neutral: maxNeutral });
  const parts = divide(set, flags.heldOut);
  const progress = new Progress({ phases: [["write shards", set.entries.length * 0.1]] });
  const clips = new Clips(set, flags.maxBad, progress, gracefulStop());
  const made = await written(resolve(out), (split) => clips.of(parts[split]), flags.perShard);
  progress.end();
  if (!made) return printStopped("nothing was written");
  const notes = notesOn(set);
  const result = { listed: set.listed, kept: set.entries.length, leftOut: clips.bad, notes, splits: made };
  for (const note of notes) process.stderr.write(`${note}\n`);
  printResult(flags.json, result, () => page(out, set, made, clips.bad));
}

/** What is to be known before training on a set. */
function notesOn(set: TrainingSet): string[] {
  const { frames } = set.view;
  const short = [...set.entries.keys()].filter((i) => set.frameCount(i) < frames);
  const sentiments = Float32Array.from([...set.entries.keys()].flatMap((i) => [...set.sentiment(i)]));
  return [
    ...(short.length > 0
      ? [
          `${short.length} clips have fewer than the ${frames} frames of the published model, the first: ${set.nameOf(short[0])}`,
        ]
      : []),
    ...(set.entries.length > 1 && isOneSentiment(sentiments)
      ? [
          "the sentiment logits of all sentences are the same: SNCE removes every negative, and nothing can be learnt but with beta 0",
        ]
      : []),
  ];
}

/** The clips of a training set; sentences that cannot be read are left out, until there are too many of them. */
class Clips {
  readonly bad: string[] = [];
  #done = 0;

  constructor(
    private readonly set: TrainingSet,
    private readonly maxBad: number,
    private readonly progress: Meter,
    private readonly stop: StopRequest,
  ) {
    progress.start("write shards", set.entries.length);
  }

  async *of(samples: readonly number[]): AsyncGenerator<Clip> {
    for (const i of samples) {
      if (this.stop.requested !== undefined) throw new Stopped();
      const clip = await clipOf(this.set, i).catch((error: unknown) => this.#leaveOut(error));
      this.progress.at(++this.#done);
      if (clip) yield clip;
    }
  }

  #leaveOut(error: unknown): undefined {
    if (!(error instanceof FormatError)) throw error;
    this.bad.push(error.message);
    this.progress.say(`left out: ${error.message}`);
    const { length: count } = this.set.entries;
    if (this.bad.length > this.maxBad * count)
      throw new HealthError(
        `${this.bad.length} of ${count} sentences cannot be read, allowed are ${this.maxBad}; the last: ${error.message}`,
      );
  }
}

/** Both splits in a new folder, whole or not at all; undefined when a stop was requested on the way. */
async function written(target: string, clips: (split: Split) => AsyncIterable<Clip>, perShard: number) {
  const made: ShardIndex[] = [];
  await makeFolder(dirname(target));
  await removeLeftovers(dirname(target), `${basename(target)}.tmp-`);
  const work = commitFolder(target, async (temporary) => {
    for (const split of ["test", "train"] as const)
      made.push(await writeShards(temporary, split, clips(split), { perShard }));
  });
  return orStopped(work.then(() => made));
}

type Split = "train" | "test";

function page(out: string, set: TrainingSet, made: readonly ShardIndex[], bad: readonly string[]): string {
  const lines = made.map(({ split, samples, shards }) => {
    const bytes = shards.reduce((sum, shard) => sum + shard.bytes, 0);
    return `${split.padEnd(6)}${samples} clips in ${shards.length} tar files, ${(bytes / 1e6).toFixed(1)} MB`;
  });
  return [
    `${set.listed} sentences, ${set.entries.length} pass the filters, ${bad.length} cannot be read`,
    ...lines,
    `train on them: npm start -- --data ${join(out)}`,
    "",
  ].join("\n");
}
