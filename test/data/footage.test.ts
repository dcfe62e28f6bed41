// A user's footage: folders, pictures and videos into frames and masks, and what of them is refused. Videos are read
// through programs that only look like ffmpeg; where the real one is installed it is tried too.
import { spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import sharp from "sharp";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { boxesFrom, openBoxes } from "../../data/footage/boxes.ts";
import { naturally } from "../../data/footage/files.ts";
import { type Footage, readFootage } from "../../data/footage/footage.ts";
import { decodeImage } from "../../data/pixels/image.ts";
import { maskInto } from "../../data/pixels/mask.ts";
import { resizeCrop } from "../../data/pixels/resize.ts";
import { FormatError, UsageError } from "../../engine/errors.ts";
import { refusal } from "../kit/refusal.ts";
import { inTemporary } from "../kit/temporary.ts";

const picture = (width: number, height: number, value: number) =>
  sharp({ create: { width, height, channels: 3, background: { r: value, g: value, b: value } } })
    .png()
    .toBuffer();

/** PNG files of one grey each; value i·10 in frame i. */
async function framesIn(folder: string, count: number, width = 12, height = 8): Promise<string[]> {
  const paths = Array.from({ length: count }, (_, i) => join(folder, `frame_${i}.png`));
  for (const [i, path] of paths.entries()) writeFileSync(path, await picture(width, height, 10 * i));
  return paths;
}

const greys = ({ pictures }: Footage) => pictures.map(({ data }) => data[0]);
const view = { side: 4, resize: 6 };

test("a folder is read in natural order, eight frames evenly spaced, as evaluation takes them", () =>
  inTemporary(async (folder) => {
    await framesIn(folder, 13);
    writeFileSync(join(folder, "notes.txt"), "no picture");
    writeFileSync(join(folder, ".hidden.png"), "no picture");
    const footage = await readFootage(folder, { ...view, frames: 8 });
    assert.equal(greys(footage), [0, 10, 30, 50, 60, 80, 100, 120]);
    assert.equal(footage.names[6], "frame_10.png");
    assert.is(footage.frames.length, 8 * 3 * 16);
    assert.is(footage.mask.length, 8 * 16);
    assert.is(footage.seen, 0);
    const ranged = await readFootage(folder, { ...view, frames: 3, range: [2, 6] });
    assert.equal(greys(ranged), [20, 40, 60]);
    const all = await readFootage(folder, { ...view, frames: "all" });
    assert.equal(greys(all), [0, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100, 110, 120]);
  }));

test("frames may be WebP and TIFF", () =>
  inTemporary(async (folder) => {
    const grey = async (value: number) => sharp(await picture(12, 8, value));
    writeFileSync(join(folder, "1.webp"), await (await grey(10)).webp({ lossless: true }).toBuffer());
    writeFileSync(join(folder, "2.tif"), await (await grey(20)).tiff().toBuffer());
    writeFileSync(join(folder, "3.TIFF"), await (await grey(30)).tiff().toBuffer());
    writeFileSync(join(folder, "4.png"), await (await grey(40)).png().toBuffer());
    assert.equal(greys(await readFootage(folder, { ...view, frames: "all" })), [10, 20, 30, 40]);
    assert.equal(greys(await readFootage(join(folder, "1.webp"), { ...view, frames: 1 })), [10]);
    assert.equal(greys(await readFootage(join(folder, "2.tif"), { ...view, frames: 1 })), [20]);
  }));

test("fewer frames than asked for repeat", () =>
  inTemporary(async (folder) => {
    await framesIn(folder, 2);
    assert.equal(greys(await readFootage(folder, { ...view, frames: 5 })), [0, 0, 0, 0, 10]);
  }));

test("pictures keep the order given; each is resized from its own size", () =>
  inTemporary(async (folder) => {
    const paths = ["b.png", "a.jpg", "c.png"].map((name) => join(folder, name));
    const noise = (width: number, height: number) => {
      const data = Uint8Array.from({ length: width * height * 3 }, (_, i) => (i * 7919) % 251);
      return sharp(data, { raw: { width, height, channels: 3 } });
    };
    writeFileSync(paths[0], await noise(12, 8).png().toBuffer());
    writeFileSync(paths[1], await noise(9, 20).jpeg().toBuffer());
    writeFileSync(paths[2], await noise(6, 6).png().toBuffer());
    const footage = await readFootage(paths, { ...view, frames: 3 });
    const crops = [
      { size: { width: 9, height: 6 }, x: 2, y: 1 }, // 2.5 to the even 2
      { size: { width: 6, height: 13 }, x: 1, y: 4 }, // 4.5 to the even 4
      { size: { width: 6, height: 6 }, x: 1, y: 1 },
    ];
    for (const [i, { size, x, y }] of crops.entries()) {
      const image = await decodeImage(readFileSync(paths[i]), "x");
      const crop = resizeCrop(image, size, { x, y, width: 4, height: 4 });
      assert.equal([...footage.frames.slice(48 * i, 48 * i + 48)], [...crop.data]);
      assert.equal([...footage.pictures[i].data], [...crop.data]);
    }
  }));

test("a box in pixels of the stored picture becomes the mask of every frame; outside of the crop it is empty", () =>
  inTemporary(async (folder) => {
    await framesIn(folder, 2, 24, 16);
    const mask = async (boxes: string) =>
      [...(await readFootage(folder, { side: 8, resize: 8, frames: 2, subject: await openBoxes(boxes) })).mask].join(
        "",
      );
    // 24x16 -> 12x8, crop columns 2 to 9: the box is columns 2 to 4 and rows 0 to 2 of the resized frame
    assert.is(await mask("4,0,8,4"), `${"11000000".repeat(2)}${"0".repeat(48)}`.repeat(2));
    assert.is(await mask("3.5, -9, 8, 4"), `${"11000000".repeat(2)}${"0".repeat(48)}`.repeat(2));
    assert.is(await mask("4,0,8,4;18,14,24,99"), `${"11000000".repeat(2)}${"0".repeat(40)}00000001`.repeat(2));
    assert.is(await mask("0,0,4,16"), "0".repeat(128));
    const { seen } = await readFootage(folder, {
      side: 8,
      resize: 8,
      frames: 2,
      subject: await openBoxes("0,0,24,16"),
    });
    assert.is(seen, 2);
  }));

test("boxes by hand that are none, empty or outside of a frame are refused", () =>
  inTemporary(async (folder) => {
    await framesIn(folder, 1, 24, 16);
    for (const text of [
      "1,2,3",
      "1,2,3,4,5",
      "a,2,3,4",
      "1,2,0x3,4",
      "1,,3,4",
      "5,5,5,9",
      "5,9,7,3",
      "",
      "1e3,2,3,4",
    ]) {
      const error = await refusal(openBoxes(text), text);
      assert.ok(error instanceof UsageError || error instanceof FormatError, text);
    }
    for (const text of ["24,0,30,5", "0,16,5,20", "-9,0,0,5"]) {
      const subject = await openBoxes(text);
      const error = await refusal(readFootage(folder, { ...view, frames: 1, subject }), text);
      assert.match(error.message, /lies outside of "frame_0\.png", 24x16$/);
    }
  }));

const json = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));
const masked = (subject: ReturnType<typeof boxesFrom>, name: string, original: [number, number]) => {
  const size = { width: original[0], height: original[1] };
  const out = new Uint8Array(size.width * size.height);
  maskInto(out, 0, subject({ name, index: 0 }, size, size), { x: 0, y: 0, ...size });
  return out.reduce((sum, v) => sum + v, 0);
};

