// `emotionclip timeline`: what a model says of a film over time, window by window, in classes that are described in words.
import { basename, join } from "node:path";
import { Command } from "commander";
import { makeFolder, replaceFile } from "../../data/formats/disk.ts";
import { openBoxes } from "../../data/footage/boxes.ts";
import { shownName } from "../../data/footage/files.ts";
import { type ShownFrame, shownFrames } from "../../data/footage/shown-frames.ts";
import { encodeJpeg } from "../../data/pixels/jpeg.ts";
import { footageResize } from "../../data/pixels/view.ts";
import { unlessStopped, orStopped } from "../../data/threads/long-work.ts";
import { UsageError } from "../../engine/errors.ts";
import { framesOf, frameRows, windowRows } from "../../eval/features/windows.ts";
import { type Matrix, matrix } from "../../eval/matrix.ts";
import { probabilities, zeroShotClassifier, zeroShotLogits } from "../../eval/zero-shot/zero-shot.ts";
import { openPlan, withModel } from "../../model/checkpoint/open-model.ts";
import { tokenizerOf } from "../../model/checkpoint/tokenizer.ts";
import type { VideoText } from "../../model/family.ts";
import { classesOf, refuseTwins, refuseUnknown, templatesOf } from "../class-file.ts";
import { filmTime, type FilmFlags, type OpenedFilm, openFilm, withFilm } from "../film.ts";
import { NO_SUBJECT } from "../flags.ts";
import type { Context, GpuOptions } from "../gpu.ts";
import { type InputFlags, tellRemarks, withInputs } from "../inputs.ts";
import { type Timeline, timelinePage } from "../pages/timeline-page.ts";
import { Progress } from "../terminal/progress.ts";
import { gracefulStop, printStopped } from "../terminal/stop.ts";
import { printResult, warn } from "../terminal/streams.ts";

interface Flags extends InputFlags, FilmFlags {
  readonly classes: string;
  readonly templates?: string;
  readonly out: string;
}

export function command({ gpu }: Context): Command {
  const made = new Command()
    .argument("<film>", "a video file, or a folder of frames")
    .requiredOption(
      "--classes <classes>",
      "a,b,c, or a file: .txt of a class each line, .json or .yaml of class: text or [texts]",
    )
    .option(
      "--templates <file>",
      "prompts with {} for the class: a .txt file of one each line, or emotion for built-in ones",
    )
    .requiredOption("--out <folder>", "where timeline.csv, timeline.json and timeline.html go");
  return withInputs(withFilm(made)).action((film: string, flags: Flags) => run(film, flags, gpu()));
}

/** Length of a window and stride where none are given, in seconds: the paper's clips are 2 to 10 s long. */
const usual = { window: "2", stride: "0.5" } as const;

async function run(film: string, given: Flags, gpu: GpuOptions): Promise<void> {
  const flags = {
    ...given,
    window: given.window ?? usual.window,
    stride: given.stride ?? given.window ?? usual.stride,
  };
  if (flags.boxes.length > 1) throw new UsageError(`--boxes ${flags.boxes.length} times for one film`);
  const classes = await classesOf(flags.classes);
  const templates = flags.templates === undefined ? ["{}"] : await templatesOf(flags.templates);
  const { plan, close } = await openPlan({ ...flags, gpu });
  const notes = tellRemarks(plan);
  const progress = new Progress({
    phases: [
      ["load the model", 5],
      ["texts", 5],
      ["film", 60],
    ],
  });
  try {
    const tokenizer = await tokenizerOf(plan.file, plan.model.takes, flags.bpe);
    refuseUnknown(tokenizer, classes);
    const opened = await openFilm(film, flags, plan.model.takes.frames);
    await makeFolder(flags.out);
    const stop = gracefulStop();
    progress.start("load the model", 1);
    const looked = await withModel(
      plan,
      async (model) => {
        progress.start("texts", classes.length);
        const classifier = await zeroShotClassifier(model, tokenizer, classes, templates, { batch: flags.batchSize });
        refuseTwins(classes, classifier);
        return orStopped(look(model, opened, classifier, flags, progress, stop));
      },
      (done, of) => progress.at(done / of),
    );
    progress.end();
    if (!looked) return printStopped("nothing was written; the same command begins again");
    const timeline: Timeline = {
      film: shownName(film),
      checkpoint: basename(flags.checkpoint),
      classes: classes.map(({ name }) => name),
      ...looked,
      notes,
    };
    await write(flags.out, timeline, looked.thumbnails);
    tell(flags, timeline, opened);
  } finally {
    progress.end();
    await close();
  }
}

