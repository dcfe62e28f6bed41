// What the subject token looks at (figure 5 of the paper): its attention to the patches of each frame, block by block.
import { cellsOf, columnsOf, pairOf, rowsOf, type Side, sideOf } from "../../data/pixels/side.ts";
import { compute, type Tensor, tensor, UsageError } from "../../engine/index.ts";
import { takes } from "../../engine/takes.ts";
import { attentionRow, concat, expandTo, first, mean, slice } from "../../kernels/index.ts";
import type { Mix, SubjectTower, VideoText } from "../../model/index.ts";
import type { AnyPixels } from "../../data/pixels/view.ts";
import { countFrames, pixelTensors } from "../../model/pixels.ts";

/** A box as shares of the frame: left, top, right, bottom. */
export type ShareBox = readonly [left: number, top: number, right: number, bottom: number];

/** Weights [layers, frames, patches], row by row from the top. Those of a frame sum to at most 1: cls and hmn take the rest. */
export interface AttentionMaps {
  /** Blocks of the tower, and frames that were shown. */
  readonly layers: number;
  readonly frames: number;
  /** Patches along one side, or [rows, columns] where they differ. */
  readonly grid: Side;
  /** Share of a frame's side that lies in whole patches; of height and of width where they differ. */
  readonly covered: Side;
  /** [layers, frames, patches], shares from 0 to 1. */
  readonly weights: Float32Array;
}

/** Frames computed at once. */
const together = 16;

/**
 * The row of the subject token in every block's map, mean over heads, patches only; any number of frames. With SAP the map is
 * the softmax; in blocks with SAAM it is what weighs the values, after attention has moved to the subject.
 */
export async function attentionMaps(model: VideoText, clip: AnyPixels): Promise<AttentionMaps> {
  takes(
    "attentionMaps(model: { takes: object, encodeVideo: function, encodeText: function, ... }, " +
      "clip: { frames: Uint8Array | Float32Array, mask: Uint8Array | Float32Array, ... }, ...)",
    arguments,
  );
  const tower = model.subjectTower;
  if (!tower) throw new UsageError("this model has no subject token: it was made with subject none");
  const { layers, grid, patch } = tower;
  const { side } = model.takes;
  const patches = cellsOf(grid);
  const N = countFrames(clip, side);
  const weights = new Float32Array(layers * N * patches);
  for (let from = 0; from < N; from += together) {
    const count = Math.min(together, N - from);
    const maps = await compute(() => {
      const { frames_N3SS, mask_NSS } = pixelTensors(clip, side, from, count, model.takes.colours);
      return subjectRows(tower, frames_N3SS, mask_NSS);
    });
    for (const [layer, map] of maps.entries()) weights.set(map as Float32Array, (layer * N + from) * patches);
  }
  const [rows, columns] = pairOf(grid);
  const covered = sideOf((rows * patch) / rowsOf(side), (columns * patch) / columnsOf(side));
  return { layers, frames: N, grid, covered, weights };
}

/**
 * What the subject token takes from the patches in each block, mean over heads: frames_N3SS, mask_NSS -> weights_NP per block.
 * In blocks of SAAM this is the map that weighs the values, W, not the softmax before attention moved.
 */
export function subjectRows(tower: SubjectTower, frames_N3SS: Tensor, mask_NSS: Tensor): Tensor[] {
  if (tower.told === "none") throw new UsageError('a model with subject "none" has no subject token');
  return Array.from(tower.blocks(frames_N3SS, mask_NSS), ({ block, input, mix, moved }) => {
    const { attn, ln_1 } = block;
    const row = input.shape[1] - 1;
    const qkv_NMC = attn.project(ln_1.forward(input));
    const w_NHM = moved ? rowOf(mix, qkv_NMC, attn.heads, row) : attentionRow(qkv_NMC, { heads: attn.heads, row });
    return slice(mean(w_NHM, 1), 1, row, 1);
  });
}

/**
 * Row `row` of every head's map W, by mixing values that are unit vectors: qkv_BLC -> w_BHL. As many tokens as a head is
 * wide go into one pass.
 */
function rowOf(mix: Mix, qkv_BLC: Tensor, heads: number, row: number): Tensor {
  const [B, L, C] = qkv_BLC.shape;
  const D = C / 3;
  const K = D / heads;
  const qk = slice(qkv_BLC, 0, 2 * D, 2);
  const parts: Tensor[] = [];
  for (let from = 0; from < L; from += K) {
    const unit = new Float32Array(L * D); // token from + c has value 1 in column c of each head
    for (let j = from; j < Math.min(from + K, L); j++)
      for (let h = 0; h < heads; h++) unit[j * D + h * K + j - from] = 1;
    const y_BLD = mix(concat([qk, expandTo(tensor(unit, [L, D]), [B, L, D])], 2), heads);
    parts.push(first(y_BLD, row).reshape([B, heads, K]));
  }
  return slice(concat(parts, 2), 0, L, 2);
}

/** The map of one frame in one layer, a weight for each patch, row by row. */
export function mapAt({ frames, grid, weights }: AttentionMaps, layer: number, frame: number): Float32Array {
  const at = (layer * frames + frame) * cellsOf(grid);
  return weights.subarray(at, at + cellsOf(grid));
}

/** Share of the weight that lies in the box; a patch that is half inside counts half. */
export function shareInside(
  weights: ArrayLike<number>,
  [left, top, right, bottom]: ShareBox,
  grid: Side = Math.round(Math.sqrt(weights.length)),
): number {
  const [rows, columns] = pairOf(grid);
  const overlap = (at: number, from: number, to: number, side: number) =>
    Math.max(0, Math.min(at + 1, to * side) - Math.max(at, from * side));
  let [total, inside] = [0, 0];
  for (let p = 0; p < weights.length; p++) {
    total += weights[p];
    inside +=
      weights[p] * overlap(p % columns, left, right, columns) * overlap(Math.floor(p / columns), top, bottom, rows);
  }
  return total > 0 ? inside / total : 0;
}

/** Share of the frame that a box covers. */
export const areaOf = ([left, top, right, bottom]: ShareBox): number =>
  Math.max(0, right - left) * Math.max(0, bottom - top);

/** The largest weight of a layer over all frames: the top of its colour scale. */
export function topOf({ weights, frames, grid }: AttentionMaps, layer: number): number {
  const length = frames * cellsOf(grid);
  return weights.subarray(layer * length, (layer + 1) * length).reduce((a, b) => Math.max(a, b), 0);
}

/** A box as shares of the part of the frame that patches cover. */
export const onPatches = (box: ShareBox, { covered }: AttentionMaps): ShareBox => {
  const [high, wide] = pairOf(covered);
  const [a, b, c, d] = box.map((share, i) => Math.min(1, share / (i % 2 ? high : wide)));
  return [a, b, c, d];
};
