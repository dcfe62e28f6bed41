// Windows that slide over footage: which frames each one shows, as if it were a clip by itself.
import { FormatError, UsageError } from "../../engine/errors.ts";
import { takes } from "../../engine/takes.ts";
import { linspaceFrames } from "../sampling.ts";

/** How windows lie in footage; all in seconds from its first frame. */
export interface FilmWindowOptions {
  /** Where the first one begins, and what the last one ends before; the whole footage. */
  readonly start?: number;
  readonly end?: number;
  /** How long one is; all of it, once, where it is not given. */
  readonly window?: number;
  /** From one beginning to the next; the length of a window. */
  readonly stride?: number;
}

/** A piece of footage that is looked at as a clip. */
export interface FilmWindow {
  /** Seconds from the first frame of the footage. */
  readonly start: number;
  readonly end: number;
  /** Numbers of the T frames, evenly spaced over those in it as in evaluation; of fewer some twice. */
  readonly frames: readonly number[];
}

/** More windows than this are a mistake in a unit. */
const MOST = 1_000_000;

/**
 * Windows over frames that are shown at `seconds` (ascending), each of `frames` frames. What is left at the end and is longer than half a
 * stride gets a window that ends there. A window without any frame (a gap) is left out. Errors: UsageError for a length or place that cannot be;
 * FormatError for a piece without a frame.
 */
export function windowsOf(seconds: readonly number[], frames: number, options: FilmWindowOptions = {}): FilmWindow[] {
  takes(
    "windowsOf(seconds: number[], frames: size, options?: { start?: number, end?: number, window?: number, stride?: number })",
    arguments,
  );
  const { start, end } = placeIn(seconds, options);
  const { window = end - start, stride = window } = options;
  checkPositive({ window, stride });
  const begins = beginsOf(start, end, window, stride);
  const found = begins.flatMap((from) => {
    const [first, last] = [firstAt(seconds, from), firstAt(seconds, from + window) - 1];
    const shown = last >= first ? [...linspaceFrames(first, last, frames)] : [];
    return shown.length > 0 ? [{ start: from, end: Math.min(from + window, end), frames: shown }] : [];
  });
  if (found.length === 0) throw new FormatError(`there is no frame from ${start} s to ${end} s`);
  return found;
}

/**
 * Single frames as windows of their own: all from `start` to `end`, or the one shown every `stride` seconds; each is there once. Errors: as
 * windowsOf.
 */
export function frameWindows(
  seconds: readonly number[],
  options: Omit<FilmWindowOptions, "window"> = {},
): FilmWindow[] {
  takes("frameWindows(seconds: number[], options?: { start?: number, end?: number, stride?: number })", arguments);
  const { start, end } = placeIn(seconds, options);
  const { stride } = options;
  checkPositive({ stride: stride ?? 1 });
  const [first, behind] = [firstAt(seconds, start), firstAt(seconds, end)];
  const every = Array.from({ length: behind - first }, (_, i) => first + i);
  const begins = stride === undefined ? [] : beginsOf(start, end, stride, stride);
  const taken = stride === undefined ? every : [...new Set(begins.map((time) => firstAt(seconds, time)))];
  const found = taken.filter((index) => index < behind);
  if (found.length === 0) throw new FormatError(`there is no frame from ${start} s to ${end} s`);
  return found.map((index) => ({
    start: seconds[index],
    end: Math.min(seconds[index + 1] ?? lengthOf(seconds), end),
    frames: [index],
  }));
}

function placeIn(seconds: readonly number[], { start = 0, end }: FilmWindowOptions): { start: number; end: number } {
  const length = lengthOf(seconds);
  if (!(start >= 0 && start < length))
    throw new UsageError(`begins at ${start} s, but the footage is ${length.toFixed(3)} s long`);
  if (end !== undefined && !(end > start))
    throw new UsageError(`ends at ${end} s, expected after its beginning at ${start} s`);
  return { start, end: Math.min(end ?? length, length) };
}

function checkPositive(lengths: Record<string, number>): void {
  for (const [name, value] of Object.entries(lengths))
    if (!(value > 0)) throw new UsageError(`${name} is ${value} s, expected more than 0`);
}

/** Seconds that frames at these times last: each until the next one is shown, the last for as long as the others on the average. */
export function lengthOf(seconds: readonly number[]): number {
  const last = seconds.at(-1) ?? 0;
  return seconds.length > 1 ? last + last / (seconds.length - 1) : 1;
}

/** Less than a frame: what rounding makes of a sum of strides. */
const HAIR = 1e-6;

function beginsOf(start: number, end: number, window: number, stride: number): number[] {
  const count = Math.max(1, Math.floor((end - start - window) / stride + HAIR) + 1);
  if (count > MOST)
    throw new UsageError(`windows every ${stride} s over ${end - start} s are ${count}; at most ${MOST}`);
  const begins = Array.from({ length: count }, (_, k) => start + k * stride);
  const covered = begins[count - 1] + window;
  if (end - covered > stride / 2) begins.push(end - window);
  return begins;
}

/** The first frame that is shown at a time or later. */
function firstAt(seconds: readonly number[], time: number): number {
  let [low, high] = [0, seconds.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (seconds[middle] < time - HAIR) low = middle + 1;
    else high = middle;
  }
  return low;
}
