// `emotionclip ingest`: films with their subtitles -> tar shards that `train` takes, in stages that each go on where they were.
import { join, resolve } from "node:path";
import { readFile } from "node:fs/promises";
import { Command } from "commander";
import { replaceFile } from "../../data/formats/disk.ts";
import { orStopped } from "../../data/threads/long-work.ts";
import { isFolder } from "../../data/footage/files.ts";
import { usualLooks } from "../../ingest/frames.ts";
import { type IngestOptions, ingestFilms, ingestPhases } from "../../ingest/ingest.ts";
import { type Ingested, totalsOf } from "../../ingest/report.ts";
import { openDetector } from "../../ingest/onnx-detector.ts";
import { type GpuScorer, robertaScorer } from "../../ingest/roberta-scorer.ts";
import { fileScorer, type Scorer, uniformScorer } from "../../ingest/sentiment.ts";
import { subjectChoice } from "../../ingest/subject.ts";
import { writeContactSheet } from "../contact-sheet.ts";
import { withSubtitleChoice } from "../film-words.ts";
import { boxRule, real, whole } from "../flags.ts";
import type { Context, GpuOptions } from "../gpu.ts";
import { ingestPage } from "../pages/ingest-page.ts";
import { splitLines } from "../shard-writing.ts";
import { Progress } from "../terminal/progress.ts";
import { gracefulStop, printStopped } from "../terminal/stop.ts";
import { printResult, visible, warn } from "../terminal/streams.ts";

interface Flags extends Omit<IngestOptions, "scorer" | "test" | "detector"> {
  detector?: string;
  personClass?: number;
  out: string;
  sentiment?: string;
  test?: string;
  json?: boolean;
}

export function command({ gpu }: Context): Command {
  const seconds = (flag: string) => (text: string) => real(flag, text, 0, 3600);
  const share = (flag: string) => (text: string) => real(flag, text, 0, 1);
  const made = new Command()
    .argument("<folder>", "films, each with its .srt, .vtt or the .json of WhisperX or whisper.cpp beside it or inside")
    .requiredOption("--out <shards>", "the folder of the shards; an earlier one is brought up to date");
  return withSubtitleChoice(made)
    .option("--pause <s>", "seconds of silence that end a sentence", seconds("pause"), 2)
    .option(
      "--sentiment <path>",
      "the folder of a RoBERTa classifier, what `emotionclip sentiment` makes of work/sentences.txt, or a .json file of text: seven logits; without it 0",
    )
    .option("--max-neutral <p>", "largest neutral score of a sentence", share("max-neutral"), 0.05)
    .option("--min-seconds <s>", "sentences are longer than this", seconds("min-seconds"), 2)
    .option("--max-seconds <s>", "and shorter than this", seconds("max-seconds"), 10)
    .option("--min-frames <n>", "fewer frames are no clip", (text) => whole("min-frames", text, 1, 1024), 8)
    .option("--min-person <share>", "share of a clip's frames that show somebody", share("min-person"), 0)
    .option(
      "--scene <score>",
      "ffmpeg's scene score of a cut, 0 seeks none; a list of PySceneDetect goes before",
      share("scene"),
      usualLooks.scene,
    )
    .addOption(boxRule())
    .option(
      "--boxes-fps <n>",
      "frames a second that numbers in files of boxes count, where it is not the film's",
      (text) => real("boxes-fps", text, 0.01, 1000),
    )
    .option(
      "--detector <file>",
      "an .onnx detector, as of D-FINE, RT-DETR or YOLOX, that seeks people in films without a file of boxes",
    )
    .option("--person-class <n>", "the detector's class of people, where its shapes do not tell it", (text) =>
      whole("person-class", text, 0, 100_000),
    )
    .option(
      "--min-confidence <p>",
      "boxes of at most this confidence count as nobody",
      share("min-confidence"),
      usualLooks.minConfidence,
    )
    .option(
      "--subject <who>",
      "whose boxes a clip has: all, as published, or of each shot the largest, central or longest, or track:N",
      subjectChoice,
      "all" as const,
    )
    .option("--fps <n>", "frames a second", (text) => real("fps", text, 0.01, 1000), usualLooks.fps)
    .option(
      "--side <pixels>",
      "largest short side of a frame; larger ones are made so large",
      (text) => whole("side", text, 1, 4096),
      256,
    )
    .option("--per-shard <n>", "clips in a tar file", (text) => whole("per-shard", text, 1, 65536), 256)
    .option(
      "--held-out <share>",
      "share of the films that become the split test; at least one",
      share("held-out"),
      0.05,
    )
    .option("--test <films>", "these films instead, separated by commas")
    .option("--json", "one JSON object instead of text")
    .action((folder: string, flags: Flags) => ingest(folder, flags, gpu()));
}

