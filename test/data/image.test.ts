import { readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import sharp from "sharp";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { decodeImage, normaliseInto } from "../../data/pixels/image.ts";
import { type Box, boxesOf, type Detection, letterbox, scaleBox } from "../../data/pixels/boxes.ts";
import { resizeBilinear } from "../../data/pixels/bilinear.ts";
import { maskFullSizeInto, maskInto } from "../../data/pixels/mask.ts";
import { Random } from "../../data/philox.ts";
import { centreOffset, type Image, resize, resizeCrop, shortSideSize } from "../../data/pixels/resize.ts";
import { epochOf, linspaceFrames, randomFrames } from "../../data/sampling.ts";
import { FormatError } from "../../engine/errors.ts";
import { parseSafetensors } from "../../data/formats/safetensors.ts";
import { effort } from "../kit/effort.ts";
import { refusal } from "../kit/refusal.ts";

const golden = join("test", "golden", "emotionclip");

function tensors(file: string): Map<string, Uint8Array> {
  const bytes = new Uint8Array(readFileSync(join(golden, file))); // not a Buffer: its slice() shares memory
  const { tensors } = parseSafetensors(bytes, file);
  return new Map([...tensors].map(([name, t]) => [name, bytes.subarray(t.offset, t.offset + t.bytes)]));
}
const floats = (bytes: Uint8Array) => new Float32Array(bytes.slice().buffer);
const json = (file: string) => JSON.parse(readFileSync(join(golden, file), "utf8"));

/** Worst |got − want| as a share of the manifest's tolerance (rtol 1e-5, atol as given). */
function worst(got: Float32Array, want: Float32Array, atol: number): number {
  assert.is(got.length, want.length);
  return want.reduce((w, v, i) => Math.max(w, Math.abs(got[i] - v) / (atol + 1e-5 * Math.abs(v))), 0);
}

test("resize, centre crop and normalisation agree with PIL and torchvision", () => {
  const t = tensors("ops/image_resize.safetensors");
  const cases = json("ops/image_resize.json");
  assert.is(cases.length, 5);
  cases.forEach(({ h, w, short, out_h, out_w, crop }: Record<string, number>, i: number) => {
    const image = { data: t.get(`in${i}`)!, width: w, height: h };
    const size = shortSideSize(image, short);
    assert.equal(size, { width: out_w, height: out_h });
    assert.equal(resize(image, size).data, new Uint8Array(t.get(`resized${i}`)!), `resized${i}`);
    const at = { x: centreOffset(out_w, crop), y: centreOffset(out_h, crop), width: crop, height: crop };
    const cropped = resizeCrop(image, size, at);
    assert.equal(cropped.data, new Uint8Array(t.get(`crop${i}`)!), `crop${i}`);
    const out = new Float32Array(3 * crop * crop + 5).fill(9);
    normaliseInto(out, 2, cropped);
    assert.ok(worst(out.slice(2, -3), floats(t.get(`tensor${i}`)!), 1e-6) <= 1, `tensor${i}`);
    assert.equal([...out.slice(0, 2), ...out.slice(-3)], [9, 9, 9, 9, 9], "nothing is written outside");
  });
});

test("a crop of the resized picture equals the same part of the whole one", () => {
  const noise = new Random(1, "noise");
  const side = fc.integer({ min: 1, max: 40 });
  fc.assert(
    fc.property(side, side, side, side, fc.infiniteStream(fc.nat(1000)), (width, height, w, h, draws) => {
      const draw = (n: number) => draws.next().value! % n;
      const data = Uint8Array.from({ length: width * height * 3 }, () => noise.below(256));
      const image: Image = { data, width, height };
      const [x, y] = [draw(w), draw(h)];
      const crop = { x, y, width: 1 + draw(w - x), height: 1 + draw(h - y) };
      const whole = resize(image, { width: w, height: h });
      const part = resizeCrop(image, { width: w, height: h }, crop);
      for (let r = 0; r < crop.height; r++) {
        const from = ((y + r) * w + x) * 3;
        const row = part.data.slice(r * crop.width * 3, (r + 1) * crop.width * 3);
        assert.equal(row, whole.data.slice(from, from + crop.width * 3));
      }
    }),
    { numRuns: 200, seed: 1, includeErrorInReport: true },
  );
});

/** One axis of PIL's filter, sample by sample, in the plainest way. */
function filtered(row: readonly number[], length: number): number[] {
  const scale = row.length / length;
  const stretch = Math.max(scale, 1);
  const cubic = (x: number) => (x < 1 ? (1.5 * x - 2.5) * x * x + 1 : x < 2 ? (((x - 5) * x + 8) * x - 4) * -0.5 : 0);
  return Array.from({ length }, (_, o) => {
    const centre = (o + 0.5) * scale;
    const from = Math.max(Math.trunc(centre - 2 * stretch + 0.5), 0);
    const to = Math.min(Math.trunc(centre + 2 * stretch + 0.5), row.length);
    const weights = row.slice(from, to).map((_, k) => cubic(Math.abs((k + from - centre + 0.5) / stretch)));
    const sum = weights.reduce((s, w) => s + w, 0);
    const whole = weights.map((w) => Math.sign(w) * Math.floor(Math.abs((w / sum) * 2 ** 22) + 0.5));
    const total = whole.reduce((s, w, k) => s + w * row[from + k], 2 ** 21);
    return Math.min(255, Math.max(0, Math.floor(total / 2 ** 22)));
  });
}

test("every number of taps gives what the plain filter gives", () => {
  const noise = new Random(3, "noise");
  const size = fc.integer({ min: 1, max: 60 });
  fc.assert(
    fc.property(size, size, size, size, (width, height, w, h) => {
      // extremes of 0 and 255 make the filter overshoot
      const data = Uint8Array.from({ length: width * height * 3 }, () =>
        noise.below(3) ? 255 * noise.below(2) : noise.below(256),
      );
      const got = resize({ data, width, height }, { width: w, height: h });
      for (let c = 0; c < 3; c++) {
        const rows = Array.from({ length: height }, (_, y) => {
          const row = Array.from({ length: width }, (_, x) => data[(y * width + x) * 3 + c]);
          return w === width ? row : filtered(row, w);
        });
        for (let x = 0; x < w; x++) {
          const column = rows.map((row) => row[x]);
          const want = h === height ? column : filtered(column, h);
          assert.equal(
            want.map((_, y) => got.data[(y * w + x) * 3 + c]),
            want,
          );
        }
      }
    }),
    { numRuns: 120, seed: 7, includeErrorInReport: true },
  );
});

test("a picture of one pixel's height is not blown up beyond its crop", async () => {
  const image = { data: new Uint8Array(3 * 30_000).fill(77), width: 30_000, height: 1 };
  const size = shortSideSize(image, 256);
  assert.is(size.width, 7_680_000);
  const crop = { x: centreOffset(size.width, 224), y: 16, width: 224, height: 224 };
  const cost = await effort(() => assert.ok(resizeCrop(image, size, crop).data.every((v) => v === 77)), 500);
  assert.ok(cost < 500, `${cost} yardsticks`); // the whole picture would be 34,000 times the crop
});

test("a picture of one colour keeps it at every size", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 99 }), fc.integer({ min: 1, max: 99 }), fc.nat(255), (n, m, v) => {
      const image = { data: new Uint8Array(n * n * 3).fill(v), width: n, height: n };
      assert.ok(resize(image, { width: m, height: m }).data.every((b) => b === v));
    }),
    { numRuns: 200, seed: 2, includeErrorInReport: true },
  );
});

