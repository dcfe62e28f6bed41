// The work of `emotionclip regress` before and after the fits: rows of features for rows of scores, and predictions as a table.
import { dirname } from "node:path";
import type { FaceView } from "../data/faces/clips.ts";
import { squareOf } from "../data/pixels/side.ts";
import type { StopRequest } from "../data/threads/long-work.ts";
import { FormatError } from "../engine/errors.ts";
import { KeptFeatures } from "../eval/features/clips.ts";
import { viewKey } from "../eval/features/face-clips.ts";
import { frameWeightsHash } from "../eval/features/kept.ts";
import { ownClips } from "../eval/features/own-clips.ts";
import { matchNotes, matchRows, readFeatureRows } from "../eval/features/rows.ts";
import { type Matrix, takeRows } from "../eval/matrix.ts";
import type { ModelResult } from "../eval/regression/protocol.ts";
import type { ScoreFile } from "../eval/regression/scores-file.ts";
import { withModel } from "../model/checkpoint/open-model.ts";
import type { LoadPlan } from "../model/index.ts";
import type { Progress } from "./terminal/progress.ts";

/** Features of some rows of a table, in order. */
export interface FoundRows {
  readonly features: Matrix;
  /** Their numbers in the table. */
  readonly rows: readonly number[];
  readonly bad: readonly string[];
  readonly notes: readonly string[];
}

/** Rows of a file, matched with the table by id or by order. */
export async function rowsFromFile(path: string, table: ScoreFile): Promise<FoundRows> {
  const given = await readFeatureRows(path, "a table of scores");
  const matched = matchRows(given, table);
  return {
    features: takeRows(
      given.features,
      matched.map(({ feature }) => feature),
    ),
    rows: matched.map(({ label }) => label),
    bad: [],
    notes: matchNotes(given, table, matched),
  };
}

/** How clips of a table become features. */
export interface ClipRequest {
  /** What relative paths lie below; the table's own folder unless given. */
  readonly clips?: string;
  readonly every: number;
  readonly maxBad: number;
  readonly batch?: number;
  readonly cache?: string;
}

/** Features of the clips that the table names, kept; undefined where a stop was asked for on the way. */
export async function rowsFromClips(
  plan: LoadPlan,
  path: string,
  table: ScoreFile,
  { clips: folder = dirname(path), every, maxBad, batch, cache }: ClipRequest,
  progress: Progress,
  stop: StopRequest,
): Promise<FoundRows | undefined> {
  const { told, file } = table;
  if (!told.path) throw new FormatError(`${file}: has no column path, where the clips lie`);
  const { frames: length, colours = "imagenet" } = plan.model.takes;
  const side = squareOf(plan.model.takes.side, "regress: clips are shown");
  const view: FaceView = { length, every, side, colours, window: "centre", augment: false };
  const { clips, counts } = await ownClips(told.path, folder, view, { seed: 0, whole: plan.model.takes.whole });
  const kept = await KeptFeatures.open(
    clips,
    {
      benchmark: "scores",
      split: "all",
      checkpoint: await frameWeightsHash(plan),
      input: viewKey(view, 0),
      width: plan.model.embed,
    },
    { folder: cache, say: (line) => progress.say(line) },
  );
  try {
    progress.start("features", clips.length, kept.done);
    if (!kept.isComplete)
      await withModel(plan, (model) => kept.fill(model, { batch, maxBad, stop, at: (done) => progress.at(done) }));
    if (!kept.isComplete) return undefined;
    const found = await kept.read(maxBad);
    return {
      features: found.features,
      rows: found.kept,
      bad: found.bad.map(({ reason }) => reason),
      notes: [
        `clips: ${counts.folder} folders of frames, ${counts.film} films`,
        ...(found.bad.length > 0
          ? [`${found.bad.length} of ${clips.length} clips cannot be read and are left out`]
          : []),
        ...(plan.model.takes.subject ? ["the model is told of no subject: the masks are empty"] : []),
      ],
    };
  } finally {
    await kept.close();
  }
}

/** Truth and predictions of every row that was held out, as a table. */
export function predictionsCsv(
  { names, scores, told, ids }: ScoreFile,
  rows: readonly number[],
  results: readonly ModelResult[],
): string {
  const cell = (text: string) => (/[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  const value = (number: number) => (Number.isNaN(number) ? "" : String(number));
  const Q = names.length;
  const head = ["id", "subject", ...names, ...results.flatMap(({ model }) => names.map((name) => `${model}:${name}`))];
  const lines = rows.map((n, i) => [
    cell(ids?.[n] ?? `row ${n + 1}`),
    cell(told.subject?.[n] ?? ""),
    ...names.map((_, q) => value(scores.data[n * Q + q])),
    ...results.flatMap(({ predicted }) => names.map((_, q) => value(predicted.data[i * Q + q]))),
  ]);
  return `${[head.map(cell), ...lines].map((line) => line.join(",")).join("\n")}\n`;
}
