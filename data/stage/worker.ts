// A thread that draws clips of the stage. Bundled as an entry of its own, `stage-worker`.
import { answerWith } from "../threads/thread.ts";
import { type ClipName, makeClip, type StageClip } from "./index.ts";

answerWith<ClipName, StageClip>(
  ({ seed, split, index }) => makeClip(seed, split, index),
  () => [], // sharp's buffers cannot be handed over; they are small
);