test("JPEG files of every kind decode to PIL's bytes, grey ones to RGB", async () => {
  const want = tensors("data/expected.safetensors");
  for (const { file, w, h } of json("data/expected.json").jpeg) {
    const image = await decodeImage(readFileSync(join(golden, "data/jpeg", file)), file);
    assert.equal([image.width, image.height], [w, h]);
    assert.equal(new Uint8Array(image.data), new Uint8Array(want.get(`jpeg.${file.slice(0, -4)}`)!), file);
  }
});

test("PNG files decode, their alpha dropped", async () => {
  const raw = { width: 3, height: 2, channels: 4 } as const;
  const rgba = Uint8Array.from({ length: 24 }, (_, i) => i * 10);
  const image = await decodeImage(await sharp(rgba, { raw }).png().toBuffer(), "a.png");
  assert.equal(
    [...image.data],
    [...rgba].filter((_, i) => i % 4 !== 3),
  );
});

test("WebP and TIFF decode to the very bytes, their alpha dropped; of several pages the first", async () => {
  for (const channels of [3, 4] as const) {
    const raw = { width: 5, height: 3, channels };
    const bytes = Uint8Array.from({ length: 15 * channels }, (_, i) => (i % 4 === 3 ? 255 : i * 4));
    const rgb = [...bytes].filter((_, i) => channels === 3 || i % 4 !== 3);
    for (const encoded of [
      sharp(bytes, { raw }).webp({ lossless: true, exact: true }),
      sharp(bytes, { raw }).tiff({ compression: "none" }),
      sharp(bytes, { raw }).tiff({ compression: "lzw", predictor: "horizontal" }),
      sharp(bytes, { raw }).tiff({ compression: "deflate", bigtiff: true }),
    ])
      assert.equal([...(await decodeImage(await encoded.toBuffer(), "x")).data], rgb);
  }
  const page = (background: string) =>
    sharp({ create: { width: 4, height: 4, channels: 3, background } })
      .png()
      .toBuffer();
  const pages = await Promise.all(["red", "blue"].map(page));
  const animated = await sharp(pages, { join: { animated: true } })
    .webp({ lossless: true })
    .toBuffer();
  const { data, width, height } = await decodeImage(animated, "x");
  assert.equal([width, height, ...data.subarray(0, 3)], [4, 4, 255, 0, 0]);
});

