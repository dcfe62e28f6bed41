// Each rank tells the next one every second that it lives, and ends the job when the one before it has been silent for too long: a rank that
// hangs says nothing itself, and those that wait for it would wait for ever.
import { GpuError } from "../../engine/errors.ts";

/** How a sign of life gets to the next rank, and whether the one before has given any. */
export interface Signs {
  readonly rank: number;
  readonly size: number;
  give(to: number): void;
  /** Takes all that have come; whether there were any. */
  take(from: number): boolean;
}

/** Milliseconds between signs, and of silence after which a rank counts as hung. */
const EVERY = 1000;
const SILENCE = 10_000;

/** Begins to give and take signs; `silent` hears once of the rank that gives none. Returns what ends it. */
export function heartbeat(signs: Signs, silent: (error: GpuError) => void, silence = SILENCE): () => void {
  const { rank, size } = signs;
  const [before, next] = [(rank + size - 1) % size, (rank + 1) % size];
  let heard = performance.now();
  let looked = heard;
  const look = () => {
    const now = performance.now();
    const slept = now - looked > 3 * EVERY; // this process stood still itself, and the signs of the others lie waiting
    looked = now;
    signs.give(next);
    if (signs.take(before) || slept) heard = now;
    if (now - heard < silence) return;
    clearInterval(timer);
    silent(
      new GpuError(
        `rank ${before} has given no sign of life for ${Math.round((now - heard) / 1000)} s: it hangs, or its machine is gone\n` +
          "  the whole job ends here; the same command goes on from the last checkpoint",
      ),
    );
  };
  const timer = setInterval(look, EVERY);
  timer.unref();
  signs.give(next);
  return () => clearInterval(timer);
}
