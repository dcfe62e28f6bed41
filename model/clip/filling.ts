// How CLIP's towers are filled from a file where the grids of patches differ.
import type { Side } from "../../data/pixels/side.ts";
import type { Resize } from "../family.ts";
import { gridOf, patchesOf, type VisionConfig } from "./config.ts";

const positions = "backbone.visual.positional_embedding";

/** The grids between which the frame tower's positions are resized; undefined for another table, or where it cannot or need not be. */
export function resizedPositions(
  name: string,
  stored: readonly number[],
  wanted: readonly number[],
  vision: VisionConfig,
  held: VisionConfig | undefined,
): Resize | undefined {
  if (name !== positions || stored.length !== 2 || stored[1] !== wanted[1]) return undefined;
  const to = gridOf(vision);
  const from = gridHeld(stored[0] - 1, held) ?? (stored[0] === wanted[0] ? to : squareOf(stored[0] - 1));
  return from === undefined || `${from}` === `${to}` ? undefined : { from, to };
}

/** The grid that a file of so many patches was written with, where its configuration tells. */
const gridHeld = (patches: number, held: VisionConfig | undefined): Side | undefined =>
  held && patchesOf(held) === patches ? gridOf(held) : undefined;

/** The side of a square of so many patches. */
function squareOf(patches: number): number | undefined {
  const side = Math.round(Math.sqrt(patches));
  return side >= 1 && side ** 2 === patches ? side : undefined;
}
