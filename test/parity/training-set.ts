// The official training set in miniature: frames out of HDF5, the index and its rule, filters, samples, sentences.
import { readdirSync } from "node:fs";
import { basename, posix } from "node:path";
import { labels } from "../../data/sets/labels.ts";
import { readVideoBoxes } from "../../data/sets/detections.ts";
import { openTokenizer } from "../../data/tokenizer/clip.ts";
import { entriesOf, entriesInOrder, isDuplicate } from "../../data/official/build-index.ts";
import { FrameFile } from "../../data/official/frame-file.ts";
import { type ClipEntry, readIndexFile } from "../../data/official/index-file.ts";
import { type CaptionLine, type Sentence, sentencesOf, timedWords } from "../../data/official/sentences.ts";
import { type TrainingSample, TrainingSet } from "../../data/official/training-set.ts";
import type { Check } from "./check.ts";
import type { Verdict } from "./verdict.ts";
import { planes } from "../kit/planes.ts";

interface Expected {
  readonly regroup?: { transcript: CaptionLine[]; labels: string[]; words: object[]; sentences: object[] }[];
  readonly train?: {
    readonly n_index: number;
    readonly samples: readonly Case[];
    readonly kept_with_threshold_1: readonly Kept[];
    readonly "kept_with_threshold_0.05": readonly Kept[];
  };
  readonly [frames: `${string}_hdf5`]: Readonly<Record<string, string>> | undefined;
}

interface Kept {
  readonly video_id: string;
  readonly start_frame: number;
  readonly end_frame: number;
  readonly text: string;
  readonly has_person: number;
}

/** A sample with what the official code drew at random. */
interface Case {
  readonly video_id: string;
  readonly text: string;
  readonly frames: readonly number[];
  readonly crops_ijhw: readonly (readonly [i: number, j: number, h: number, w: number])[];
  readonly mask_pixels: readonly number[];
}

const side = 224;
const expectedBeside = (file: string) => posix.join(posix.dirname(file), "expected.json");
const expectedOf = ({ folder, file }: Verdict) => folder.json<Expected>(expectedBeside(file));
const rootOf = ({ folder, file }: Verdict) => folder.path(posix.join(posix.dirname(file), "train"));

/** The training set: a folder "train" with expected.json beside it. */
export const trainingFolders: Check = {
  takes: (file, folder) =>
    folder.entry(file).kind === "folder" && basename(file) === "train" && folder.has(expectedBeside(file)),
  run: async (verdict) => {
    trainingRules(verdict);
    await builtIndex(verdict);
    await trainingSamples(verdict);
  },
};

/** An HDF5 file whose values expected.json has under its name. */
export const frameFiles: Check = {
  takes: (file, folder) => file.endsWith(".hdf5") && folder.has(expectedBeside(file)),
  run: (verdict) => manyFrames(verdict, basename(verdict.file)),
};

/** Every value of a file of frames, byte for byte. */
export async function manyFrames(verdict: Verdict, name: string): Promise<void> {
  const want = expectedOf(verdict)[`${name.replace(/\.hdf5$/, "")}_hdf5`];
  if (!want) return;
  const file = await FrameFile.open(verdict.folder.path(posix.dirname(verdict.file)), name);
  try {
    const numbers = file.numbers();
    const got = numbers.map((number) => [
      `${String(number).padStart(8, "0")}.jpg`,
      Buffer.from(file.read(number)).toString("hex"),
    ]);
    verdict.same(name, got, Object.entries(want).sort());
  } finally {
    file.close();
  }
}

/** Transcripts cut into words, and words joined to sentences. */
export function regrouped(verdict: Verdict): void {
  for (const [i, each] of (expectedOf(verdict).regroup ?? []).entries()) {
    const words = timedWords(each.transcript);
    verdict.same(`regroup ${i}: words`, words, each.words);
    verdict.same(`regroup ${i}: sentences`, sentencesOf(words, each.labels), each.sentences);
  }
}

