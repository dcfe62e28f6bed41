// The frames of a set in order, some at a time, as pixels: what a tower that is frozen is shown once. Which frames are one chunk depends
// on nothing but their numbers, so that work which goes on after a kill shows the tower the same as work that was never interrupted.
import { FormatError } from "../../engine/errors.ts";
import type { BadSample } from "../bad-samples.ts";
import { Gathered } from "../pixels/gathered.ts";
import type { ShownPixels, View } from "../pixels/view.ts";
import { inOrder } from "../threads/in-order.ts";
import { openPool, type Pool } from "../threads/pool.ts";
import { type SeenClip, Shower, type Showing } from "../showing.ts";
import type { FrameNumbers, FramePiece } from "./frame-rows.ts";

/** Frames `from` … `until − 1`, in as many places as a chunk has: what is behind them is black, and so are the bad ones. */
export interface FrameChunk {
  readonly from: number;
  readonly until: number;
  readonly pixels: ShownPixels;
  /** Numbers of the frames that could not be read, ascending, and of whose clips why, by the clip's number. */
  readonly bad: readonly number[];
  readonly reasons: readonly BadSample[];
}

/** How chunks are made. */
export interface ChunkOptions {
  readonly view: View;
  readonly workers: number;
  /** The first frame, and frames of a chunk. */
  readonly from: number;
  readonly size: number;
}

/** Chunks under way beside the one that is given out. */
const AHEAD = 2;

/** All chunks from a frame on. */
export async function* frameChunks(numbers: FrameNumbers, options: ChunkOptions): AsyncGenerator<FrameChunk> {
  const { view, workers, from, size } = options;
  const pool = openPool<Showing, SeenClip>({
    workers,
    bundle: "loader-worker",
    data: view,
    here: () => new Shower(view),
  });
  const begins = function* () {
    for (let at = from; at < numbers.count; at += size) yield at;
  };
  const close = () => pool.close("no more frames are wanted");
  yield* inOrder(begins(), AHEAD, (at) => chunkAt(at, numbers, options, pool), close);
}

async function chunkAt(
  from: number,
  numbers: FrameNumbers,
  { view, size }: ChunkOptions,
  pool: Pool<Showing, SeenClip>,
): Promise<FrameChunk> {
  const until = Math.min(from + size, numbers.count);
  const pixels = new Gathered(size, { ...view, frames: 1 });
  const bad: number[] = [];
  const reasons = new Map<number, string>();
  let at = from;
  const drawn: Promise<void>[] = [];
  for (const piece of numbers.pieces(from, until)) {
    for (const part of shortParts(piece, view.frames)) {
      const first = at;
      at += part.numbers.length;
      const onBad = (k: number, reason: string) => {
        bad.push(first + k);
        if (!reasons.has(part.index)) reasons.set(part.index, reason);
      };
      drawn.push(draw(part, (k, seen) => pixels.put(first + k - from, seen), onBad, pool));
    }
  }
  const failures = (await Promise.allSettled(drawn)).find(({ status }) => status === "rejected");
  if (failures) throw (failures as PromiseRejectedResult).reason;
  return {
    ...{ from, until, pixels: pixels.only([...Array(size).keys()]) },
    bad: bad.sort((a, b) => a - b),
    reasons: Array.from(reasons, ([index, reason]) => ({ index, reason })).sort((a, b) => a.index - b.index),
  };
}

/** No more frames of a clip are decoded at a time than training would. */
function* shortParts({ index, place, numbers }: FramePiece, most: number): Generator<FramePiece> {
  for (let k = 0; k < numbers.length; k += most) yield { index, place, numbers: numbers.slice(k, k + most) };
}

/** Draws some frames of a clip, one by one where that tells which of them is bad. */
async function draw(
  { index, place, numbers }: FramePiece,
  put: (first: number, pixels: ShownPixels) => void,
  onBad: (k: number, reason: string) => void,
  pool: Pool<Showing, SeenClip>,
): Promise<void> {
  const ask = async (first: number, some: readonly number[]) =>
    put(first, await pool.ask({ place, draw: { seed: 0, epoch: 0, index }, numbers: some }));
  try {
    await ask(0, numbers);
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    for (const [k, number] of numbers.entries()) {
      try {
        await ask(k, [number]);
      } catch (fault) {
        if (!(fault instanceof FormatError)) throw fault;
        onBad(k, fault.message);
      }
    }
  }
}
