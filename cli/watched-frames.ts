// The frames of a film's windows as a model sees them, one after another, and which of them showed the subject.
import type { SubjectBoxes } from "../data/footage/boxes.ts";
import { type ReelFrame, reelFrames } from "../data/footage/reel-frames.ts";
import { footageResize } from "../data/pixels/view.ts";
import { type StopRequest, unlessStopped } from "../data/threads/long-work.ts";
import { framesOf } from "../eval/features/windows.ts";
import type { VideoText } from "../model/family.ts";
import type { OpenedFilm } from "./film.ts";

/** Who is marked in a film, and who hears of its frames. */
export interface Watching {
  readonly subject?: SubjectBoxes;
  readonly stop: StopRequest;
  /** Hears of each frame before it is given out, and the how manieth it is. */
  readonly onFrame?: (frame: ReelFrame, done: number) => Promise<void> | void;
}

/** `seen` holds the numbers of those that showed the subject so far. Errors: Stopped, and FormatError for a frame that cannot be decoded. */
export function watchedFrames(
  { takes: { side, whole } }: VideoText,
  { reel, windows }: OpenedFilm,
  { subject, stop, onFrame }: Watching,
): { readonly frames: AsyncIterable<ReelFrame>; readonly seen: ReadonlySet<number> } {
  const shown = reelFrames(reel, framesOf(windows), { side, resize: footageResize({ side, whole }) }, subject);
  const seen = new Set<number>();
  const watched = async function* (): AsyncGenerator<ReelFrame> {
    let done = 0;
    for await (const frame of unlessStopped(shown, stop)) {
      if (frame.isSeen) seen.add(frame.index);
      await onFrame?.(frame, ++done);
      yield frame;
    }
  };
  return { frames: watched(), seen };
}
