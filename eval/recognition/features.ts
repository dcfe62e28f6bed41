// Features of face clips, for the zero-shot protocol: clips that cannot be read are left out, counted and named.
import { type FaceView, showFaces } from "../../data/faces/clips.ts";
import type { FoundClip } from "../../data/faces/survey.ts";
import type { AnyPixels } from "../../data/pixels/view.ts";
import { type StopRequest, untilStopped } from "../../data/threads/long-work.ts";
import { FormatError, HealthError } from "../../engine/errors.ts";
import type { VideoText } from "../../model/family.ts";
import { encodeVideos } from "../features/encode.ts";
import type { Matrix } from "../matrix.ts";

/** What is encoded, how, and who hears of it. */
export interface FaceRequest {
  readonly root: string;
  readonly clips: readonly FoundClip[];
  readonly view: FaceView;
  readonly seed: number;
  /** Share of clips that may be unreadable. */
  readonly maxBad: number;
  readonly batch?: number;
  readonly at?: (done: number) => void;
  /** Once somebody has asked to stop, no further clip is shown, and the rows are fewer. */
  readonly stop: StopRequest;
}

/** Rows [N, E] of the clips that could be read, their class numbers, and why the others could not. */
export interface FaceFeatures {
  readonly features: Matrix;
  readonly labels: Int32Array;
  readonly bad: readonly string[];
}

/** Encodes clips in their order. Errors: HealthError for too many that cannot be read. */
export async function faceFeatures(model: VideoText, request: FaceRequest): Promise<FaceFeatures> {
  const { root, clips, view, seed, maxBad, batch, at, stop } = request;
  const labels: number[] = [];
  const bad: string[] = [];
  const mask = new Uint8Array(view.length * view.side ** 2);
  async function* pixels(): AsyncGenerator<AnyPixels> {
    for (const [index, clip] of clips.entries()) {
      const frames = await shown(clip, index);
      if (frames) yield { frames, mask };
    }
  }
  const shown = async (clip: FoundClip, index: number) => {
    try {
      const frames = await showFaces(root, clip, view, { seed, epoch: 0, index });
      labels.push(clip.label);
      return frames;
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
      bad.push(error.message);
      if (bad.length > maxBad * clips.length || bad.length === clips.length)
        throw new HealthError(
          `${bad.length} of ${clips.length} clips cannot be read, more than --max-bad allows: ${bad.slice(0, 5).join("; ")}`,
        );
      return undefined;
    }
  };
  const features = await encodeVideos(model, untilStopped(pixels(), stop), { batch, at });
  return { features, labels: Int32Array.from(labels), bad };
}
