// Clips of face pictures in folders, as features are made of them.
import { join } from "node:path";
import { chosenFrames, type FaceView, showFaces } from "../../data/faces/clips.ts";
import type { FoundClip } from "../../data/faces/survey.ts";
import type { ClipsToShow } from "./clips.ts";

/** A clip and the folder that its own lies below. */
export interface FaceFolder {
  readonly root: string;
  readonly clip: FoundClip;
}

/** Each clip as a view shows it; windows are drawn from `seed`. */
export function faceClips(clips: readonly FaceFolder[], view: FaceView, seed: number): ClipsToShow {
  const mask = new Uint8Array(view.length * view.side ** 2);
  const draw = (index: number) => ({ seed, epoch: 0, index });
  return {
    length: clips.length,
    show: async (index) => {
      const { root, clip } = clips[index];
      return { frames: await showFaces(root, clip, view, draw(index)), mask };
    },
    told: (index) => {
      const { root, clip } = clips[index];
      const { indices } = chosenFrames(clip.frames.length, view, draw(index));
      const names = Array.from(new Set(indices), (i) => clip.frames[i]);
      return { what: [clip.id, names], files: names.map((name) => join(root, clip.folder, name)) };
    },
  };
}

/** A view as part of a key. */
export const viewKey = ({ length, every, side, window }: FaceView, seed: number): Record<string, string | number> => ({
  kind: "faces",
  frames: length,
  side,
  every,
  window,
  ...(window === "random" && { seed }),
});
