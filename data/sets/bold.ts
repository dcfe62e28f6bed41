// BoLD: clips of films with one person of interest each, 26 emotions and three dimensions.
//
//     annotations/{train,val}.csv   mmextract/<video_id>/<prefix>_<number>.<ext>   joints/<video_id without extension>.npy
import { basename } from "node:path";
import { FormatError } from "../../engine/errors.ts";
import { fault } from "../formats/inside.ts";
import { quoted } from "../formats/json.ts";
import type { Box } from "../pixels/boxes.ts";
import { readNpy } from "../formats/npy.ts";
import { linspaceFrames } from "../sampling.ts";
import type { BenchmarkSample, PixelSource } from "./benchmark.ts";
import { fileLimits, listNames, readBytes } from "./files.ts";
import { labels } from "./labels.ts";
import type { Reader } from "./reader.ts";
import { readTable } from "./table.ts";

/** Scores of at least this make a label. */
const IS_LABEL = 0.5;
/** Joints of a person, three numbers each, after the columns of frame and person. */
const JOINTS = 18;

const dimensions = ["valence", "arousal", "dominance"] as const;

export const bold: Reader = {
  splits: ["train", "val"],
  kind: "video",
  classes: labels.bold,
  dimensions,
  read({ root, split, frames, switches }) {
    const folders = new Map<string, Frame[] | string>();
    const samples: BenchmarkSample[] = [];
    readTable(root, `annotations/${split}.csv`, { form: "csv", columns: columns() }, (row) => {
      const video = row.text("video_id");
      const wrong = fault(video) ?? (/.\.[^/]{3}$/.test(video) ? undefined : "must end in a dot and three letters");
      if (wrong) row.refuse("video_id", `a path like 003/IzvOYVMltkI.mp4/0114.mp4; it ${wrong}`);
      const person = row.whole("person_id");
      const range = [row.whole("start_frame"), row.whole("end_frame")] as const;
      if (range[1] < range[0]) row.refuse("end_frame", `at least start_frame, ${range[0]}`);
      const hot = Uint8Array.from(labels.bold, (name) => (row.real(name, 0, 1) >= IS_LABEL ? 1 : 0));
      const values = Float32Array.from(dimensions, (name) => row.real(name));
      if (!folders.has(video)) folders.set(video, framesOf(root, video));
      const source = sourceOf(
        root,
        video,
        person,
        folders.get(video)!,
        switches.clip === "annotated" ? range : undefined,
        frames,
      );
      samples.push({ id: `${video} person ${person}`, group: video, source, labels: hot, values });
    });
    return { samples };
  },
};

/** The columns by name. `confidence` is both a class and, at the end, the annotation's own: that one is not read. */
function columns(): string[] {
  return labels.bold_columns.map((name, i, all) => (all.indexOf(name) < i ? `${name} of the annotation` : name));
}

/** A file of a clip's folder and the number in its name. */
interface Frame {
  readonly name: string;
  readonly number: number;
}

/** The frames of a clip, sorted by name; a reason where they cannot be told. */
function framesOf(root: string, video: string): Frame[] | string {
  const folder = `mmextract/${video}`;
  try {
    const names = listNames(root, folder, "mmextract");
    if (names.length === 0) return `${folder}: has no frames`;
    return names.map((name) => {
      const number = /^[^_.]*_(\d{1,9})(?=[_.])/.exec(name)?.[1];
      if (number === undefined) throw new FormatError(`${folder}: ${quoted(name)} is not <prefix>_<number>.<ext>`);
      return { name, number: Number(number) };
    });
  } catch (error) {
    if (error instanceof FormatError) return error.message;
    throw error;
  }
}

/** T frames of the folder, or of the places `range` in it (from 0, both included). */
function sourceOf(
  root: string,
  video: string,
  person: number,
  all: Frame[] | string,
  range: readonly [number, number] | undefined,
  frames: number,
): PixelSource {
  if (typeof all === "string") return { kind: "faulty", reason: all };
  const [first, last] = range ? [range[0], Math.min(range[1], all.length - 1)] : [0, all.length - 1];
  if (first > last)
    return {
      kind: "faulty",
      reason: `mmextract/${video}: has ${all.length} frames, its annotation starts at ${first}`,
    };
  const chosen = Array.from(linspaceFrames(first, last, frames), (k) => all[k]);
  const mask = {
    kind: "joints",
    file: `joints/${video.slice(0, -4)}.npy`,
    person,
    numbers: chosen.map(({ number }) => number),
  } as const;
  return { kind: "files", root, frames: chosen.map(({ name }) => `mmextract/${video}/${name}`), resize: 256, mask };
}

/**
 * The box around the seen joints of a person in each frame where the file has an entry, by the frame's number: the
 * smallest number of the file becomes 1. A joint of three zeros was not seen.
 */
export function jointBoxes(root: string, name: string, person: number): Map<number, Box> {
  const file = basename(name);
  const [{ shape, data }, ...more] = readNpy(readBytes(root, name, fileLimits.split), file);
  const width = 2 + 3 * JOINTS;
  if (more.length > 0) throw new FormatError(`${file}: has ${more.length + 1} arrays, expected one`);
  if (shape.length !== 2 || shape[1] !== width)
    throw new FormatError(`${file}: has shape (${shape.join(", ")}), expected (rows, ${width})`);
  for (let i = 0; i < data.length; i++)
    if (!Number.isFinite(data[i]))
      throw new FormatError(`${file}: row ${Math.floor(i / width)}, column ${i % width} is ${data[i]}`);

  let least = Number.POSITIVE_INFINITY;
  for (let at = 0; at < data.length; at += width) least = Math.min(least, data[at]);
  const boxes = new Map<number, Box>();
  for (let at = 0; at < data.length; at += width) {
    if (data[at + 1] !== person) continue;
    const box = boxAround(data.subarray(at + 2, at + width));
    if (box) boxes.set(data[at] - least + 1, box);
  }
  return boxes;
}

/** The smallest box of whole pixels around joints (x, y, confidence) that are not all zero; undefined if there is none. */
export function boxAround(joints: ArrayLike<number>): Box | undefined {
  let [left, top, right, bottom] = [Infinity, Infinity, -Infinity, -Infinity];
  for (let j = 0; j < joints.length; j += 3) {
    const [x, y, confidence] = [joints[j], joints[j + 1], joints[j + 2]];
    if (x === 0 && y === 0 && confidence === 0) continue;
    left = Math.min(left, x);
    right = Math.max(right, x);
    top = Math.min(top, y);
    bottom = Math.max(bottom, y);
  }
  return left <= right ? [Math.floor(left), Math.floor(top), Math.ceil(right), Math.ceil(bottom)] : undefined;
}
