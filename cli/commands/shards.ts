// `emotionclip shards`: the official training set in its own layout, or a list of one's own clips -> tar shards that
// `start --data` trains from. The folder appears whole or not at all.
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { Command, Option } from "commander";
import { quoted } from "../../data/formats/json.ts";
import { isFolder } from "../../data/footage/files.ts";
import type { BoxRule } from "../../data/pixels/boxes.ts";
import type { ShardIndex } from "../../data/shards/index-file.ts";
import { clipOf, divide } from "../../data/official/clips.ts";
import { published } from "../../data/official/index-file.ts";
import { TrainingSet } from "../../data/official/training-set.ts";
import { UsageError } from "../../engine/errors.ts";
import { isOneSentiment } from "../../train/vanishing.ts";
import { real, refuseFlags, whole } from "../flags.ts";
import { writeContactSheet } from "../contact-sheet.ts";
import { facesIn } from "../face-source.ts";
import { shardsOfFaces } from "../face-shards.ts";
import { shardsOfOwnList } from "../list-shards.ts";
import { ClipsInMaking, splitLines, writtenShards } from "../shard-writing.ts";
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
  fps: number;
  side: number;
  minFrames: number;
  perShard: number;
  fold: number;
  every: number;
  texts: "captions" | "classes";
  classes: string | null;
  out?: string;
  json?: boolean;
}

/** Flags that say something of one kind of source only. */
const ofSet = ["videos", "index", "sentiment", "boxes", "maxNeutral", "heldOut"];
const ofList = ["fps", "side", "minFrames"];
const ofFaces = ["fold", "every", "texts", "classes"];

/** Frames a second of most films: face sets do not tell theirs. */
const FACE_RATE = 25;

export function command(): Command {
  const share = (flag: string) => (text: string) => real(flag, text, 0, 1);
  return new Command()
    .argument(
      "<source>",
      "the folder of the official training set, a .csv file that lists your clips, or faces as dfew:FOLDER",
    )
    .argument("[out]", "a new folder, to be used as `train --train-data <out>` or `start --data <out>`")
    .option("--out <folder>", "the same as the second argument")
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
      "share of unreadable clips that stops the work; they are left out",
      share("max-bad"),
      0.01,
    )
    .option("--per-shard <n>", "clips in a tar file", (text) => whole("per-shard", text, 1, 65536), 256)
    .option(
      "--fps <n>",
      "of a list: frames a second; films are looked at so often, folders hold so many; of faces: what is written (25)",
      (text) => real("fps", text, 0.01, 1000),
      8,
    )
    .option(
      "--side <pixels>",
      "of a list: largest short side of a frame; larger frames are made so large",
      (text) => whole("side", text, 1, 4096),
      256,
    )
    .option(
      "--min-frames <n>",
      "of a list: fewer frames are no clip; the published model takes 8",
      (text) => whole("min-frames", text, 1, 1024),
      8,
    )
    .option("--fold <n>", "of faces: the fold", (text) => whole("fold", text, 1, 5), 1)
    .option("--every <k>", "of faces: every k-th frame is stored", (text) => whole("every", text, 1, 1000), 1)
    .addOption(
      new Option("--texts <which>", "of faces: what is said of a clip, its caption or a text of its class")
        .choices(["captions", "classes"])
        .default("captions"),
    )
    .option("--classes <file>", "of faces: a file of class: text (default: descriptions of our own)", String, null)
    .option("--json", "one JSON object instead of text")
    .addHelpText(
      "after",
      `
A list has a clip in each row: path (a film, or a folder of frames; relative to the list) and caption, and if you have
them start and end (seconds), split, boxes, sentiment and labels (docs/SHARDS.md). Stopped or killed, the same command goes on.

Of the official set taken are sentences of more than 2 and less than 10 seconds, of at least 3 characters and not neutral, with all their
frames as they are. The set has no labels: training from it measures retrieval only; probe with
npm start -- --eval-bold, or with emotionclip eval.`,
    )
    .action(shards);
}

async function shards(source: string, second: string | undefined, flags: Flags, command: Command): Promise<void> {
  const out = outOf(second, flags.out);
  if (existsSync(out)) throw new UsageError(`${out}: exists; name a folder that does not`);
  const faces = facesIn(source);
  if (faces) {
    refuseFlags(command, [...ofSet, "side", "minFrames"], "another source, not of faces");
    const fps = command.getOptionValueSource("fps") === "cli" ? flags.fps : FACE_RATE;
    return shardsOfFaces(faces, out, { ...flags, fps });
  }
  const isList = !(await isFolder(source));
  refuseFlags(
    command,
    [...(isList ? ofSet : ofList), ...ofFaces],
    isList ? "another source, not of a list" : "another source, not of a folder",
  );
  await (isList ? shardsOfOwnList(source, resolve(out), flags) : shardsOfOfficialSet(source, out, flags));
}

function outOf(second: string | undefined, flag: string | undefined): string {
  const out = second ?? flag;
  if (out === undefined) throw new UsageError("missing argument out: the new folder, or --out <folder>");
  if (second !== undefined && flag !== undefined)
    throw new UsageError(`${quoted(second)} and --out ${quoted(flag)}: one folder is made; name it once`);
  return out;
}

async function shardsOfOfficialSet(folder: string, out: string, flags: Flags): Promise<void> {
  const { videos, index, sentiment, boxes, maxNeutral } = flags;
  const set = TrainingSet.open(folder, { videos, index, sentiment, boxes, neutral: maxNeutral });
  const parts = divide(set, flags.heldOut);
  const progress = new Progress({ phases: [["write shards", set.entries.length * 0.1]] });
  const making = {
    count: set.entries.length,
    what: "sentences",
    maxBad: flags.maxBad,
    make: (i: number) => clipOf(set, i),
  };
  const clips = new ClipsInMaking(making, progress, gracefulStop());
  const made = await writtenShards(resolve(out), (split) => clips.of(parts[split]), { perShard: flags.perShard });
  progress.end();
  if (!made) return printStopped("nothing was written");
  const sheet = await writeContactSheet(resolve(out), made);
  const notes = notesOn(set);
  const result = { listed: set.listed, kept: set.entries.length, leftOut: clips.bad, notes, splits: made, sheet };
  for (const note of notes) process.stderr.write(`${note}\n`);
  printResult(flags.json, result, () => page(out, sheet, set, made, clips.bad));
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

function page(
  out: string,
  sheet: string,
  set: TrainingSet,
  made: readonly ShardIndex[],
  bad: readonly string[],
): string {
  return [
    `${set.listed} sentences, ${set.entries.length} pass the filters, ${bad.length} cannot be read`,
    ...splitLines(made),
    `look at them: ${sheet}`,
    `train on them: npm start -- --data ${join(out)}`,
    "",
  ].join("\n");
}
