// Windows over films, as the commands that look at them take them.
import type { Command } from "commander";
import { isFolder, shownName } from "../data/footage/files.ts";
import { openReel, type Reel } from "../data/footage/reel.ts";
import { type FilmWindow, type FilmWindowOptions, frameWindows, windowsOf } from "../data/footage/windows.ts";
import { quoted } from "../data/formats/json.ts";
import { UsageError } from "../engine/errors.ts";

/** Which part of a film, in which windows. */
export interface FilmFlags {
  readonly start?: string;
  readonly end?: string;
  readonly window?: string;
  readonly stride?: string;
  readonly fps?: string;
}

export const withFilm = (command: Command): Command =>
  command
    .option("--start <time>", "where the first window begins: seconds, or 1:02:03.5 (default: the beginning)")
    .option("--end <time>", "where the last window ends (default: the end)")
    .option("--window <seconds>", "length of a window, which is looked at as a clip")
    .option("--stride <seconds>", "from one window to the next (default: the length of a window)")
    .option("--fps <n>", "frames a second of a folder of frames (default: 8)");

/** A film, and the windows in it. */
export interface OpenedFilm {
  readonly reel: Reel;
  /** When each frame is shown, from the first. */
  readonly seconds: readonly number[];
  readonly windows: readonly FilmWindow[];
}

/** Opens a film, or a folder of frames, whose windows show `frames` frames each, or are its single frames. Errors: UsageError for a place outside of it, FormatError for one that cannot be read. */
export async function openFilm(path: string, flags: FilmFlags, frames: number | "single"): Promise<OpenedFilm> {
  const reel = await openReel([path]);
  if (reel.seconds && flags.fps !== undefined)
    throw new UsageError(`--fps: of a folder of frames; ${shownName(path)} says when its frames are shown`);
  const seconds = reel.seconds ?? (await secondsOf(path, reel, flags.fps));
  try {
    const options = optionsOf(flags);
    const windows = frames === "single" ? frameWindows(seconds, options) : windowsOf(seconds, frames, options);
    return { reel, seconds, windows };
  } catch (error) {
    if (error instanceof UsageError) throw new UsageError(`${shownName(path)}: ${error.message}`);
    throw error;
  }
}

async function secondsOf(path: string, { length }: Reel, fps = "8"): Promise<number[]> {
  if (!(await isFolder(path)))
    throw new UsageError(
      `${shownName(path)}: does not say when its frames are shown; a folder of its frames with --fps would`,
    );
  const rate = Number(fps);
  if (!(rate > 0 && rate <= 1000))
    throw new UsageError(`--fps: "${fps.slice(0, 40)}" is not a number of frames a second`);
  return Array.from({ length }, (_, i) => i / rate);
}

function optionsOf({ start, end, window, stride }: FilmFlags): FilmWindowOptions {
  const given = { start: timeIn("start", start), end: timeIn("end", end) };
  const lengths = { window: timeIn("window", window), stride: timeIn("stride", stride) };
  return Object.fromEntries(Object.entries({ ...given, ...lengths }).filter(([, value]) => value !== undefined));
}

/** "90", "90s", "1:30", "0:01:30.5" -> seconds. */
function timeIn(flag: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (/^\d+(\.\d+)?s?$/.test(text)) return Number.parseFloat(text);
  const [, hours = "0", minutes, seconds] = /^(?:(\d+):)?(\d+):(\d+(?:\.\d+)?)$/.exec(text) ?? [];
  if (minutes === undefined)
    throw new UsageError(`--${flag}: ${quoted(text.slice(0, 40))} is not a time such as 90, 90s or 1:30`);
  return 3600 * Number(hours) + 60 * Number(minutes) + Number(seconds);
}

/** Seconds as on a clock: 1:02:03.5. */
export function filmTime(seconds: number): string {
  const tenths = Math.round(10 * seconds);
  const [h, m, s] = [Math.floor(tenths / 36_000), Math.floor(tenths / 600) % 60, (tenths % 600) / 10];
  const rest = `${h > 0 ? String(m).padStart(2, "0") : m}:${s.toFixed(1).padStart(4, "0")}`;
  return h > 0 ? `${h}:${rest}` : rest;
}
