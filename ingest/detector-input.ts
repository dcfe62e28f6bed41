// A picture -> what a detector is fed: stretched or put on grey, RGB or BGR, its numbers as families of detectors learned them; and
// the way back, from places in the input to pixels of the picture.
import type { Box } from "../data/pixels/boxes.ts";
import { type Image, resize, type Size } from "../data/pixels/resize.ts";

/** How a family of detectors is fed. */
export interface Feed {
  /** `stretched` to the input; or in proportion, in its middle or its upper left corner, the rest grey. */
  readonly fit: "stretched" | "middle" | "corner";
  /** From 0 to 1, minus ImageNet's mean over its deviation, or bytes in the order of OpenCV. */
  readonly numbers: "unit" | "imagenet" | "bgr bytes";
}

/** Where a picture lies in the input: input = picture * scale + offset, along x and y. */
export interface Placed {
  readonly scale: readonly [x: number, y: number];
  readonly offset: readonly [x: number, y: number];
  readonly size: Size;
  readonly picture: Size;
}

/** Grey of the rest, as the YOLO families learned it. */
const GREY = 114;
const IMAGENET = { mean: [0.485, 0.456, 0.406], deviation: [0.229, 0.224, 0.225] } as const;

/** Where a picture of this size lies. */
export function placeIn(picture: Size, input: Size, fit: Feed["fit"]): Placed {
  const across = input.width / picture.width;
  const down = input.height / picture.height;
  if (fit === "stretched") return { scale: [across, down], offset: [0, 0], size: input, picture };
  const scale = Math.min(across, down);
  const size = {
    width: Math.max(1, Math.round(picture.width * scale)),
    height: Math.max(1, Math.round(picture.height * scale)),
  };
  const offset: [number, number] =
    fit === "corner" ? [0, 0] : [(input.width - size.width) >> 1, (input.height - size.height) >> 1];
  return { scale: [size.width / picture.width, size.height / picture.height], offset, size, picture };
}

/** [3, height, width] of the input, plane by plane. */
export function inputNumbers(image: Image, input: Size, { numbers }: Feed, { size, offset }: Placed): Float32Array {
  const { data } = resize(image, size);
  const plane = input.width * input.height;
  const out = new Float32Array(3 * plane);
  for (let c = 0; c < 3; c++) {
    const from = numbers === "bgr bytes" ? 2 - c : c;
    const table = Float32Array.from({ length: 256 }, (_, value) => numberOf(value, c, numbers));
    out.fill(table[GREY], c * plane, (c + 1) * plane);
    for (let y = 0; y < size.height; y++) {
      let to = c * plane + (y + offset[1]) * input.width + offset[0];
      for (let i = 3 * y * size.width + from; i < 3 * (y + 1) * size.width; i += 3) out[to++] = table[data[i]];
    }
  }
  return out;
}

function numberOf(value: number, channel: number, numbers: Feed["numbers"]): number {
  if (numbers === "bgr bytes") return value;
  if (numbers === "unit") return value / 255;
  return (value / 255 - IMAGENET.mean[channel]) / IMAGENET.deviation[channel];
}

/** A box of the input's pixels in the picture's, cut to it; one that lies outside is none. */
export function inPicture([x1, y1, x2, y2]: Box, { scale, offset, picture }: Placed): Box | undefined {
  const x = (value: number) => Math.min(picture.width, Math.max(0, (value - offset[0]) / scale[0]));
  const y = (value: number) => Math.min(picture.height, Math.max(0, (value - offset[1]) / scale[1]));
  const box: Box = [x(x1), y(y1), x(x2), y(y2)];
  return box[2] > box[0] && box[3] > box[1] ? box : undefined;
}