/** Which entries the index has, and which of them pass the filters. */
export function trainingRules(verdict: Verdict): void {
  const { train } = expectedOf(verdict);
  if (!train) return;
  verdict.same("train: n_index", readIndexFile(rootOf(verdict), "index.json").length, train.n_index);
  for (const [neutral, want] of [
    [1, train.kept_with_threshold_1],
    [0.05, train["kept_with_threshold_0.05"]],
  ] as const) {
    const kept = TrainingSet.open(rootOf(verdict), { neutral }).entries.map(
      ({ videoId, startFrame, endFrame, text, hasPerson }): Kept => {
        return { video_id: videoId, start_frame: startFrame, end_frame: endFrame, text, has_person: hasPerson };
      },
    );
    verdict.same(`train: kept with threshold ${neutral}`, kept, want);
  }
}

/** The index made of captions, frames, boxes and scores is the one that lies there. */
async function builtIndex(verdict: Verdict): Promise<void> {
  const root = rootOf(verdict);
  const file = (name: string) => posix.join(posix.dirname(verdict.file), "train", name);
  const scores = verdict.folder.json<Record<string, number[]>>(file("neutral_scores.json"));
  const duplicates = new Set<string>(labels.bold_duplicate_youtube_ids);
  const videos = readdirSync(verdict.folder.path(file("videos")));
  const entries: ClipEntry[] = [];
  for (const videoId of readdirSync(verdict.folder.path(file("captions")))) {
    if (isDuplicate(videoId, duplicates) || !videos.includes(videoId)) continue;
    const sentences = verdict.folder.json<Sentence[]>(file(`captions/${videoId}/transcript_cleaned.json`));
    const frames = await FrameFile.open(root, `videos/${videoId}/frames.hdf5`);
    const boxes = readVideoBoxes(root, `videos/${videoId}/human_boxes.json`);
    const numbers = new Set(frames.numbers());
    frames.close();
    entries.push(...entriesOf({ videoId, sentences, neutralScores: scores[videoId], frames: numbers, boxes }));
  }
  verdict.same(
    "train: the index made again",
    entriesInOrder(entries).map(flat),
    readIndexFile(root, "index.json").map(flat),
  );
}

/** Fields in one order. */
const flat = (entry: ClipEntry) => Object.entries(entry).sort(([a], [b]) => (a < b ? -1 : 1));

/** Numbers of mask pixels of the samples, shown as the official code drew them. */
export async function trainingSamples(verdict: Verdict): Promise<void> {
  for (const [i, item] of (expectedOf(verdict).train?.samples ?? []).entries()) {
    const { mask } = await shown(verdict, item);
    const counts = item.frames.map((_, t) => sum(mask.subarray(t * side * side, (t + 1) * side * side)));
    verdict.same(`train ${i}: mask_pixels`, counts, item.mask_pixels);
  }
}

const sum = (values: Uint8Array) => values.reduce((total, value) => total + value, 0);

function shown(verdict: Verdict, { video_id, text, frames, crops_ijhw }: Case): Promise<TrainingSample> {
  const set = TrainingSet.open(rootOf(verdict));
  const i = set.entries.findIndex((entry) => entry.videoId === video_id && entry.text === text);
  const crop = (slot: number) => {
    const [y, x, height, width] = crops_ijhw[slot];
    return { x, y, width, height };
  };
  return set.show(i, { numbers: frames, crop });
}

/** Pixels, masks, tokens and logits of the samples; `means` averages squares of step x step pixels. */
export async function trainingTensors(
  verdict: Verdict,
  means: (step: number, planes: ArrayLike<number>) => Float32Array,
): Promise<void> {
  const tensors = verdict.folder.tensors(verdict.file);
  for (const [i, item] of (expectedOf(verdict).train?.samples ?? []).entries()) {
    const { mask, text, sentiment, ...sample } = await shown(verdict, item);
    const frames = planes(sample.frames, side);
    const got: Record<string, ArrayLike<number>> = {
      video16: means(16, frames),
      mask32: means(32, mask),
      text: (await openTokenizer()).encode(text, 77),
      sentiment_logits: sentiment,
      frame0: everyFourth(frames),
      mask_full: mask,
    };
    for (const [what, values] of Object.entries(got))
      if (tensors.has(`train.${i}.${what}`)) await verdict.tensor(`train.${i}.${what}`, values);
  }
}

/** Every fourth pixel of the first frame's three planes. */
function everyFourth(frames: Float32Array): Float32Array {
  const small = side / 4;
  return Float32Array.from({ length: 3 * small * small }, (_, i) => {
    const [plane, y, x] = [Math.floor(i / small / small), Math.floor(i / small) % small, i % small];
    return frames[plane * side * side + 4 * y * side + 4 * x];
  });
}
