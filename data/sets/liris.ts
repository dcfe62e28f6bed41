// LIRIS-ACCEDE as MediaEval 2018 used it: films with valence and arousal for every second.
//
//     annotations/<dir>/annotations/<video>_Valence-Arousal.txt   frames/<video>.mp4/%08d.jpg   bboxes/<video>.mp4/human_boxes.json
import { basename } from "node:path";
import { FormatError } from "../../engine/errors.ts";
import type { Detection } from "../pixels/boxes.ts";
import type { BenchmarkSample } from "./benchmark.ts";
import { readVideoBoxes } from "./detections.ts";
import { listFiles, listFolders, listNames } from "./files.ts";
import type { Reader } from "./reader.ts";
import type { Switches } from "./switches.ts";
import { readTable } from "./table.ts";

/** Seconds of a window, and how many of them lie before the labelled one. */
const WINDOW = 8;
const BEFORE = 4;
const SUFFIX = "_Valence-Arousal.txt";

export const liris: Reader = {
  splits: ["train", "test"],
  kind: "video",
  classes: [],
  dimensions: ["valence", "arousal"],
  read({ root, split, frames, switches }) {
    const files = annotationsOf(root, split, switches.order);
    if (files.length === 0) throw new FormatError(`annotations: has no folder of the split ${split} with *${SUFFIX}`);
    const samples = files.flatMap((file) => readVideo(root, file, split, frames, switches));
    return { samples };
  },
};

/** The annotation files of a split: a folder belongs to `test` if its name says so, else to `train`. */
function annotationsOf(root: string, split: string, order: Switches["order"]): string[] {
  const isTest = (folder: string) => /test/i.test(folder);
  const files = listFolders(root, "annotations", "annotations")
    .filter((folder) => isTest(folder) === (split === "test"))
    .map((folder) => `annotations/${folder}/annotations`)
    .flatMap((folder) => listFiles(root, folder, "annotations").map((file) => `${folder}/${file}`))
    .filter((file) => file.endsWith(SUFFIX));
  // by the video's name, whatever folder it is in
  return order === "listing" ? files : files.sort((a, b) => (basename(a) < basename(b) ? -1 : 1));
}

/** The samples of one video: the seconds whose window lies inside it. */
function readVideo(root: string, file: string, split: string, frames: number, switches: Switches): BenchmarkSample[] {
  const video = basename(file).split("_").slice(0, 2).join("_");
  const targets = readTargets(root, file);
  const folder = `frames/${video}.mp4`;
  const present = new Set(listNames(root, folder, basename(file)).filter((name) => /^\d{8}\.jpg$/.test(name)));
  const boxFile = `bboxes/${video}.mp4/human_boxes.json`;
  const boxes = readVideoBoxes(root, boxFile);
  const seconds = Math.min(present.size, targets.size);

  const samples: BenchmarkSample[] = [];
  for (let i = 0; i < seconds; i++) {
    const window = windowOf(i, seconds, split);
    if (!window) continue;
    const names = Array.from({ length: WINDOW }, (_, k) => frameName(window.start + k));
    if (names.some((name) => !present.has(name))) continue;
    const second = window.start + window.position;
    const values = targets.get(second);
    if (!values) throw new FormatError(`${basename(file)}: has no row with Time ${second}`);
    const shown = switches.window === "window" ? spread(names, frames) : repeat(names[window.position], frames);
    const mask = {
      kind: "detections",
      at: "full size",
      rule: switches.boxes,
      file: `${video}.mp4/human_boxes.json`,
      boxes: shown.map((name): readonly Detection[] | undefined => boxes.get(name)),
    } as const;
    const paths = shown.map((name) => `${folder}/${name}`);
    const source = { kind: "files", root, frames: paths, resize: 256, mask } as const;
    samples.push({ id: `${video} second ${second}`, group: video, values, source });
  }
  return samples;
}

/** First second of the window around second i of n, and the place of i in it; undefined where training leaves i out. */
function windowOf(i: number, n: number, split: string): { start: number; position: number } | undefined {
  if (i < BEFORE) return split === "test" ? { start: 0, position: i } : undefined;
  if (n - i < WINDOW - BEFORE) return split === "test" ? { start: n - WINDOW, position: i - (n - WINDOW) } : undefined;
  return { start: i - BEFORE, position: BEFORE };
}

/** Frame files count from 1, seconds from 0. */
const frameName = (second: number) => `${String(second + 1).padStart(8, "0")}.jpg`;

const repeat = (name: string, times: number) => new Array<string>(times).fill(name);

/** T of the window's frames in order; all of them for the published T of 8. */
const spread = (names: readonly string[], times: number) =>
  Array.from({ length: times }, (_, k) => names[Math.floor((k * names.length) / times)]);

/** Valence and arousal by second. */
function readTargets(root: string, file: string): Map<number, Float32Array> {
  const targets = new Map<number, Float32Array>();
  readTable(root, file, { form: "tabs", needed: ["Time", "Valence", "Arousal"] }, (row) => {
    const time = row.whole("Time");
    if (targets.has(time)) row.fail(`has Time ${time}, which an earlier row has`);
    targets.set(time, Float32Array.of(row.real("Valence"), row.real("Arousal")));
  });
  return targets;
}