/** Who says what sentences feel like. */
async function scorerOf(path: string | undefined, out: string, gpu: GpuOptions): Promise<Scorer & Partial<GpuScorer>> {
  if (path === undefined) return uniformScorer;
  return (await isFolder(path)) ? robertaScorer(path, gpu) : fileScorer(path, join(out, "work", "sentences.txt"));
}

async function ingest(folder: string, flags: Flags, gpu: GpuOptions): Promise<void> {
  const out = resolve(flags.out);
  const scorer = await scorerOf(flags.sentiment, out, gpu);
  const test = flags.test?.split(",").map((name) => name.trim());
  const progress = new Progress({ phases: ingestPhases.map((name) => [name, 1] as const) });
  const work = async () => {
    const detector = flags.detector === undefined ? undefined : await openDetector(flags.detector, flags);
    if (detector) warn([detector.about]);
    return ingestFilms(folder, out, { ...flags, scorer, test, detector }, progress, gracefulStop()).finally(() =>
      detector?.close(),
    );
  };
  const made = await orStopped(work().finally(() => scorer.close?.()));
  progress.end();
  if (!made) return printStopped(`what is finished is in ${flags.out}; the same command goes on`);
  const notes = notesOn(made, scorer.tells);
  warn(notes);
  const sheet = await writeContactSheet(out, made.splits);
  const { films, leftOut, passedOver, splits, sentiment } = made;
  const report = join(out, "report.html");
  const result = { ...totalsOf(films), films, leftOut, passedOver, sentiment, splits, notes, sheet, report };
  await replaceFile(report, ingestPage(made, notes, await readFile(sheet)));
  await replaceFile(join(out, "report.json"), `${JSON.stringify(result, null, 1)}\n`);
  printResult(flags.json, result, () => page(flags.out, made));
}

/** What is to be known before training. */
const notesOn = ({ splits, films }: Ingested, tells: boolean): string[] => [
  ...(tells
    ? []
    : [
        "the sentences have no sentiment: none is dropped as neutral, and every clip gets seven logits of 0. Train with `train --beta 0`, which is InfoNCE: with any other SNCE removes every negative",
      ]),
  ...(films.some(({ people }) => !people)
    ? [
        `nobody looked for people in ${films.filter(({ people }) => !people).length} of ${films.length} films: the masks of their clips are empty; put files of boxes beside them, or name a --detector (docs/guide/own-videos.md)`,
      ]
    : []),
  ...(splits.some(({ split }) => split === "test")
    ? []
    : [
        `all clips are of the split ${splits[0].split}: films are held out, and ${films.length} ${films.length === 1 ? "is" : "are"} too few`,
      ]),
];

function page(out: string, { films, leftOut, passedOver, splits }: Ingested): string {
  const { seconds, sentences, kept, dropped } = totalsOf(films);
  const reasons = Object.entries(dropped).sort(([, a], [, b]) => b - a);
  return [
    `${films.length} films of ${(seconds / 60).toFixed(1)} minutes, ${sentences} sentences, ${kept} clips`,
    ...reasons.map(([reason, n]) => `  dropped ${n}: ${reason}`),
    ...(leftOut.length > 0 ? [`${leftOut.length} films left out`] : []),
    ...leftOut.map(({ why }) => `  ${visible(why)}`),
    ...(passedOver > 0 ? [`${passedOver} other files passed over`] : []),
    ...splitLines(splits),
    `look at them: ${join(out, "report.html")}`,
    `train on them: emotionclip train --train-data ${out}`,
  ].join("\n");
}
