// The subject token's attention, drawn over the frames it looked at: a column per frame, a row per layer.
import { FormatError } from "../../engine/errors.ts";
import {
  areaOf,
  type AttentionMaps,
  mapAt,
  onPatches,
  type ShareBox,
  shareInside,
  topOf,
} from "../../eval/attention/maps.ts";
import { heatRgb } from "../../eval/attention/heat.ts";
import { cellsOf, rowsOf, pairOf, sideText, columnsOf } from "../../data/pixels/side.ts";
import { type Html, html } from "./html.ts";

/** A clip as the page shows it. */
export interface ReportClip {
  readonly caption: string;
  readonly frames: readonly {
    /** JPEG file; drawn as a square. */
    readonly jpeg: Uint8Array;
    /** The subject's box, where there is one. */
    readonly box: ShareBox | undefined;
  }[];
  /** The attention of the subject token to the patches of each frame. */
  readonly maps: AttentionMaps;
}

/** All clips; nothing where there are none. */
export const attentionFigure = (clips: readonly ReportClip[]): Html[] => clips.map(clipFigure);

function clipFigure(clip: ReportClip, index: number): Html {
  const { caption, frames, maps } = clip;
  const { layers, grid, weights } = maps;
  if (frames.length !== maps.frames || weights.length !== layers * frames.length * cellsOf(grid))
    throw new FormatError(
      `report: ${weights.length} weights for ${layers} layers, ${frames.length} frames and ${sideText(grid)} patches`,
    );
  const rows = Array.from({ length: layers }, (_, layer) => layerRow(clip, index, layer));
  return html`<figure class="clip">
<figcaption>“${caption}”</figcaption>
<div class="scroll"><table class="frames" style="--frames:${frames.length}">
<thead><tr><th scope="row"><span>frame</span></th>${frames.map((frame, i) => html`<td>${original(frame, `f${index}-${i}`)}</td>`)}</tr></thead>
<tbody>${rows}</tbody></table></div></figure>
`;
}

type Frame = ReportClip["frames"][number];

function original({ jpeg, box }: Frame, id: string): Html {
  const data = `data:image/jpeg;base64,${Buffer.from(jpeg).toString("base64")}`;
  return html`<svg viewBox="0 0 96 96" role="img" aria-label="frame with the subject's box"><image id="${id}" href="${data}" width="96" height="96" preserveAspectRatio="none"/>${outline(box)}</svg>`;
}

function layerRow({ frames, maps }: ReportClip, index: number, layer: number): Html {
  const top = Math.max(topOf(maps, layer), 1e-9); // one scale for the row
  const cells = frames.map(({ box }, frame) => {
    const weights = mapAt(maps, layer, frame);
    const picture = overlay(weights, maps, top, box, `f${index}-${frame}`);
    if (!box) return html`<td>${picture}</td>`;
    const [inside, area] = [shareInside(weights, onPatches(box, maps), maps.grid), areaOf(box)].map(percent);
    return html`<td>${picture}<small title="share of the attention to patches that falls on the subject; the box covers ${area} of the frame"><b>${inside}</b> <span>box ${area}</span></small></td>`;
  });
  return html`<tr><th scope="row"><span>layer ${layer + 1}</span><small>max ${percent(top)}</small></th>${cells}</tr>`;
}

function overlay(
  weights: Float32Array,
  { grid, covered }: AttentionMaps,
  top: number,
  box: ShareBox | undefined,
  image: string,
): Html {
  const [rows, columns] = pairOf(grid);
  const [high, wide] = [(96 * rowsOf(covered)) / rows, (96 * columnsOf(covered)) / columns];
  const patches = Array.from(weights, (weight, p) => {
    const share = Math.min(1, Math.max(0, weight / top));
    const [x, y] = [(p % columns) * wide, Math.floor(p / columns) * high].map(round);
    return html`<rect x="${x}" y="${y}" width="${round(wide)}" height="${round(high)}" fill="${heat(share)}"><title>${percent(weight)}</title></rect>`;
  });
  return html`<svg viewBox="0 0 96 96" role="img" aria-label="attention over the frame"><use href="#${image}" class="under"/><g class="patches">${patches}</g>${outline(box)}</svg>`;
}

/** White on dark, so that it shows on any picture. */
function outline(box: ShareBox | undefined): Html | undefined {
  if (!box) return undefined;
  const [left, top, right, bottom] = box;
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
