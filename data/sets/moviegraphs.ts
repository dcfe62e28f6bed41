// MovieGraphs: scenes of films, several of 26 classes each.
//
//     official/mg/split.json   official/mg/py3loader/emotion_labels.json   all_human_boxes.json
//     official/mg_videoinfo/{scene_boundaries/<movie>.scenes.gt, video_boundaries/<movie>.videvents}
//     frames/<movie>/frame_<k>.jpg
import { basename } from "node:path";
import { FormatError } from "../../engine/errors.ts";
import { fault } from "../formats/inside.ts";
import { JsonScanner, quoted } from "../formats/json.ts";
import { linspaceFrames } from "../sampling.ts";
import type { BenchmarkSample } from "./benchmark.ts";
import { type Found, readGroupedBoxes } from "./detections.ts";
import { fileLimits, readBytes } from "./files.ts";
import { labels } from "./labels.ts";
import type { Reader } from "./reader.ts";
import { readTable } from "./table.ts";

/** Frames of a clip whose last shot goes on to the end of the film. */
const OPEN_END = 192;
/** Entry 1057 of train: the published film is shorter than its annotation expects. */
const corrected = { movie: "tt0388795", clip: 207, end: 184_272 } as const;

const LABELS = "official/mg/py3loader/emotion_labels.json";

/** Which lists of split.json a split joins. */
const parts: Readonly<Record<string, readonly string[]>> = {
  train: ["train"],
  val: ["val"],
  test: ["test"],
  "train+val": ["train", "val"],
  all: ["train", "val", "test"],
};

export const moviegraphs: Reader = {
  splits: Object.keys(parts),
  kind: "video",
  classes: labels.moviegraphs,
  dimensions: [],
  read({ root, split, frames, switches }) {
    const movies = readSplit(root, parts[split]);
    const notes: string[] = [];
    const clips = [...readLabels(root)].filter(({ movie }) => movies.has(movie));
    if (clips.length === 0) throw new FormatError(`${basename(LABELS)}: has no clip of the films of ${split}`);
    const scenes = new Map<string, Scene[]>();
    const placed = clips.map((entry) => {
      const { movie, clip } = entry;
      if (!scenes.has(movie)) scenes.set(movie, readScenes(root, movie));
      const found = scenes.get(movie)!;
      if (clip >= found.length)
        throw new FormatError(
          `${movie}.scenes.gt: has ${found.length} rows, clip ${clip} of ${basename(LABELS)} needs row ${clip + 1}`,
        );
      let { start, end } = found[clip];
      if (movie === corrected.movie && clip === corrected.clip && parts[split].includes("train")) {
        notes.push(
          `${movie} clip ${clip} ends at frame ${corrected.end} instead of ${end}: the published film is shorter`,
        );
        end = corrected.end;
      }
      if (end < 0) end = start + OPEN_END;
      return { ...entry, names: Array.from(linspaceFrames(start, end, frames), (k) => `frame_${k}.jpg`) };
    });

    const wanted = new Map<string, Found>();
    for (const { movie, names } of placed) {
      const found: Found = wanted.get(movie) ?? new Map();
      for (const name of names) found.set(name, undefined);
      wanted.set(movie, found);
    }
    const file = "all_human_boxes.json";
    readGroupedBoxes(root, file, wanted);

    const samples = placed.map(({ movie, clip, hot, names }): BenchmarkSample => {
      const boxes = names.map((name) => wanted.get(movie)!.get(name));
      const mask = { kind: "detections", at: "resized", rule: switches.boxes, file, boxes } as const;
      const paths = names.map((name) => `frames/${movie}/${name}`);
      const source = { kind: "files", root, frames: paths, resize: 256, mask } as const;
      return { id: `${movie} clip ${clip}`, group: movie, labels: hot, source };
    });
    return { samples, notes };
  },
};

/** The films of the named lists of split.json; a film of two lists is refused. */
function readSplit(root: string, lists: readonly string[]): Set<string> {
  const scanner = jsonAt(root, "official/mg/split.json");
  const listOf = new Map<string, string>();
  const movies = new Set<string>();
  const seen: string[] = [];
  for (const list of scanner.keys()) {
    if (!parts.all.includes(list)) {
      scanner.value(); // a list that no split joins
      continue;
    }
    seen.push(list);
    for (const _ of scanner.members()) {
      const movie = scanner.string();
      const other = listOf.get(movie);
      if (other) scanner.fail(`film ${quoted(movie)} is in ${other} and in ${list}`);
      listOf.set(movie, list);
      if (lists.includes(list)) movies.add(movie);
    }
  }
  scanner.end();
  for (const list of parts.all) if (!seen.includes(list)) scanner.fail(`split ${quoted(list)} is missing`);
  return movies;
}

/** One entry of the file of labels. */
interface Labelled {
  readonly movie: string;
  /** Row of the film's scenes, from 0. */
  readonly clip: number;
  /** 0 or 1 for each class. */
  readonly hot: Uint8Array;
}

/** All clips in the order of the file: an object's own order would put names of digits first. */
function readLabels(root: string): Labelled[] {
  const scanner = jsonAt(root, LABELS);
  const clips: Labelled[] = [];
  for (const movie of scanner.keys()) {
    const wrong = fault(movie) ?? (movie.includes("/") ? "is not a file name" : undefined);
    if (wrong) scanner.fail(`film ${quoted(movie)} ${wrong}`);
    for (const clip of scanner.keys()) {
      if (!/^(0|[1-9]\d{0,8})$/.test(clip))
        scanner.fail(`film ${quoted(movie)} has clip ${quoted(clip)}, expected a number`);
      const hot = new Uint8Array(labels.moviegraphs.length);
      for (const _ of scanner.members()) {
        const name = scanner.string();
        const at = labels.moviegraphs.indexOf(name);
        if (at < 0) scanner.fail(`film ${quoted(movie)}, clip ${clip}: unknown class ${quoted(name)}`);
        hot[at] = 1;
      }
      clips.push({ movie, clip: Number(clip), hot });
    }
  }
  scanner.end();
  return clips;
}

/** Frames of a clip, both included; an end of -1 is the end of the film. */
interface Scene {
  readonly start: number;
  readonly end: number;
}

/** The scenes of a film: its rows count shots from 1. */
function readScenes(root: string, movie: string): Scene[] {
  const starts = readShots(root, movie);
  const scenes: Scene[] = [];
  const columns = ["start_shot", "end_shot", "is_useful"];
  readTable(root, `official/mg_videoinfo/scene_boundaries/${movie}.scenes.gt`, { form: "spaces", columns }, (row) => {
    const first = row.whole("start_shot", 1, starts.length);
    const last = row.whole("end_shot", first, starts.length);
    row.whole("is_useful"); // the official code does not look at it either
    scenes.push({ start: starts[first - 1], end: last < starts.length ? starts[last] - 1 : -1 });
  });
  return scenes;
}

/** First frame of every shot, ascending. The file's first row is not a cut; the first shot starts at 0. */
function readShots(root: string, movie: string): number[] {
  const starts = [0];
  const form = { form: "spaces", columns: ["start_frame", "time_stamp", "kind"], skip: 1 } as const;
  readTable(root, `official/mg_videoinfo/video_boundaries/${movie}.videvents`, form, (row) => {
    row.real("time_stamp", 0);
    starts.push(row.whole("start_frame", starts[starts.length - 1] + 1));
  });
  return starts;
}

function jsonAt(root: string, name: string): JsonScanner {
  return new JsonScanner(readBytes(root, name, fileLimits.split), basename(name));
}
