// The subject token's attention, drawn over the frames it looked at: a column per frame, a row per layer.
import { FormatError } from "../engine/errors.ts";
import { type Html, html } from "./html.ts";

/** A frame with what the subject token looks at in it. Neighbours of one caption are drawn as one clip. */
export interface AttentionFrame {
  /** JPEG file, square. */
  readonly frameJpeg: Uint8Array;
  /** Per layer, the attention of the subject token to the g x g patches, row by row; a row sums to at most one. */
  readonly grid: readonly (readonly number[])[];
  /** Subject's box as shares of the frame: left, top, right, bottom. */
  readonly box: readonly [number, number, number, number];
  readonly caption: string;
}

/** All clips; nothing where there are none. */
export function attentionFigure(frames: readonly AttentionFrame[]): Html[] {
  const clips: AttentionFrame[][] = [];
  for (const frame of frames) {
    const last = clips.at(-1);
    if (last?.[0].caption === frame.caption && last[0].grid.length === frame.grid.length) last.push(frame);
    else clips.push([frame]);
  }
  return clips.map(clipFigure);
}

function clipFigure(clip: AttentionFrame[], index: number): Html {
  const layers = clip[0].grid.length;
  const rows = Array.from({ length: layers }, (_, layer) => layerRow(clip, index, layer));
  return html`<figure class="clip">
<figcaption>“${clip[0].caption}”</figcaption>
<div class="scroll"><table class="frames" style="--frames:${clip.length}">
<thead><tr><th scope="row"><span>frame</span></th>${clip.map((frame, i) => html`<td>${original(frame, `f${index}-${i}`)}</td>`)}</tr></thead>
<tbody>${rows}</tbody></table></div></figure>
`;
}

function original({ frameJpeg, box }: AttentionFrame, id: string): Html {
  const data = `data:image/jpeg;base64,${Buffer.from(frameJpeg).toString("base64")}`;
  return html`<svg viewBox="0 0 96 96" role="img" aria-label="frame with the subject's box"><image id="${id}" href="${data}" width="96" height="96" preserveAspectRatio="none"/>${outline(box)}</svg>`;
}

function layerRow(clip: AttentionFrame[], index: number, layer: number): Html {
  const top = Math.max(...clip.flatMap((frame) => frame.grid[layer]), 1e-9); // one scale for the row
  const cells = clip.map((frame, i) => {
    const weights = frame.grid[layer];
    const inside = shareInside(weights, frame.box);
    return html`<td>${overlay(weights, top, frame.box, `f${index}-${i}`)}<small title="share of the attention to patches that falls on the subject; the box covers ${percent(areaOf(frame.box))} of the frame"><b>${percent(inside)}</b> <span>box ${percent(areaOf(frame.box))}</span></small></td>`;
  });
  return html`<tr><th scope="row"><span>layer ${layer + 1}</span><small>max ${percent(top)}</small></th>${cells}</tr>`;
}

function overlay(weights: readonly number[], top: number, box: AttentionFrame["box"], image: string): Html {
  const side = sideOf(weights);
  const step = 96 / side;
  const patches = weights.map((weight, p) => {
    const share = Math.min(1, Math.max(0, weight / top));
    const [x, y] = [(p % side) * step, Math.floor(p / side) * step].map(round);
    return html`<rect x="${x}" y="${y}" width="${round(step)}" height="${round(step)}" fill="${heat(share)}"><title>${percent(weight)}</title></rect>`;
  });
  return html`<svg viewBox="0 0 96 96" role="img" aria-label="attention over the frame"><use href="#${image}" class="under"/><g class="patches">${patches}</g>${outline(box)}</svg>`;
}

function sideOf(weights: readonly number[]): number {
  const side = Math.round(Math.sqrt(weights.length));
  if (side > 0 && side * side === weights.length) return side;
  throw new FormatError(`report: attention over ${weights.length} patches, which is not a square`);
}

/** White on dark, so that it shows on any picture. */
function outline([left, top, right, bottom]: AttentionFrame["box"]): Html {
  const [x, y, w, h] = [left, top, right - left, bottom - top].map((share) => round(share * 96));
  return html`<rect class="halo" x="${x}" y="${y}" width="${w}" height="${h}"/><rect class="box" x="${x}" y="${y}" width="${w}" height="${h}"/>`;
}

/** Share of the weight that lies in the box; a patch that is half inside counts half. */
export function shareInside(weights: readonly number[], [left, top, right, bottom]: AttentionFrame["box"]): number {
  const side = sideOf(weights);
  const overlap = (at: number, from: number, to: number) =>
    Math.max(0, Math.min(at + 1, to * side) - Math.max(at, from * side));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const inside = weights.reduce(
    (sum, weight, p) => sum + weight * overlap(p % side, left, right) * overlap(Math.floor(p / side), top, bottom),
    0,
  );
  return total > 0 ? inside / total : 0;
}

function areaOf([left, top, right, bottom]: AttentionFrame["box"]): number {
  return Math.max(0, right - left) * Math.max(0, bottom - top);
}

// Inferno (van der Walt & Smith 2015) at six places: equal steps of weight look like equal steps of light.
const inferno = [
  [0, 0, 4],
  [66, 10, 104],
  [147, 38, 103],
  [221, 81, 58],
  [252, 165, 10],
  [252, 255, 164],
];

/** The colour of a share between 0 and 1. */
export function heat(share: number): string {
  const at = share * (inferno.length - 1);
  const low = Math.min(Math.floor(at), inferno.length - 2);
  const mixed = inferno[low].map((c, i) => Math.round(c + (inferno[low + 1][i] - c) * (at - low)));
  return `#${mixed.map((c) => c.toString(16).padStart(2, "0")).join("")}`;
}

/** The colour scale as a bar. */
export function heatLegend(): Html {
  const stops = Array.from({ length: 11 }, (_, i) => `${heat(i / 10)} ${i * 10}%`).join(",");
  return html`<span class="heat" style="background:linear-gradient(90deg,${stops})"></span>`;
}

const round = (value: number) => Math.round(value * 100) / 100;
const percent = (share: number) => `${(100 * share).toFixed(share < 0.0995 ? 1 : 0)} %`;
