// Attention drawn over the frames: single overlays, and a sheet of a clip with a column per frame and a row per layer.
import { resizeBilinear } from "../../data/pixels/bilinear.ts";
import { type Image, resize, type Size } from "../../data/pixels/resize.ts";
import { rowsOf, type Side, sizeOf, columnsOf } from "../../data/pixels/side.ts";
import type { ShownClip, ShownFrame } from "./clip.ts";
import { heatRgb } from "./heat.ts";
import { fitted, heightOf, widthOf, write } from "./letters.ts";
import { areaOf, type AttentionMaps, mapAt, onPatches, type ShareBox, shareInside, topOf } from "./maps.ts";

/**
 * A frame in grey, under the colours of its weights: from weight 0, dark, to `top`, bright. Between the centres of patches
 * weights are interpolated; pixels behind the last whole patch have none.
 */
export function overlay(
  { data, width, height }: Image,
  weights: Float32Array,
  top: number,
  covered: Side,
  grid: Side = Math.round(Math.sqrt(weights.length)),
): Image {
  const seen = { width: Math.round(width * columnsOf(covered)), height: Math.round(height * rowsOf(covered)) };
  const smooth = resizeBilinear(weights, sizeOf(grid), seen);
  const drawn = new Uint8Array(3 * width * height);
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) {
      const at = 3 * (y * width + x);
      const grey = 0.299 * data[at] + 0.587 * data[at + 1] + 0.114 * data[at + 2];
      const isSeen = x < seen.width && y < seen.height && top > 0;
      const share = isSeen ? Math.min(1, smooth[y * seen.width + x] / top) : 0;
      const cover = 0.45 + 0.3 * share; // faces stay visible under the brightest colour
      const colour = heatRgb(share);
      for (let c = 0; c < 3; c++) drawn[at + c] = Math.round((1 - cover) * grey + cover * colour[c]);
    }
  return { data: drawn, width, height };
}

/** A white line on a dark one, so that it shows on any picture. */
export function outline(image: Image, box: ShareBox, thickness = 2): void {
  const { width, height } = image;
  const [left, top, right, bottom] = box.map((share, i) => Math.round(share * (i % 2 ? height : width)));
  const ring = (inset: number, colour: readonly [number, number, number]) => {
    const [x0, y0, x1, y1] = [left + inset, top + inset, right - 1 - inset, bottom - 1 - inset];
    for (let x = x0; x <= x1; x++) for (const y of [y0, y1]) dot(image, x, y, colour);
    for (let y = y0; y <= y1; y++) for (const x of [x0, x1]) dot(image, x, y, colour);
  };
  for (let i = 0; i < thickness; i++) ring(i, [255, 255, 255]);
  ring(-1, [20, 20, 20]);
  ring(thickness, [20, 20, 20]);
}

function dot({ data, width, height }: Image, x: number, y: number, colour: readonly [number, number, number]): void {
  if (x >= 0 && y >= 0 && x < width && y < height) data.set(colour, 3 * (y * width + x));
}

const cell = 160;
const gap = 10;
const left = 112;
const line = 24;
const ink = [32, 33, 36] as const;
const faint = [110, 113, 120] as const;
const paper = 255;
const meaning = "inside: share of the attention to patches that falls in the box";

/** A frame on the sheet: its longer side is a cell's. */
export function cellOf({ width, height }: Size, cell: number): Size {
  const longer = Math.max(width, height);
  return { width: Math.round((cell * width) / longer), height: Math.round((cell * height) / longer) };
}

/** The whole clip: frames with their boxes on top, then every layer, each on a colour scale of its own. */
export function sheet({ title, frames, maps }: ShownClip): Image {
  const head = 4 * line;
  const rowHeight = cell + line;
  const width = left + frames.length * (cell + gap) + gap;
  const height = head + rowHeight * (maps.layers + 1) + 2 * line;
  const page: Image = { data: new Uint8Array(3 * width * height).fill(paper), width, height };
  write(page, gap, gap, fitted(title, width - 2 * gap, 2), 2, ink);
  if (frames.some(({ box }) => box)) write(page, gap, gap + line, fitted(meaning, width - 2 * gap, 2), 2, faint);
  for (const [column, frame] of frames.entries()) {
    const x = left + column * (cell + gap);
    write(page, x, head - line + 4, fitted(frame.label, cell, 2), 2, faint);
    drawColumn(page, x, head, frame, maps, column);
  }
  write(page, gap, head + gap, "frame", 2, ink);
  for (let layer = 0; layer < maps.layers; layer++) {
    const y = head + (layer + 1) * rowHeight + gap;
    write(page, gap, y, `layer ${layer + 1}`, 2, ink);
    write(page, gap, y + line, `max ${percent(topOf(maps, layer))}`, 2, faint);
  }
  legend(page, left, height - line - heightOf(2));
  return page;
}

function drawColumn(page: Image, x: number, head: number, frame: ShownFrame, maps: AttentionMaps, column: number) {
  const small = resize(frame.image, cellOf(frame.image, cell));
  const { box } = frame;
  const original: Image = { ...small, data: small.data.slice() };
  if (box) outline(original, box);
  paste(page, original, x, head);
  if (box) write(page, x, head + cell + 5, `box ${percent(areaOf(box))}`, 2, faint);
  for (let layer = 0; layer < maps.layers; layer++) {
    const y = head + (layer + 1) * (cell + line);
    const weights = mapAt(maps, layer, column);
    const drawn = overlay(small, weights, topOf(maps, layer), maps.covered, maps.grid);
    if (box) outline(drawn, box, 1);
    paste(page, drawn, x, y);
    if (box)
      write(
        page,
        x,
        y + cell + 5,
        `${percent(shareInside(weights, onPatches(box, maps), maps.grid))} inside`,
        2,
        faint,
      );
  }
}

/** Puts an image onto another that is large enough. */
export function paste(page: Image, image: Image, x: number, y: number): void {
  for (let row = 0; row < image.height; row++)
    page.data.set(
      image.data.subarray(3 * row * image.width, 3 * (row + 1) * image.width),
      3 * ((y + row) * page.width + x),
    );
}

/** The colour scale. */
function legend(page: Image, x: number, y: number): void {
  write(page, x, y, "0", 2, faint);
  const from = x + widthOf("0", 2) + gap;
  for (let column = 0; column < cell; column++)
    for (let row = 0; row < heightOf(2); row++) dot(page, from + column, y + row, heatRgb(column / (cell - 1)));
  write(page, from + cell + gap, y, "max of the layer", 2, faint);
}

const percent = (share: number) => `${(100 * share).toFixed(share < 0.0995 ? 1 : 0)}%`;