test("kinds that are not decoded are named", async () => {
  const text = (start: string) => Buffer.concat([Buffer.from(start, "latin1"), Buffer.alloc(40)]);
  const picture = sharp({ create: { width: 8, height: 8, channels: 3, background: "red" } });
  for (const [kind, bytes] of [
    ["BMP", text("BM\x46\0\0\0\0\0\0\0\x36")],
    ["GIF", await picture.clone().gif().toBuffer()],
    ["AVIF", await picture.clone().avif().toBuffer()],
    ["HEIC", text("\0\0\0\x18ftypheic")],
    ["JPEG XL", text("\xff\x0a")],
    ["JPEG 2000", text("\0\0\0\x0cjP  ")],
    ["PSD", text("8BPS")],
  ] as const) {
    const error = await refusal(decodeImage(bytes, "x.bmp"), kind);
    assert.instance(error, FormatError);
    assert.is(error.message, `x.bmp: not supported: ${kind}; JPEG, PNG, WebP, TIFF are`);
  }
});

test("a cut WebP or TIFF is refused", async () => {
  const noise = Uint8Array.from({ length: 64 * 64 * 3 }, (_, i) => (i * 7919) % 251);
  const picture = () => sharp(noise, { raw: { width: 64, height: 64, channels: 3 } });
  for (const whole of [await picture().webp().toBuffer(), await picture().tiff({ compression: "lzw" }).toBuffer()])
    for (const share of [0.2, 0.5, 0.9]) {
      const cut = whole.subarray(0, Math.floor(whole.length * share));
      assert.match((await refusal(decodeImage(cut, "x"))).message, /^x: does not decode: /);
    }
});

