// `emotionclip timeline`: what a model says of a film over time, window by window, in classes that are described in words.
import { basename, join } from "node:path";
import { Command } from "commander";
import { makeFolder, replaceFile } from "../../data/formats/disk.ts";
import { openBoxes } from "../../data/footage/boxes.ts";
import { shownName } from "../../data/footage/files.ts";
import { orStopped } from "../../data/threads/long-work.ts";
import { UsageError } from "../../engine/errors.ts";
import { zeroShotClassifier } from "../../eval/zero-shot/zero-shot.ts";
import { openPlan, withModel } from "../../model/checkpoint/open-model.ts";
import { tokenizerOf } from "../../model/checkpoint/tokenizer.ts";
import { classesOf, refuseTwins, refuseUnknown, templatesOf } from "../class-file.ts";
import { type FilmFlags, filmTime, openFilm, type OpenedFilm, withFilm } from "../film.ts";
import { filmClasses, type FilmSubject } from "../film-classes.ts";
import { type TrackFlags, trackSubjects, withTracks } from "../film-tracks.ts";
import { filmWords, type WordFlags, withWords } from "../film-words.ts";
import { FEW_FRAMES, NO_SUBJECT, refuseFlags } from "../flags.ts";
import type { Context, GpuOptions } from "../gpu.ts";
import { type InputFlags, tellRemarks, withInputs } from "../inputs.ts";
import { bestOf, linesWithClasses, type FilmTimeline, timelineCsv } from "../timeline.ts";
import { timelinePage } from "../pages/timeline-page.ts";
import { Progress } from "../terminal/progress.ts";
import { gracefulStop, printStopped } from "../terminal/stop.ts";
import { printResult, warn } from "../terminal/streams.ts";

interface Flags extends InputFlags, FilmFlags, WordFlags, TrackFlags {
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
  return withInputs(withTracks(withWords(withFilm(made)))).action((film: string, flags: Flags, command: Command) => {
    if (flags.people === undefined)
      refuseFlags(command, ["tracks", "boxesFps"], "the tracks in a file of --people, which is not given");
    return run(film, flags, gpu());
  });
}

/** Length of a window and stride where none are given, in seconds: the paper's clips are 2 to 10 s long. */
const usual = { window: "2", stride: "0.5" } as const;

async function run(path: string, given: Flags, gpu: GpuOptions): Promise<void> {
  const { window, stride = window } = given;
  const flags = { ...given, window: window ?? usual.window, stride: stride ?? usual.stride };
  const classes = await classesOf(flags.classes);
  const templates = flags.templates === undefined ? ["{}"] : await templatesOf(flags.templates);
  const { plan, close } = await openPlan({ ...flags, gpu });
  const remarks = tellRemarks(plan);
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
    const film = await openFilm(path, flags, plan.model.takes.frames);
    const words = await filmWords(path, film, flags);
    const { subjects, notes: people } = await subjectsOf(path, film, flags);
    await makeFolder(flags.out);
    const stop = gracefulStop();
    progress.start("load the model", 1);
    const seen = await withModel(
      plan,
      async (model) => {
        progress.start("texts", classes.length);
        const classifier = await zeroShotClassifier(model, tokenizer, classes, templates, { batch: flags.batchSize });
        refuseTwins(classes, classifier);
        return orStopped(filmClasses(model, film, subjects, { classifier, batch: flags.batchSize }, progress, stop));
      },
      (done, of) => progress.at(done / of),
    );
    progress.end();
    if (!seen) return printStopped("nothing was written; the same command begins again");
    const { thumbnails, hidden, ...found } = seen;
    if (found.subjects.length === 0)
      throw new UsageError(`--people: no window shows any of ${hidden.join(", ")}; --stride makes more windows`);
    const told = [
      ...shortNotes(found.short, film.windows.length),
      ...people,
      ...hidden.map((name) => `people: no window shows ${name}`),
      ...(words?.notes ?? []),
    ];
    const timeline: FilmTimeline = {
      film: shownName(path),
      checkpoint: basename(flags.checkpoint),
      classes: classes.map(({ name }) => name),
      ...found,
      words: words && { source: words.source, lines: linesWithClasses(words.lines, found.subjects) },
      notes: [...remarks, ...told],
    };
    await replaceFile(join(flags.out, "timeline.csv"), timelineCsv(timeline));
    await replaceFile(join(flags.out, "timeline.json"), `${JSON.stringify(timeline, undefined, 1)}\n`);
    await replaceFile(join(flags.out, "timeline.html"), await timelinePage(timeline, thumbnails));
    warn(told);
    tell(flags, timeline);
  } finally {
    progress.end();
    await close();
  }
}

const shortNotes = (short: number, windows: number): string[] =>
  short === 0 ? [] : [`${short} of ${windows} windows ${FEW_FRAMES}`];

async function subjectsOf(
  path: string,
  film: OpenedFilm,
  { boxes, boxRule, people, ...flags }: Flags,
): Promise<{ subjects: readonly FilmSubject[]; notes: readonly string[] }> {
  if (boxes.length > 1) throw new UsageError(`--boxes ${boxes.length} times for one film`);
  if (people !== undefined && boxes.length > 0)
    throw new UsageError("--people and --boxes: one of them says who is looked at");
  if (people !== undefined) return trackSubjects(path, film, { ...flags, boxes, boxRule, people });
  const [given] = boxes;
  const marked =
    given === undefined ? { name: "everybody" } : { name: "the marked one", boxes: await openBoxes(given, boxRule) };
  return { subjects: [marked], notes: [] };
}

function tell({ out, json }: Flags, timeline: FilmTimeline): void {
  const { subjects, classes, film, frames } = timeline;
  const wide = Math.max(...classes.map(({ length }) => length));
  for (const { subject, windows, unseen } of subjects)
    if (unseen && windows.some(({ seen }) => seen === 0))
      warn([`${subject}: ${unseen} of ${windows.length} windows: ${NO_SUBJECT}`]);
  const about = subjects.flatMap(({ subject, windows }) => [
    `${subject}: ${windows.length} windows from ${filmTime(windows[0].start)} to ${filmTime(windows.at(-1)!.end)}`,
    ...classes.map((name, c) => {
      const count = windows.filter(({ probabilities }) => bestOf(probabilities) === c).length;
      return `  ${name.padEnd(wide)}  highest in ${count}`;
    }),
  ]);
  printResult(json, { ...timeline, out }, () =>
    [
      `${film}: ${frames} frames looked at`,
      ...about,
      `${join(out, "timeline.html")}, timeline.csv, timeline.json`,
    ].join("\n"),
  );
}
