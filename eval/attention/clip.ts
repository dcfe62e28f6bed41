// A clip and what the subject token looks at in it, as the sheet and the report draw it.
import { boxOfMask } from "../../data/pixels/mask.ts";
import type { Image } from "../../data/pixels/resize.ts";
import type { AttentionMaps, ShareBox } from "./maps.ts";

/** A frame as the model saw it, with its name and the subject's box if there is one. */
export interface ShownFrame {
  readonly image: Image;
  readonly label: string;
  readonly box: ShareBox | undefined;
}

/** A clip as it is drawn. */
export interface ShownClip {
  /** What is said above it. */
  readonly title: string;
  readonly frames: readonly ShownFrame[];
  readonly maps: AttentionMaps;
}

/** The frames with the boxes around their masks [T, S, S]. */
export function shownFrames(pictures: readonly Image[], labels: readonly string[], mask: Uint8Array): ShownFrame[] {
  const pixels = mask.length / pictures.length;
  return pictures.map((image, t): ShownFrame => {
    const own = mask.subarray(t * pixels, (t + 1) * pixels);
    const box = own.some((value) => value > 0) ? boxOfMask(own, [image.height, image.width]) : undefined;
    return { image, label: labels[t], box };
  });
}
