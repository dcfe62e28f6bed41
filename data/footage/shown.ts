// Which frames of a film are shown at moments of a steady rate.

/** A moment may be this much, in seconds, before its frame: times in files are rounded. */
const ROUNDING = 1e-3;

/** The numbers of the frames shown at start, start + 1/fps, …: `count` of them, of frames that are shown from `seconds` on. */
export function framesShown(seconds: readonly number[], start: number, fps: number, count: number): number[] {
  let at = 0;
  return Array.from({ length: count }, (_, k) => {
    while (at + 1 < seconds.length && seconds[at + 1] <= start + k / fps + ROUNDING) at++;
    return at;
  });
}