/** Small pictures over a film. */
const THUMBNAILS = 12;

/** What the windows come to, and pictures of the film. */
interface Looked {
  readonly windows: Timeline["windows"];
  readonly unseen: number | null;
  readonly frames: number;
  readonly thumbnails: readonly Thumbnail[];
}

export interface Thumbnail {
  readonly seconds: number;
  readonly jpeg: Uint8Array;
}

async function look(
  model: VideoText,
  { reel, windows }: OpenedFilm,
  classifier: Matrix,
  { boxes, boxRule, batchSize }: Flags,
  progress: Progress,
  stop: ReturnType<typeof gracefulStop>,
): Promise<Looked> {
  const subject = boxes.length > 0 ? await openBoxes(boxes[0], boxRule) : undefined;
  const { side, whole } = model.takes;
  const numbers = framesOf(windows);
  const pictured = new Map(
    Array.from({ length: Math.min(THUMBNAILS, windows.length) }, (_, i) => {
      const { frames, start, end } =
        windows[Math.floor(((i + 0.5) * windows.length) / Math.min(THUMBNAILS, windows.length))];
      return [frames[frames.length >> 1], (start + end) / 2] as const;
    }),
  );
  const thumbnails: Thumbnail[] = [];
  const seen = new Set<number>();
  progress.start("film", numbers.length);
  let done = 0;
  const watched = async function* (): AsyncGenerator<ShownFrame> {
    const shown = shownFrames(reel, numbers, { side, resize: footageResize({ side, whole }) }, subject);
    for await (const frame of unlessStopped(shown, stop)) {
      if (frame.isSeen) seen.add(frame.index);
      const seconds = pictured.get(frame.index);
      if (seconds !== undefined) thumbnails.push({ seconds, jpeg: await encodeJpeg(frame.picture, 80) });
      yield frame;
      progress.at(++done);
    }
  };
  const rows: Timeline["windows"][number][] = [];
  const [C, E] = classifier.shape;
  for await (const { window, feature } of windowRows(
    model,
    windows,
    frameRows(model, watched(), batchSize),
    batchSize,
  )) {
    const { data } = probabilities(zeroShotLogits(matrix(1, E, feature), classifier));
    const { start, end, frames } = window;
    rows.push({
      start,
      end,
      probabilities: Array.from(data.subarray(0, C)),
      seen: frames.filter((index) => seen.has(index)).length,
    });
  }
  const unseen = subject ? rows.filter((row) => row.seen === 0).length : null;
  return { windows: rows, unseen, frames: numbers.length, thumbnails };
}

async function write(out: string, timeline: Timeline, thumbnails: readonly Thumbnail[]): Promise<void> {
  const { classes, windows } = timeline;
  const cell = (text: string) => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  const lines = windows.map(({ start, end, probabilities }) =>
    [
      start.toFixed(3),
      end.toFixed(3),
      ...probabilities.map((value) => value.toFixed(6)),
      cell(classes[bestOf(probabilities)]),
    ].join(","),
  );
  const head = ["start", "end", ...classes.map(cell), "highest"].join(",");
  await replaceFile(join(out, "timeline.csv"), `${[head, ...lines].join("\n")}\n`);
  await replaceFile(join(out, "timeline.json"), `${JSON.stringify(timeline, undefined, 1)}\n`);
  await replaceFile(join(out, "timeline.html"), await timelinePage(timeline, thumbnails));
}

/** The place of the largest. */
const bestOf = (values: readonly number[]): number => values.indexOf(Math.max(...values));

function tell({ out, json }: Flags, timeline: Timeline, { windows }: OpenedFilm): void {
  const { unseen, frames, classes } = timeline;
  if (unseen) warn([`${unseen} of ${windows.length} windows: ${NO_SUBJECT}`]);
  const share = (name: number) => timeline.windows.filter(({ probabilities }) => bestOf(probabilities) === name).length;
  printResult(json, { ...timeline, out }, () =>
    [
      `${timeline.film}: ${windows.length} windows from ${filmTime(windows[0].start)} to ${filmTime(windows.at(-1)!.end)}, ${frames} frames looked at`,
      ...classes.map(
        (name, c) => `  ${name.padEnd(Math.max(...classes.map(({ length }) => length)))}  highest in ${share(c)}`,
      ),
      `${join(out, "timeline.html")}, timeline.csv, timeline.json`,
    ].join("\n"),
  );
}
