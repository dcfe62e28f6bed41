// Pictures and masks on the host: resize, crop, normalisation, mask geometry, integer rules.
import { basename } from "node:path";
import {
  centreOffset,
  linspaceFrames,
  maskFullSizeInto,
  normaliseInto,
  resize,
  resizeCrop,
  shortSideSize,
} from "../../data/index.ts";
import { resizeBilinear } from "../../data/pixels/bilinear.ts";
import { type Check, isTensors } from "./check.ts";

interface ImageCase {
  readonly h: number;
  readonly w: number;
  readonly short: number;
  readonly out_h?: number;
  readonly out_w?: number;
  readonly crop: number;
  readonly box_yxyx?: number[];
}

/** Both files of a pair: the sizes (JSON) and the pixels (safetensors). */
const pairOf = (file: string) => ({
  sizes: file.replace(/\.\w+$/, ".json"),
  pixels: file.replace(/\.\w+$/, ".safetensors"),
});

const isPair =
  (name: RegExp): Check["takes"] =>
  (file, folder) =>
    name.test(basename(file)) && folder.has(pairOf(file).sizes) && folder.has(pairOf(file).pixels);

export const imageResize: Check = {
  takes: isPair(/^image_resize\w*\.(json|safetensors)$/),
  run: async (verdict) => {
    const { folder, file } = verdict;
    const { sizes, pixels } = pairOf(file);
    const of = folder.tensors(pixels);
    for (const [i, { h, w, short, out_h, out_w, crop }] of folder.json<ImageCase[]>(sizes).entries()) {
      const { data } = of.tensor(`in${i}`);
      const image = { data: data as Uint8Array, width: w, height: h };
      const size = shortSideSize(image, short);
      verdict.same(`size${i}`, [size.height, size.width], [out_h, out_w]);
      if (!isTensors(file)) continue;
      const at = { x: centreOffset(size.width, crop), y: centreOffset(size.height, crop), width: crop, height: crop };
      const cropped = resizeCrop(image, size, at);
      const normalised = new Float32Array(3 * crop * crop);
      normaliseInto(normalised, 0, cropped);
      verdict.input(`in${i}`);
      await verdict.tensor(`resized${i}`, resize(image, size).data);
      await verdict.tensor(`crop${i}`, cropped.data);
      await verdict.tensor(`tensor${i}`, normalised);
    }
  },
};

export const maskResize: Check = {
  takes: isPair(/^mask_resize\w*\.(json|safetensors)$/),
  run: async (verdict) => {
    const { folder, file } = verdict;
    const { sizes, pixels } = pairOf(file);
    const of = folder.tensors(pixels);
    for (const [i, { h, w, short, crop, box_yxyx }] of folder.json<ImageCase[]>(sizes).entries()) {
      const original = { width: w, height: h };
      const [y1, x1, y2, x2] = box_yxyx!;
      const drawn = Float32Array.from({ length: h * w }, (_, at) => {
        const [y, x] = [Math.floor(at / w), at % w];
        return Number(y1 <= y && y < y2 && x1 <= x && x < x2);
      });
      if (!isTensors(file)) {
        verdict.compare(`box_yxyx${i}`, drawn, of.tensor(`in${i}`).data, { rtol: 0, atol: 0 });
        continue;
      }
      verdict.input(`in${i}`);
      const input = of.tensor(`in${i}`).data as Float32Array;
      await verdict.tensor(`resized${i}`, resizeBilinear(input, original, shortSideSize(original, short)));
      const mask = new Uint8Array(crop * crop);
      maskFullSizeInto(mask, 0, [[x1, y1, x2, y2]], original, short, crop);
      await verdict.tensor(`binary${i}`, mask);
    }
  },
};

interface IntegerRules {
  readonly center_crop_offset: { size: number; crop: number; offset: number }[];
  readonly resize_long_side: { h: number; w: number; short: number; out: number[] }[];
  readonly linspace_int: { start: number; stop: number; num: number; out: number[] }[];
}

export const integerRules: Check = {
  takes: (file) => /^integer_rules\w*\.json$/.test(basename(file)),
  run: (verdict) => {
    const { center_crop_offset, resize_long_side, linspace_int } = verdict.folder.json<IntegerRules>(verdict.file);
    for (const { size, crop, offset } of center_crop_offset)
      verdict.same(`crop ${crop} of ${size}`, centreOffset(size, crop), offset);
    for (const { h, w, short, out } of resize_long_side) {
      const { height, width } = shortSideSize({ width: w, height: h }, short);
      verdict.same(`${w} x ${h} to ${short}`, [height, width], out);
    }
    for (const { start, stop, num, out } of linspace_int)
      verdict.same(`linspace(${start}, ${stop}, ${num})`, [...linspaceFrames(start, stop, num)], out);
  },
};
