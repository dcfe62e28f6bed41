// A model without what joins the frames of a clip: what its towers alone recognise, a baseline of what the rest has learnt.
import type { Tensor } from "../../engine/index.ts";
import { mean, normalize } from "../../kernels/index.ts";
import type { VideoText } from "../../model/family.ts";

/** The same towers; of a clip the mean of its frames' features, of unit length. Shares the model's parameters. */
export const averaged = (model: VideoText): VideoText =>
  Object.create(model, {
    encodeVideo: {
      value: (frames_BT3SS: Tensor, mask_BTSS: Tensor) =>
        normalize(mean(model.encodeFrames(frames_BT3SS, mask_BTSS), 1)),
    },
  });