test("a file of boxes is a list of objects or an object; its numbers mean what is said", () => {
  const boxes = { "a.jpg": [[100, 112, 200, 212, 0.9]], "b.jpg": [], "c.jpg": [[0, 0, 9, 9, 0.5]] };
  const list = Object.entries(boxes).map(([name, found]) => ({ [name]: found }));
  for (const file of [boxes, list]) {
    const at = (meaning: "compat" | "exact" | "pixels") => boxesFrom(json(file), "boxes.json", meaning);
    const frame = [
      { name: "a.jpg", index: 0 },
      { width: 640, height: 360 },
      { width: 640, height: 360 },
    ] as const;
    assert.equal(at("compat")(...frame), [[100, 112, 200, 212]]);
    assert.equal(at("exact")(...frame), [[100, 100, 200, 200]]); // 12 rows of padding above
    assert.equal(at("pixels")(frame[0], { width: 1280, height: 720 }, frame[2]), [[50, 56, 100, 106]]);
    assert.is(masked(at("pixels"), "b.jpg", [640, 360]), 0);
    assert.is(masked(at("compat"), "c.jpg", [640, 360]), 0); // 0.5 is not above 0.5
    assert.is(masked(at("pixels"), "a.jpg", [150, 150]), 50 * 38);
    assert.is(masked(boxesFrom(json(file), "boxes.json"), "a.jpg", [150, 150]), 50 * 38);
    assert.throws(
      () => at("compat")({ name: "d.jpg", index: 3 }, frame[1], frame[2]),
      /^boxes\.json: has no frame "d\.jpg"$/,
    );
  }
});

