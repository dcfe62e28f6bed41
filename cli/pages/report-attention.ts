// The subject token's attention, drawn over the frames it looked at: a column per frame, a row per layer.
import { FormatError } from "../../engine/errors.ts";
import { areaOf, type ShareBox, shareInside } from "../../eval/attention/maps.ts";
import { heatRgb } from "../../eval/attention/heat.ts";
import { type Html, html } from "./html.ts";

/** A frame with what the subject token looks at in it. Neighbours of one caption are drawn as one clip. */
export interface AttentionFrame {
  /** JPEG file, square. */
  readonly frameJpeg: Uint8Array;
  /** Per layer, the attention of the subject token to the g x g patches, row by row; a row sums to at most one. */
  readonly grid: readonly (readonly number[])[];
  /** The subject's box. */
  readonly box: ShareBox;
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

function overlay(weights: readonly number[], top: number, box: ShareBox, image: string): Html {
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
function outline([left, top, right, bottom]: ShareBox): Html {
  const [x, y, w, h] = [left, top, right - left, bottom - top].map((share) => round(share * 96));
  return html`<rect class="halo" x="${x}" y="${y}" width="${w}" height="${h}"/><rect class="box" x="${x}" y="${y}" width="${w}" height="${h}"/>`;
}

/** The colour of a share between 0 and 1. */
export function heat(share: number): string {
  return `#${heatRgb(share)
    .map((c) => c.toString(16).padStart(2, "0"))
    .join("")}`;
}

/** The colour scale as a bar. */
export function heatLegend(): Html {
  const stops = Array.from({ length: 11 }, (_, i) => `${heat(i / 10)} ${i * 10}%`).join(",");
  return html`<span class="heat" style="background:linear-gradient(90deg,${stops})"></span>`;
}

const round = (value: number) => Math.round(value * 100) / 100;
const percent = (share: number) => `${(100 * share).toFixed(share < 0.0995 ? 1 : 0)} %`;
