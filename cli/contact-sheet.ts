// A few clips of new shards as a picture: four frames of each with the subject's boxes, and the caption. What was stored is seen, not what was meant.
import { join } from "node:path";
import { replaceFile } from "../data/formats/disk.ts";
import type { Box } from "../data/pixels/boxes.ts";
import { encodePng } from "../data/pixels/png.ts";
import { type Image, resize, type Size } from "../data/pixels/resize.ts";
import { linspaceFrames } from "../data/sampling.ts";
import type { CheckedInfo } from "../data/shards/clip.ts";
import { decodeFrame, frameName } from "../data/shards/frames.ts";
import type { ShardIndex } from "../data/shards/index-file.ts";
import { openShards, ShardReader, type ShardSet } from "../data/shards/shards.ts";
import { fitted, write } from "../eval/attention/letters.ts";
import { outline, paste } from "../eval/attention/sheet.ts";

/** Clips of a split, frames of a clip, and the longer side of a frame on the sheet, in pixels. */
const [CLIPS, FRAMES, CELL] = [8, 4, 160];
const [GAP, LINE, PAPER] = [10, 22, 255];
const ink = [32, 33, 36] as const;
const NAME = "contact-sheet.png";

/** Writes the sheet into the folder of the shards; its path. */
export async function writeContactSheet(folder: string, splits: readonly ShardIndex[]): Promise<string> {
  const rows: Row[] = [];
  for (const { split } of splits) rows.push(...(await rowsOf(await openShards(folder, split))));
  const path = join(folder, NAME);
  await replaceFile(path, await encodePng(drawn(rows)));
  return path;
}

/** A clip on the sheet. */
interface Row {
  readonly text: string;
  readonly frames: readonly Image[];
}

/** Clips spread evenly over a split. */
async function rowsOf(set: ShardSet): Promise<Row[]> {
  const reader = new ShardReader();
  try {
    const chosen = new Set(linspaceFrames(0, set.samples - 1, CLIPS));
    const rows: Row[] = [];
    for (const i of chosen) rows.push(await rowOf(set, i, reader));
    return rows;
  } finally {
    reader.close();
  }
}

async function rowOf(set: ShardSet, i: number, reader: ShardReader): Promise<Row> {
  const info = set.info(i, reader);
  const count = set.frameCount(i);
  const frames: Image[] = [];
  for (const t of new Set(linspaceFrames(0, count - 1, FRAMES))) {
    const sample = set.items[i];
    const image = await decodeFrame(reader.frame(sample, t), info, frameName(sample, t));
    frames.push(small(image, info.boxes[t]));
  }
  return { text: textOf(set, i, info, count), frames };
}

const textOf = (set: ShardSet, i: number, { caption }: CheckedInfo, count: number): string =>
  `${set.index.split} ${set.nameOf(i)}, ${count} frames: ${caption}`;

/** A frame as large as a cell, with its boxes. */
function small(image: Image, boxes: readonly Box[]): Image {
  const drawn = resize(image, cellOf(image));
  const own: Image = { ...drawn, data: drawn.data.slice() };
  const { width, height } = image;
  for (const [x1, y1, x2, y2] of boxes) outline(own, [x1 / width, y1 / height, x2 / width, y2 / height], 1);
  return own;
}

function cellOf({ width, height }: Size): Size {
  const longer = Math.max(width, height);
  const side = (length: number) => Math.max(1, Math.round((CELL * length) / longer));
  return { width: side(width), height: side(height) };
}

function drawn(rows: readonly Row[]): Image {
  const heights = rows.map(({ frames }) => LINE + Math.max(...frames.map(({ height }) => height)) + GAP);
  const width = GAP + FRAMES * (CELL + GAP);
  const height = GAP + heights.reduce((sum, each) => sum + each, 0);
  const page: Image = { data: new Uint8Array(3 * width * height).fill(PAPER), width, height };
  let y = GAP;
  for (const [k, { text, frames }] of rows.entries()) {
    write(page, GAP, y, fitted(text, width - 2 * GAP, 2), 2, ink);
    for (const [column, frame] of frames.entries()) paste(page, frame, GAP + column * (CELL + GAP), y + LINE);
    y += heights[k];
  }
  return page;
}
