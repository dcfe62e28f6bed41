// Small films, encoded by the real ffmpeg where it is installed.
import { spawnSync } from "node:child_process";
import * as assert from "uvu/assert";

/** Whether films can be made and read here. */
export const hasFfmpeg = ["ffmpeg", "ffprobe"].every((name) => spawnSync(name, ["-version"]).status === 0);

export function ffmpeg(...args: string[]): void {
  const made = spawnSync("ffmpeg", ["-nostdin", "-v", "error", "-y", ...args]);
  assert.is(made.status, 0, `${args.join(" ")}\n${made.stderr}`);
}

/** A film of a few seconds at 10 frames a second that changes at once from a test picture to red at 6 s. */
export function tinyFilm(path: string, ...options: string[]): void {
  const scene = (source: string, seconds: number) => ["-f", "lavfi", "-i", `${source}:size=64x48:rate=10:d=${seconds}`];
  const joined = ["-filter_complex", "[0][1]concat=n=2", "-pix_fmt", "yuv420p"];
  ffmpeg(...scene("testsrc=decimals=0", 6), ...scene("color=c=red", 4), ...joined, ...options, path);
}

/** Lines of [start, end, text] as SubRip. */
export const subRip = (lines: readonly (readonly [number, number, string])[]): string =>
  lines.map(([start, end, text], i) => `${i + 1}\n${clock(start)} --> ${clock(end)}\n${text}\n`).join("\n");

const clock = (seconds: number): string => new Date(1000 * seconds).toISOString().slice(11, 23).replace(".", ",");