test("a file of one's own means the pixels that the same box inline means", () =>
  inTemporary(async (folder) => {
    const path = join(folder, "boxes.json");
    writeFileSync(path, JSON.stringify({ "a.jpg": [[100, 50, 500, 350]], "b.jpg": [[1300, 0, 1400, 99]] }));
    const original = { width: 1280, height: 720 };
    const at = async (text: string, meaning?: "compat", name = "a.jpg") =>
      (await openBoxes(text, meaning))({ name, index: 0 }, original, { width: 640, height: 360 });
    assert.equal(await at(path), [[50, 25, 250, 175]]);
    assert.equal(await at(path), await at("100,50,500,350"));
    assert.equal(await at(path, "compat"), [[100, 50, 500, 350]]); // the detector's, as the official files have them
    const error = await refusal(at(path, undefined, "b.jpg"));
    assert.instance(error, FormatError);
    assert.match(
      error.message,
      /^boxes\.json: 1300,0,1400,99 lies outside of "b\.jpg", 1280x720; expected pixels .* --box-rule compat/,
    );
  }));

test("frames of a video are found by number from 0, or as ffmpeg extracts them from 1", () => {
  const size = { width: 640, height: 640 };
  const find = (file: object, index: number) =>
    boxesFrom(json(file), "b.json", "pixels")({ name: String(index), index }, size, size)[0];
  assert.equal(find({ "0": [[1, 2, 3, 4]], "7": [[5, 6, 7, 8]] }, 7), [5, 6, 7, 8]);
  assert.equal(find({ "00000001.jpg": [[1, 2, 3, 4]], "00000008.jpg": [[5, 6, 7, 8]] }, 7), [5, 6, 7, 8]);
  assert.throws(() => find({ "00000007.jpg": [[5, 6, 7, 8]] }, 7), /has no frame "7"/);
  const others = boxesFrom(json({ "frame_0.jpg": [[1, 2, 3, 4]] }), "b.json", "pixels");
  assert.throws(() => others({ name: "frame_1.jpg", index: 1 }, size, size), /has no frame "frame_1\.jpg"$/);
});

test("damaged files of boxes are refused by name", () => {
  const cases: [string, RegExp][] = [
    ["", /^b\.json: not valid JSON/],
    ["{}", /^b\.json: has boxes of 0 frames$/],
    ["[]", /^b\.json: has boxes of 0 frames$/],
    ['{"a":[[1,2,3]]}', /^b\.json: frame "a" has the box "1 2 3", expected/],
    ['{"a":[[1,2,3,4,5]]}', /has the box "1 2 3 4 5", expected .* a confidence from 0 to 1$/],
    ['{"a":[[3,2,1,4]]}', /has the box "3 2 1 4", expected x1 ≤ x2/],
    ['{"a":[[1,2,3,1e7]]}', /has the box/],
    ['{"a":[[1,2,3,"4"]]}', /a number expected/],
    ['{"a":[[1,2,3,4,0.9,7]]}', /a list of more than 5 members/],
    ['{"a":[],"a":[]}', /duplicate key "a"/],
    ['[{"a":[]},{"a":[]}]', /frame "a" is there twice/],
    ['{"a":[]} x', /text after the end/],
    ['{"\\u001b[2J":[1]}', /^b\.json: '\[' expected at byte \d+, received a number$/],
    [`{${Array.from({ length: 300_001 }, (_, i) => `"${i}":[]`)},`, /more than 300000 frames/],
    [`[${"{},".repeat(300_000)}{}]`, /a list of more than 300000 members/],
  ];
  for (const [text, message] of cases)
    assert.throws(
      () => boxesFrom(new TextEncoder().encode(text), "b.json", "compat"),
      (error: unknown) => error instanceof FormatError && message.test(error.message),
      text,
    );
  assert.is(typeof boxesFrom(new TextEncoder().encode('{"a":[]}'), "b.json", "compat"), "function");
  fc.assert(
    fc.property(fc.oneof(fc.json(), fc.string()), (text) => {
      try {
        boxesFrom(new TextEncoder().encode(text), "b.json", "compat");
      } catch (error) {
        assert.instance(error, FormatError);
      }
    }),
    { numRuns: 2000, seed: 5, includeErrorInReport: true },
  );
});

