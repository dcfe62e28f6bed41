// The frames of a clip in rows, and under each what every layer gives it: a bar whose height and colour are its share of the layer's
// largest weight, mean over heads.
import type { Image } from "../../data/pixels/resize.ts";
import { resize } from "../../data/pixels/resize.ts";
import { type FrameWeights, weightsOf } from "./frames.ts";
import { heatRgb } from "./heat.ts";
import { fitted, write } from "./letters.ts";
import { cellOf, paste } from "./sheet.ts";

/** A clip as it is drawn. */
export interface WeighedClip {
  readonly title: string;
  /** Who weighs them: "class token". */
  readonly told: string;
  readonly pictures: readonly Image[];
  readonly names: readonly string[];
  readonly weights: FrameWeights;
}

const cell = 120;
const gap = 8;
const left = 104;
const line = 22;
const bar = 36;
const across = 8;
const ink = [32, 33, 36] as const;
const faint = [110, 113, 120] as const;

/** The whole clip: eight frames a row, each with a bar a layer; at the left what the token keeps for itself. */
export function strip({ title, told, pictures, names, weights }: WeighedClip): Image {
  const columns = Math.min(across, pictures.length);
  const rows = Math.ceil(pictures.length / across);
  const rowHeight = line + cell + gap + weights.layers * (bar + line) + line;
  const width = Math.max(left + columns * (cell + gap) + gap, 560);
  const height = 3 * line + rows * rowHeight;
  const page: Image = { data: new Uint8Array(3 * width * height).fill(255), width, height };
  const layers = Array.from({ length: weights.layers }, (_, layer) => {
    const [itself, ...frames] = weightsOf(weights, layer);
    return { itself, frames, top: Math.max(...frames) };
  });
  const meaning = `weights of frames by the ${told}, mean over ${weights.heads} heads; a bar is full at the layer's largest`;
  write(page, gap, gap, fitted(title, width - 2 * gap, 2), 2, ink);
  write(page, gap, gap + line, fitted(meaning, width - 2 * gap, 1), 1, faint);
  for (const [i, picture] of pictures.entries()) {
    const x = left + (i % across) * (cell + gap);
    const y = 3 * line + Math.floor(i / across) * rowHeight;
    if (i % across === 0) labels(page, y + line + cell + gap, layers);
    write(page, x, y, fitted(names[i], cell, 2), 2, faint);
    paste(page, resize(picture, cellOf(picture, cell)), x, y + line);
    for (const [layer, { frames, top }] of layers.entries())
      drawBar(page, x, y + line + cell + gap + layer * (bar + line), frames[i], top);
  }
  return page;
}

function labels(page: Image, y: number, layers: readonly { readonly itself: number }[]): void {
  for (const [layer, { itself }] of layers.entries()) {
    const at = y + layer * (bar + line);
    write(page, gap, at, `layer ${layer + 1}`, 2, ink);
    write(page, gap, at + line - 2, `itself ${percent(itself)}`, 1, faint);
  }
}

function drawBar(page: Image, x: number, y: number, weight: number, top: number): void {
  const share = top > 0 ? weight / top : 0;
  const full = Math.max(1, Math.round(share * bar));
  const colour = heatRgb(0.15 + 0.7 * share);
  for (let row = bar - full; row < bar; row++)
    for (let column = 0; column < cell; column++) page.data.set(colour, 3 * ((y + row) * page.width + x + column));
  write(page, x, y + bar + 3, percent(weight), 2, faint);
}

const percent = (share: number) => `${(100 * share).toFixed(share < 0.0995 ? 1 : 0)}%`;