test("grey of 16 bits keeps its upper byte", async () => {
  // two pixels, 0x0102 and 0xfe7f
  const png = "iVBORw0KGgoAAAANSUhEUgAAAAIAAAABEAAAAACB2fwVAAAADUlEQVR4nGNgZPpXDwACigGBbguzKwAAAABJRU5ErkJggg==";
  const { data } = await decodeImage(Buffer.from(png, "base64"), "grey.png");
  assert.equal([...data], [1, 1, 1, 0xfe, 0xfe, 0xfe]);
});

test("damaged, truncated, foreign and CMYK pictures are refused by name", async () => {
  const good = readFileSync(join(golden, "data/jpeg/s420.jpg"));
  const cmyk = await sharp(good).toColourspace("cmyk").jpeg().toBuffer();
  const cases: [Uint8Array, RegExp][] = [
    [new Uint8Array(0), /^x\.jpg: starts with nothing/],
    [new TextEncoder().encode("<svg xmlns='http://www.w3.org/2000/svg'/>"), /^x\.jpg: starts with 3c737667/],
    [new TextEncoder().encode("hello"), /^x\.jpg: starts with 68656c6c, which is none of JPEG, PNG, WebP, TIFF$/],
    [good.subarray(0, good.length >> 1), /^x\.jpg: does not decode: /],
    [good.subarray(0, 3), /^x\.jpg: does not decode: /],
    [cmyk, /^x\.jpg: a CMYK JPEG/],
    [await sharp(good).toColourspace("cmyk").tiff().toBuffer(), /^x\.jpg: a CMYK TIFF/],
  ];
  for (const [bytes, message] of cases) {
    const error = await decodeImage(bytes, "x.jpg").then(
      () => assert.unreachable(String(message)),
      (e) => e,
    );
    assert.instance(error, FormatError);
    assert.match(error.message, message);
  }
  assert.is((await decodeImage(good, "x.jpg")).width, 64);
});

test("crop offsets, long sides and linspace follow the integer rules", () => {
  const rules = json("ops/integer_rules.json");
  for (const { size, crop, offset } of rules.center_crop_offset) assert.is(centreOffset(size, crop), offset);
  for (const { h, w, short, out } of rules.resize_long_side)
    assert.equal(shortSideSize({ width: w, height: h }, short), { width: out[1], height: out[0] });
  for (const { start, stop, num, out } of rules.linspace_int) assert.equal([...linspaceFrames(start, stop, num)], out);
});

test("letterbox geometry, detector boxes and Emotic's boxes follow the official rules", () => {
  const rules = json("data/expected.json");
  for (const { h, w, scale, resized_wh, ...padding } of rules.letterbox) {
    const got = letterbox({ width: w, height: h });
    assert.equal(got, { scale, width: resized_wh[0], height: resized_wh[1], ...padding });
  }
  for (const { size_wh, boxes, rescaled, mask_pixels } of rules.box_rescale) {
    const size = { width: size_wh[0], height: size_wh[1] };
    const got = boxesOf(boxes, size);
    const confident = rescaled.filter((b: number[]) => b[4] > 0.5);
    assert.equal(
      got,
      confident.map((b: number[]) => b.slice(0, 4)),
    );
    assert.is(pixels(got, size.width, size.height), mask_pixels);
  }
  for (const { box, new_wh, orig_wh, out } of rules.emotic_box) {
    const [from, to] = [orig_wh, new_wh].map(([width, height]) => ({ width, height }));
    assert.equal(scaleBox(box, from, to), out);
  }
});

test("exact detector boxes subtract the letterbox padding that compat ignores", () => {
  const size = { width: 640, height: 360 }; // 12 rows of padding above and below
  const seen: Detection = [100, 112, 200, 212, 0.9];
  assert.equal(boxesOf([seen], size, "exact"), [[100, 100, 200, 200]]);
  assert.equal(boxesOf([seen], size, "compat"), [[100, 112, 200, 212]]);
});