test("digits are ordered by their value", () => {
  const names = ["f10.png", "f9.png", "f1.png", "f1b.png", "f02.png", "g.png", "f.png"];
  assert.equal(names.sort(naturally), ["f1.png", "f1b.png", "f02.png", "f9.png", "f10.png", "f.png", "g.png"]);
});

test("what is no footage is refused by name", () =>
  inTemporary(async (folder) => {
    const [good] = await framesIn(folder, 1);
    const at = (name: string, bytes: Uint8Array | string) => {
      writeFileSync(join(folder, name), bytes);
      return join(folder, name);
    };
    mkdirSync(join(folder, "empty"));
    mkdirSync(join(folder, "bitmaps"));
    const bmp = Buffer.concat([Buffer.from("BM\x46\0\0\0\0\0\0\0\x36", "latin1"), Buffer.alloc(59)]);
    at("bitmaps/1.bmp", bmp);
    at("bitmaps/0.png", readFileSync(good));
    const one = { ...view, frames: 1 };
    const cases: [string | string[], RegExp][] = [
      [join(folder, "none.png"), /^none\.png: no such file$/],
      [join(folder, "empty"), /^empty: a folder without \.jpg, \.png, \.webp or \.tif files$/],
      [at("zero.mp4", ""), /^zero\.mp4: has 0 bytes$/],
      [[good, at("text.png", "hello")], /^text\.png: starts with 68656c6c, which is none of JPEG, PNG, WebP, TIFF$/],
      [[good, join(folder, "empty")], /^empty: not a regular file$/],
      [at("alone.bmp", bmp), /^alone\.bmp: not supported: BMP; JPEG, PNG, WebP, TIFF are$/],
      [join(folder, "bitmaps"), /^1\.bmp: not supported: BMP; JPEG, PNG, WebP, TIFF are$/],
      [at("cut.png", (await picture(50, 50, 9)).subarray(0, 60)), /^cut\.png: does not decode/],
    ];
    for (const [source, message] of cases) {
      const error = await refusal(readFootage(source, { ...one, frames: "all" }), String(source));
      assert.instance(error, FormatError);
      assert.match(error.message, message);
    }
    for (const [options, message] of [
      [{ ...one, range: [0, 1] }, /^frames 0 to 1 of frame_0\.png: it has frames 0 to 0$/],
      [{ ...one, frames: 0 }, /^0 frames of frame_0\.png: expected 1 to 1024$/],
      [{ ...one, side: 7 }, /^a crop of 7 pixels does not fit frames resized to 6$/],
    ] as const) {
      const error = await refusal(readFootage(good, options));
      assert.instance(error, UsageError);
      assert.match(error.message, message);
    }
    assert.instance(await refusal(readFootage([], one)), UsageError);
    assert.is((await readFootage(good, one)).pictures.length, 1);
  }));

// ---- videos -------------------------------------------------------------------------------------------------------

/**
 * Programs that answer for videos of 20 frames of 6x4, frame i of grey i, shown at 512 i; the file's name says how they
 * misbehave.
 */
