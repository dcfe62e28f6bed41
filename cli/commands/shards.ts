// `emotionclip shards`: the official training set in its own layout -> tar shards that `start --data` trains from. The folder
// appears whole or not at all.
import { existsSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { Command, Option } from "commander";
import type { Clip } from "../../data/shards/clip.ts";
import { commitFolder, makeFolder, removeLeftovers } from "../../data/formats/disk.ts";
import { isFolder } from "../../data/footage/files.ts";
import type { BoxRule } from "../../data/pixels/mask.ts";
import type { ShardIndex } from "../../data/shards/index-file.ts";
import { writeShards } from "../../data/shards/writer.ts";
import { clipOf, divide } from "../../data/official/clips.ts";
import { published } from "../../data/official/index-file.ts";
import { TrainingSet } from "../../data/official/training-set.ts";
import { FormatError, HealthError, UsageError } from "../../engine/errors.ts";
import { Progress } from "../terminal/progress.ts";
import { gracefulStop } from "../terminal/stop.ts";

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

/** The command as the table of cli/cli.ts takes it. */
export function command(): Command {
  const share = (flag: string) => numberOf(flag, 0, 1);
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
    .option("--max-neutral <p>", "largest neutral score of a sentence", share("--max-neutral"), published.neutral)
    .option(
      "--held-out <share>",
      "share of the videos that become the split test; at least one",
      share("--held-out"),
      0.05,
    )
    .option(
      "--max-bad <share>",
      "share of unreadable sentences that stops the work; they are left out",
      share("--max-bad"),
      0.01,
    )
    .option("--per-shard <n>", "clips in a tar file", numberOf("--per-shard", 1, 65536, true), 256)
    .option("--json", "one JSON object instead of text")
    .addHelpText(
      "after",
      `
Taken are sentences of more than 2 and less than 10 seconds, of at least 3 characters and not neutral, with all their
frames as they are. The set has no labels: training from it measures retrieval only; probe with --eval-bold or eval.`,
    )
    .action(shards);
}

function numberOf(flag: string, least: number, most: number, isWhole = false): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (/^\d*\.?\d+$/.test(text) && value >= least && value <= most && (!isWhole || Number.isInteger(value)))
      return value;
    throw new UsageError(
      `${flag}: "${text.slice(0, 40)}" is not a ${isWhole ? "whole " : ""}number from ${least} to ${most}`,
    );
  };
}

async function shards(folder: string, out: string, flags: Flags): Promise<void> {
  if (!(await isFolder(folder))) throw new UsageError(`${folder}: is not a folder`);
  if (existsSync(out)) throw new UsageError(`${out}: exists; name a folder that does not`);
  const { videos, index, sentiment, boxes, maxNeutral } = flags;
  const set = TrainingSet.open(folder, { videos, index, sentiment, boxes, neutral: maxNeutral });
  const parts = divide(set, flags.heldOut);
  const progress = new Progress({ phases: [["write shards", set.entries.length * 0.1]] });
  const stop = gracefulStop();
  const bad: string[] = [];
  let done = 0;

  async function* clips(samples: readonly number[]): AsyncGenerator<Clip> {
    for (const i of samples) {
      if (stop.requested !== undefined) throw new Stopped();
      const clip = await clipOf(set, i).catch((error: unknown) => leaveOut(error));
      progress.at(++done);
      if (clip) yield clip;
    }
  }
  function leaveOut(error: unknown): undefined {
    if (!(error instanceof FormatError)) throw error;
    bad.push(error.message);
    progress.say(`left out: ${error.message}`);
    if (bad.length > flags.maxBad * set.entries.length)
      throw new HealthError(
        `${bad.length} of ${set.entries.length} sentences cannot be read, allowed are ${flags.maxBad}; the last: ${error.message}`,
      );
  }

  const made: ShardIndex[] = [];
  const target = resolve(out);
  await makeFolder(dirname(target));
  await removeLeftovers(dirname(target), `${basename(target)}.tmp-`);
  progress.start("write shards", set.entries.length);
  try {
    await commitFolder(target, async (temporary) => {
      for (const split of ["test", "train"] as const)
        made.push(await writeShards(temporary, split, clips(parts[split]), { perShard: flags.perShard }));
    });
  } catch (error) {
    if (!(error instanceof Stopped)) throw error;
    progress.end();
    process.stdout.write("stopped; nothing was written\n");
    return;
  }
  progress.end();
  const counts = { listed: set.listed, kept: set.entries.length, leftOut: bad };
  process.stdout.write(flags.json ? `${JSON.stringify({ ...counts, splits: made })}\n` : page(out, set, made, bad));
}

/** Ends the writers when somebody asked for it. */
class Stopped extends Error {}

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
