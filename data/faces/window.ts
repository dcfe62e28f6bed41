// Which frames of a face clip are seen: every k-th one, and of those a window that wraps around in time (EmoCLIP's official sampling).
import { takes } from "../../engine/takes.ts";

export interface WindowOptions {
  /** k: frames 0, k, 2k, … are looked at. */
  readonly every: number;
  /** Frames of a clip as the model takes it. */
  readonly length: number;
}

/** Frames that are looked at of a clip of so many: the numbers that `start` of a window is below. */
export const framesLookedAt = (frames: number, every: number): number => Math.ceil(frames / every);

/**
 * Numbers of the frames of a window: of every k-th frame `length` from number `start` on, then from the beginning up to where it began;
 * what is still missing is mirrored without repeating the edge, and of a single frame there is only that one. With `start` drawn
 * uniformly below `framesLookedAt` this is the official sampling.
 */
export function wrappedWindow(frames: number, { every, length }: WindowOptions, start: number): Int32Array {
  takes("wrappedWindow(frames: size, options: { every: size, length: size, ... }, start: natural, ...)", arguments);
  const count = framesLookedAt(frames, every);
  const ahead = Math.min(length, count - start);
  const around = Math.max(0, Math.min(length - ahead, start + length - count, count));
  const seen = [...Array.from({ length: ahead }, (_, i) => start + i), ...Array.from({ length: around }, (_, i) => i)];
  return Int32Array.from({ length }, (_, i) => every * seen[mirrored(i, seen.length)]);
}

/** Position i of a sequence that goes on as its mirror image, edges once. */
function mirrored(i: number, count: number): number {
  if (count === 1) return 0;
  const period = 2 * (count - 1);
  const at = i % period;
  return at < count ? at : period - at;
}