const fake = `#!/usr/bin/env node
const { writeSync } = require("node:fs");
const args = process.argv.slice(2);
const after = (flag) => args[args.indexOf(flag) + 1];
const path = after("-i");
const mode = /(\\w+)\\.mp4$/.exec(path)[1];
if (!path.startsWith("file:/")) process.exit(9);
if (after("-protocol_whitelist") !== "file" || !after("-format_whitelist") || after("-max_pixels") !== "67108864") process.exit(9);
const all = Array.from({ length: 20 }, (_, i) => i);
if (process.argv[1].endsWith("ffprobe")) {
  const shown = after("-show_entries");
  if (shown.startsWith("stream")) {
    const film = { index: 1, codec_type: "video", codec_name: "h264", time_base: "1/12800", nb_frames: mode === "short" ? "30" : "20" };
    const sound = { index: 0, codec_type: "audio", codec_name: "aac" };
    const cover = { index: 1, codec_type: "video", codec_name: "mjpeg", disposition: { attached_pic: 1 } };
    const streams = mode === "sound" ? [sound] : mode === "cover" ? [sound, cover] : mode === "nothing" ? [] : [sound, film];
    console.log(JSON.stringify({ streams }));
  } else if (after("-select_streams") !== "1") process.exit(9);
  else if (shown.startsWith("packet")) for (const i of all) console.log("packet|pts=" + 512 * i + "|dts=" + 512 * i + "|flags=" + (i ? "__" : "K_"));
  else for (const i of mode === "hidden" ? all.slice(0, 18) : all) {
    const time = mode === "timeless" ? "N/A" : 512 * i;
    console.log("frame|key_frame=" + Number(i === 0) + "|best_effort_timestamp=" + time + "|width=" + (mode === "grows" && i > 7 ? 8 : 6) + "|height=4");
  }
  process.exit(0);
}
const graph = after("-filter_complex");
if (!graph.startsWith("[0:1]") || !graph.includes("format=rgb24")) process.exit(9);
const wanted = [...graph.matchAll(/eq\\((n|pts),(\\d+)\\)/g)].map(([, unit, value]) => value / (unit === "n" ? 1 : 512));
const frame = (i, header = "P6\\n6 4\\n255\\n") => Buffer.concat([Buffer.from(header), Buffer.alloc(72, i)]);
writeSync(3, "alive");
if (mode === "words") { process.stderr.write("[x @ 0x1] bad \\u001b[31mthing\\n"); process.exit(0); }
else if (mode === "crash") process.kill(process.pid, "SIGABRT");
else {
  const shown = mode === "fewer" ? wanted.slice(1) : mode === "more" ? [...wanted, 5] : wanted;
  for (const i of shown) process.stdout.write(frame(i, mode === "huge" ? "P6\\n90000 90000\\n255\\n" : undefined));
  if (mode === "half") process.stdout.write(frame(0).subarray(0, 50));
}
`;

/** Runs the body with the false programs, in an empty folder. */
const withPrograms = (body: (folder: string) => Promise<void>) =>
  inTemporary(async (folder) => {
    for (const name of ["ffmpeg", "ffprobe"]) {
      writeFileSync(join(folder, name), fake);
      chmodSync(join(folder, name), 0o755);
    }
    process.env.FFMPEG = join(folder, "ffmpeg");
    try {
      await body(folder);
    } finally {
      delete process.env.FFMPEG;
    }
  });

test("frames of a video are chosen by number, and every one of them comes", () =>
  withPrograms(async (folder) => {
    const path = join(folder, "it's a; $(video) good.mp4");
    writeFileSync(path, "anything");
    const footage = await readFootage(path, { side: 4, resize: 4, frames: 8 });
    assert.equal(greys(footage), [0, 2, 5, 8, 10, 13, 16, 19]);
    assert.equal(footage.names, ["0", "2", "5", "8", "10", "13", "16", "19"]);
    const subject = boxesFrom(json({ "5": [[0, 0, 6, 4]], "2": [], "0": [] }), "b.json", "pixels");
    const { seen } = await readFootage(path, { side: 4, resize: 4, frames: 3, range: [0, 5], subject });
    assert.is(seen, 1);
    const hidden = join(folder, "hidden.mp4"); // two packets are never shown
    writeFileSync(hidden, "anything");
    assert.is((await readFootage(hidden, { side: 4, resize: 4, frames: 8 })).names.at(-1), "17");
    const timeless = join(folder, "timeless.mp4"); // frames are numbered where their times are not told
    writeFileSync(timeless, "anything");
    assert.equal(greys(await readFootage(timeless, { side: 4, resize: 4, frames: 8 })), greys(footage));
  }));

