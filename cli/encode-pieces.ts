// `emotionclip encode` with rows of windows or of single frames: the films opened, the model asked, the rows written and told.
import { basename, join } from "node:path";
import { replaceFile } from "../data/formats/disk.ts";
import { shownName } from "../data/footage/files.ts";
import { orStopped } from "../data/threads/long-work.ts";
import { FormatError } from "../engine/errors.ts";
import { openPlan, withModel } from "../model/checkpoint/open-model.ts";
import { type EncodedFilms, encodeFilms, encodeFilmsApart, type FilmWork, stampOfFiles } from "./encode-films.ts";
import { writeFeatures } from "./feature-file.ts";
import { type FilmFlags, openFilm } from "./film.ts";
import { checkRows, type RowKind } from "./film-rows.ts";
import { FEW_FRAMES, NO_SUBJECT } from "./flags.ts";
import { checkKind, type InputFlags, subjectsOf, tellRemarks } from "./inputs.ts";
import { Progress } from "./terminal/progress.ts";
import { gracefulStop, printStopped } from "./terminal/stop.ts";
import { printResult, warn } from "./terminal/streams.ts";

export interface PieceFlags extends InputFlags, FilmFlags {
  readonly out?: string;
  readonly perClip?: string;
  readonly rows?: RowKind;
  readonly maxBad: number;
}

export const encodePhases = [
  ["load the model", 5],
  ["encode", 30],
] as const;

/** Rows of windows or of single frames. */
export async function encodePieces(
  kind: "video" | "frames",
  paths: readonly string[],
  given: PieceFlags,
): Promise<void> {
  const flags = { ...given, rows: given.rows ?? "window" };
  checkRows(flags);
  const { plan, close } = await openPlan(flags);
  const notes = tellRemarks(plan);
  const progress = new Progress({ phases: encodePhases });
  try {
    const subjects = await subjectsOf(flags, paths.length);
    if (flags.perClip === undefined) for (const path of paths) await checkKind(kind, path);
    await openFilm(paths[0], flags, 1).catch((error) => {
      // of many films one may be bad
      if (flags.perClip === undefined || !(error instanceof FormatError)) throw error;
    });
    const stop = gracefulStop();
    progress.start("load the model", 1);
    const work: FilmWork = { kind, paths, subjects, flags, stamp: await stampOf(plan.file.path, flags) };
    const made = await orStopped(
      withModel(
        plan,
        (model) =>
          flags.perClip === undefined
            ? encodeFilms(model, work, progress, stop)
            : encodeFilmsApart(model, work, { folder: flags.perClip, maxBad: flags.maxBad }, progress, stop),
        (done, of) => progress.at(done / of),
      ),
    );
    progress.end();
    if (!made) return printStopped(flags.perClip ? "the same command goes on" : "nothing was written");
    await tellFilms(flags, { kind, checkpoint: basename(flags.checkpoint), row: flags.rows }, made, notes);
  } finally {
    progress.end();
    await close();
  }
}

/** What rows depend on beside the film. */
async function stampOf(
  weights: string,
  { config, boxes, boxRule, start, end, window, stride, fps, rows }: PieceFlags,
): Promise<string> {
  const files = await stampOfFiles([weights, ...(config === undefined ? [] : [config]), ...boxes]);
  return JSON.stringify([files, boxRule, start, end, window, stride, fps, rows]);
}

/** Writes what all films came to, and says it. */
async function tellFilms(
  { out, perClip, json }: PieceFlags,
  about: { readonly kind: string; readonly checkpoint: string; readonly row: RowKind },
  made: EncodedFilms,
  notes: readonly string[],
): Promise<void> {
  const { films, features, bad, kept } = made;
  const rows = films.reduce((sum, { times }) => sum + times.length, 0);
  const unseen = films.filter(({ unseen }) => unseen !== null && unseen > 0);
  const short = films.filter(({ short }) => short > 0);
  if (features && out !== undefined) {
    const ids = films.flatMap(({ input, times }) => times.map(() => input));
    await writeFeatures(out, { ...about, ids, times: films.flatMap(({ times }) => times) }, features);
  }
  if (perClip !== undefined)
    await replaceFile(join(perClip, "manifest.json"), `${JSON.stringify({ ...about, films, bad }, undefined, 1)}\n`);
  for (const { input, unseen: count, times } of unseen)
    warn([`${shownName(input)}: ${count} of ${times.length} rows: ${NO_SUBJECT}`]);
  for (const { input, short: count, times } of short)
    warn([`${shownName(input)}: ${count} of ${times.length} rows ${FEW_FRAMES}`]);
  if (bad.length > 0) warn([`${bad.length} of ${bad.length + films.length} films cannot be read and are left out`]);
  const told = { ...about, out: out ?? perClip, rows, films, bad, kept, notes };
  const earlier = kept > 0 ? `, ${kept} of them from an earlier call` : "";
  printResult(
    json,
    told,
    () =>
      `${out ?? perClip}: ${rows} rows of ${films.length} ${films.length === 1 ? "film" : "films"}${earlier}, of unit length`,
  );
}