test("boxes outside the picture, empty or inverted draw nothing; none at all is an empty mask", () => {
  const outside: Box[] = [
    [-9, 0, -2, 9],
    [12, 0, 20, 9],
    [5, 5, 5, 9],
    [6, 6, 2, 2],
  ];
  assert.is(pixels(outside, 10, 10), 0);
  assert.is(pixels([], 10, 10), 0);
  assert.is(pixels([...outside, [8, 8, 20, 20]], 10, 10), 4);
});

test("the mask made at full size and resized agrees with the official path", () => {
  const t = tensors("ops/mask_resize.safetensors");
  json("ops/mask_resize.json").forEach(({ h, w, short, crop, box_yxyx }: MaskCase, i: number) => {
    const original = { width: w, height: h };
    const input = floats(t.get(`in${i}`)!);
    const resized = resizeBilinear(input, original, shortSideSize(original, short));
    assert.ok(worst(resized, floats(t.get(`resized${i}`)!), 1e-5) <= 1);
    const [y1, x1, y2, x2] = box_yxyx;
    const mask = new Uint8Array(crop * crop);
    maskFullSizeInto(mask, 0, [[x1, y1, x2, y2]], original, short, crop);
    assert.equal(mask, new Uint8Array(t.get(`binary${i}`)!));
  });
});
type MaskCase = { h: number; w: number; short: number; crop: number; box_yxyx: number[] };

test("random frames are distinct, ascending, in range, and every frame is equally likely", () => {
  const hits = new Float64Array(9);
  for (let i = 0; i < 3000; i++) {
    const frames = randomFrames(new Random(5, "frames 0", i), 9, 4);
    assert.is(new Set(frames).size, 4);
    assert.equal(frames, frames.slice().sort());
    for (const f of frames) hits[f]++;
  }
  // 3000 draws of 4 of 9: mean 1333, deviation 27; five deviations
  assert.ok(
    hits.every((n) => Math.abs(n - 1333) < 135),
    String(hits),
  );
});

test("an epoch's order is a permutation, the same for the same seed and epoch only", () => {
  const order = epochOf(2022, 3, [{ samples: 100, factor: 1 }]).indices;
  assert.equal(
    [...order].sort((a, b) => a - b),
    [...Array(100).keys()],
  );
  assert.equal(order, epochOf(2022, 3, [{ samples: 100, factor: 1 }]).indices);
  assert.not.equal(order, epochOf(2022, 4, [{ samples: 100, factor: 1 }]).indices);
  assert.not.equal(order, epochOf(2023, 3, [{ samples: 100, factor: 1 }]).indices);
});

function pixels(boxes: Box[], width: number, height: number): number {
  const mask = new Uint8Array(width * height);
  maskInto(mask, 0, boxes, { x: 0, y: 0, width, height });
  return mask.reduce((s, v) => s + v, 0);
}

test("nothing but JPEG, PNG, WebP and TIFF can be loaded, whatever it calls itself", async () => {
  const picture = sharp({ create: { width: 8, height: 8, channels: 3, background: "red" } });
  await decodeImage(await picture.clone().jpeg().toBuffer(), "x");
  await decodeImage(await picture.clone().png().toBuffer(), "x");
  await decodeImage(await picture.clone().webp().toBuffer(), "x");
  await decodeImage(await picture.clone().tiff().toBuffer(), "x");
  const others = {
    gif: await picture.clone().gif().toBuffer(),
    heif: await picture.clone().avif().toBuffer(),
    svg: Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" width="8" height="8"/>'),
  };
  const loaders = Object.values(sharp.format as unknown as Record<string, { id: string; input: { buffer: boolean } }>)
    .filter(({ input }) => input.buffer)
    .map(({ id }) => id);
  assert.equal(loaders.sort(), ["jpeg", "png", "raw", "tiff", "webp", ...Object.keys(others)].sort()); // a new one must be blocked too
  for (const [kind, bytes] of Object.entries(others))
    await sharp(bytes)
      .metadata()
      .then(
        () => assert.unreachable(kind),
        (error) => assert.match(error.message, /unsupported image format/, kind),
      );
});

test.run();