test("a video that misbehaves is refused with what was found", () =>
  withPrograms(async (folder) => {
    const cases: [string, RegExp][] = [
      ["short", /^short\.mp4: has 20 frames, its header says 30$/],
      ["nothing", /^nothing\.mp4: has no video stream$/],
      ["sound", /^sound\.mp4: has no video stream; it has audio \(aac\)$/],
      ["cover", /^cover\.mp4: has no video stream; it has audio \(aac\), cover art \(mjpeg\)$/],
      ["grows", /^grows\.mp4: changes its size from 6x4 to 8x4 at frame 8; expected one size: cut it there$/],
      ["fewer", /^fewer\.mp4: decodes to 7 frames of the 8 asked for$/],
      ["more", /^more\.mp4: decodes to 9 frames of the 8 asked for$/],
      ["half", /^half\.mp4: (its last frame is cut off|decodes to 9 frames)/],
      ["huge", /^huge\.mp4: ffmpeg wrote no picture of 1 to 67108864 pixels$/],
      ["words", /^words\.mp4: does not decode: "bad \\u\{1b\}\[31mthing"$/],
      ["crash", /^crash\.mp4: does not decode: SIGABRT$/],
    ];
    for (const [mode, message] of cases) {
      const path = join(folder, `${mode}.mp4`);
      writeFileSync(path, "anything");
      const error = await refusal(readFootage(path, { side: 4, resize: 4, frames: 8 }), mode);
      assert.instance(error, FormatError);
      assert.match(error.message, message);
    }
  }));

test("without ffmpeg a video is refused with the name of the package, and pictures are read all the same", () =>
  inTemporary(async (folder) => {
    const [good] = await framesIn(folder, 1);
    process.env.FFMPEG = join(folder, "nowhere", "ffmpeg");
    try {
      writeFileSync(join(folder, "a.mp4"), "anything");
      const error = await refusal(readFootage(join(folder, "a.mp4"), { ...view, frames: 8 }));
      assert.instance(error, UsageError);
      assert.match(error.message, /"ffprobe", which is not installed: install the package ffmpeg, or set FFMPEG/);
      assert.is((await readFootage(good, { ...view, frames: 8 })).names.length, 8);
    } finally {
      delete process.env.FFMPEG;
    }
  }));

const isInstalled = ["ffmpeg", "ffprobe"].every((name) => spawnSync(name, ["-version"]).status === 0);
if (!isInstalled) console.log("ffmpeg is not installed: the test with the real one is left out");
else
  test("the real ffmpeg gives the frames asked for, upright, and no others", () =>
    inTemporary(async (folder) => {
      const path = join(folder, "a.mkv");
      // frame n has luma 16 + 7 n of 16..235, so grey 8.15 n
      const grey = ["-f", "lavfi", "-i", "color=gray:s=64x48:d=2:r=15,geq=lum='16+7*N':cb=128:cr=128"];
      const made = spawnSync("ffmpeg", ["-v", "error", ...grey, "-c:v", "ffv1", "-pix_fmt", "yuv420p", path]);
      assert.is(made.status, 0, String(made.stderr));
      const footage = await readFootage(path, { side: 32, resize: 36, frames: 8 });
      assert.equal(footage.names, ["0", "4", "8", "12", "16", "20", "24", "29"]);
      for (const [i, value] of greys(footage).entries())
        assert.ok(Math.abs(value - (7 * Number(footage.names[i]) * 255) / 219) <= 1, `${footage.names[i]}: ${value}`);
      const cut = join(folder, "cut.mkv");
      const whole = readFileSync(path);
      writeFileSync(cut, whole.subarray(0, Math.floor(whole.length * 0.6)));
      const error = await refusal(readFootage(cut, { ...view, frames: 8 }));
      assert.match(error.message, /^cut\.mkv: does not decode: /);
    }));

test.run();
