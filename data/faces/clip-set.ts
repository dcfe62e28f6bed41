// Clips of faces as a loader takes them: each with what is said of it and, where classes are to come equally often, by its class.
import type { ClipSet } from "../shards/batch.ts";
import { type Share, sharesOf } from "../sampling.ts";
import type { FaceClipPlace, FaceShowing } from "./clips.ts";
import type { FoundClip } from "./survey.ts";

/** Where clips lie, how they are shown, and what is said of each: of several texts one is drawn for a showing. */
export interface FaceClipsOptions {
  readonly root: string;
  readonly how: FaceShowing;
  readonly textsOf: (clip: FoundClip) => readonly string[];
  /** An epoch shows each class as often as the largest: a clip of a smaller one so much more often. */
  readonly balanced?: boolean;
}

export class FaceClips implements ClipSet {
  readonly categories: readonly string[] = [];
  readonly shares: readonly Share[];
  /** In the order of the list; balanced by class. */
  readonly clips: readonly FoundClip[];

  constructor(
    clips: readonly FoundClip[],
    private readonly options: FaceClipsOptions,
  ) {
    this.clips = options.balanced ? clips.toSorted((a, b) => a.label - b.label) : clips;
    this.shares = options.balanced ? balancedShares(this.clips) : sharesOf({ samples: clips.length });
  }

  get samples(): number {
    return this.clips.length;
  }

  nameOf(i: number): string {
    return this.clips[i].id;
  }

  placeOf(i: number): FaceClipPlace {
    const { root, how, textsOf } = this.options;
    const { folder, frames } = this.clips[i];
    return { kind: "faces", root, folder, frames, texts: textsOf(this.clips[i]), how };
  }
}

/** A share for each class that has clips, which come in the order of their classes. */
function balancedShares(clips: readonly FoundClip[]): Share[] {
  const counts = new Map<number, number>();
  for (const { label } of clips) counts.set(label, (counts.get(label) ?? 0) + 1);
  const most = Math.max(...counts.values());
  return Array.from(counts.values(), (samples) => ({ samples, factor: most / samples }));
}
