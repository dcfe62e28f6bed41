// Frames that are no squares: features as the float64 reference has them, positions resized from grid to grid, configurations,
// checkpoints, pictures and attention by height and width.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { runCommand } from "../../cli/cli.ts";
import { readFootage } from "../../data/footage/footage.ts";
import { readNpyFile } from "../../data/formats/npy.ts";
import { boxOfMask } from "../../data/pixels/mask.ts";
import { encodePng } from "../../data/pixels/png.ts";
import { coveringSize } from "../../data/pixels/resize.ts";
import { pairOf } from "../../data/pixels/side.ts";
import { modelResize } from "../../data/pixels/view.ts";
import { wordsFile } from "../../data/tokenizer/words.ts";
import { compute, tensor } from "../../engine/index.ts";
import { attentionMaps } from "../../eval/attention/maps.ts";
import { encodeImages, encodeVideos } from "../../eval/features/encode.ts";
import { type Loaded, type LoadOptions, loadModel } from "../../model/checkpoint/load.ts";
import { resizePositions } from "../../model/clip/positions.ts";
import type { ModelConfig } from "../../model/emotionclip/config.ts";
import { gridOf, patchesOf } from "../../model/clip/config.ts";
import { EmotionClip } from "../../model/emotionclip/emotionclip.ts";
import { configFromValue, configToJson } from "../../model/emotionclip/official-config.ts";
import { vitB32 } from "../../model/emotionclip/presets.ts";
import { Init, named } from "../../model/params.ts";
import type { Json } from "../../data/formats/json.ts";
import { planForward, planStep } from "../../train/step-plan.ts";
import { settings } from "../train/synthetic.ts";
import { gaussian, sharedGpu, uniform } from "../kernels/derive.ts";
import { refusal } from "../kit/refusal.ts";
import { writeSafetensors } from "../kit/write-safetensors.ts";
import { constant, Reference } from "../reference/model.ts";

const gpu = await sharedGpu();
const root = mkdtempSync(join(tmpdir(), "emotionclip-rectangles-"));
test.after(() => rmSync(root, { recursive: true, force: true }));

const words = Array.from({ length: 10 }, (_, i) => `w${i}`);
writeFileSync(join(root, wordsFile), JSON.stringify(words));

type Vision = Pick<ModelConfig["vision"], "image" | "patch">;

const configOf = (vision: Vision, subject: ModelConfig["subject"] = "sap"): ModelConfig => ({
  embed: 16,
  vision: { ...vision, width: 32, layers: 2, heads: 2, mlp: 48 },
  text: { context: 6, vocabulary: words.length + 3, width: 16, layers: 1, heads: 2 },
  head: { kind: "transformer", frames: 2, layers: 1, heads: 2, feedForward: 16, dropout: 0 },
  activation: "gelu",
  subject,
});

type Weights = Map<string, { readonly shape: readonly number[]; readonly data: Float32Array }>;

function weightsOf(config: ModelConfig, seed: number): Weights {
  const random = uniform(seed);
  return new Map(
    Array.from(named(new EmotionClip(config, new Init(0))), ([name, { shape, numel }]) => [
      name,
      { shape, data: Float32Array.from({ length: numel }, () => 0.3 * gaussian(random)) },
    ]),
  );
}

let files = 0;
/** A file of these weights; with its configuration where one is given. */
async function fileOf(weights: Weights, config?: object): Promise<string> {
  const path = join(root, `${++files}.safetensors`);
  const entries = Array.from(weights, ([name, { shape, data }]) => ({
    name,
    dtype: "F32" as const,
    shape,
    bytes: () => new Uint8Array(data.buffer, data.byteOffset, data.byteLength),
  }));
  await writeSafetensors(path, entries, config ? { config: JSON.stringify(config) } : {});
  return path;
}

async function withLoaded<T>(path: string, options: LoadOptions, body: (loaded: Loaded) => Promise<T>): Promise<T> {
  const loaded = await loadModel(path, options);
  try {
    return await body(loaded);
  } finally {
    loaded.free();
  }
}

/** N frames of noise, each with a box of its own. */
function pixels(N: number, [height, width]: readonly [number, number], seed: number) {
  const random = uniform(seed);
  const frames = Float32Array.from({ length: N * 3 * height * width }, () => gaussian(random));
  const mask = Float32Array.from({ length: N * height * width }, (_, i) =>
    Number(i % width < width * 0.6 && Math.floor(i / width) % height < 1 + height / 3),
  );
  return { frames, mask };
}

const shapes = fc.record({
  patch: fc.constantFrom(4, 5, 8),
  rows: fc.integer({ min: 1, max: 4 }),
  columns: fc.integer({ min: 1, max: 5 }),
  rest: fc.tuple(fc.integer({ min: 0, max: 3 }), fc.integer({ min: 0, max: 3 })),
  subject: fc.constantFrom("sap", "saam", "none"),
  seed: fc.integer({ min: 1, max: 1000 }),
});

test("frame features and those of clips are the float64 reference's, whatever height and width", async () => {
  await fc.assert(
    fc.asyncProperty(shapes, async ({ patch, rows, columns, rest, subject, seed }) => {
      const image = [rows * patch + rest[0], columns * patch + rest[1]] as const;
      const config = configOf({ image, patch }, subject as ModelConfig["subject"]);
      const weights = weightsOf(config, seed);
      const { frames, mask } = pixels(2, image, seed);
      const reference = new Reference(
        config,
        new Map(Array.from(weights, ([name, { shape, data }]) => [name, constant(shape, data)])),
      );
      const want = reference.frames(frames, mask).data;
      await withLoaded(await fileOf(weights, config), {}, async ({ model }) => {
        const [got] = (await compute(() => [
          model.backbone.visual.forward(tensor(frames, [2, 3, ...image]), tensor(mask, [2, ...image])),
        ])) as Float32Array[];
        const most = Math.max(...want.map(Math.abs));
        for (const [i, value] of got.entries()) assert.ok(Math.abs(value - want[i]) <= 2e-5 * most + 1e-6, `[${i}]`);
        const video = await encodeVideos(model, [{ frames, mask }]);
        const image0 = await encodeImages(model, [
          { frames: frames.subarray(0, frames.length / 2), mask: mask.subarray(0, mask.length / 2) },
        ]);
        assert.equal(
          [video.shape, image0.shape],
          [
            [1, 16],
            [1, 16],
          ],
        ); // the sums in f32, values of order one
      });
    }),
    { numRuns: 12, seed: 2026, includeErrorInReport: true },
  );
});

test("an official configuration with image_size [height, width] is read, and written again the same", () => {
  const official = JSON.parse(
    JSON.stringify(configToJson({ ...vitB32, vision: { ...vitB32.vision, image: [256, 128] } })),
  ) as { clip: { vision_cfg: { image_size: Json } } } & { [key: string]: Json };
  assert.equal(official.clip.vision_cfg.image_size, [256, 128]);
  const config = configFromValue(official as Json, "c.json");
  assert.equal([config.vision.image, gridOf(config.vision), patchesOf(config.vision)], [[256, 128], [8, 4], 32]);
  official.clip.vision_cfg.image_size = [224, 224];
  assert.is(configFromValue(official as Json, "c.json").vision.image, 224);
  for (const [image, message] of [
    [[256], /image_size.*expected a whole number, or \[height, width\]/],
    [[256, 0], /image_size/],
    [[256, 16], /vision\.patch is 32, expected a whole number from 1 to 16/],
    [[1, 2, 3], /image_size/],
  ] as const) {
    official.clip.vision_cfg.image_size = image as unknown as Json;
    assert.throws(() => configFromValue(official as Json, "c.json"), message);
  }
});

test("a file of a rectangle needs its configuration; one that is no square is refused without", async () => {
  const config = configOf({ image: [24, 40], patch: 8 });
  const path = await fileOf(weightsOf(config, 1));
  const heads = { vision: { heads: 2 }, text: { heads: 2 }, head: { heads: 2 } };
  const { message } = await refusal(loadModel(path, { config: heads }));
  assert.match(
    message,
    /16 rows; a square grid has n² \+ 1, and of a rectangle the configuration must tell vision\.image/,
  );
  await withLoaded(path, { config }, async ({ config: found, report, model }) => {
    assert.equal([found.vision.image, report.resized, model.takes.side], [[24, 40], undefined, [24, 40]]);
  });
  await withLoaded(path, { config: { ...heads, vision: { heads: 2, image: [24, 40] } } }, async ({ config: found }) =>
    assert.equal(found.vision.image, [24, 40]),
  );
  const other = await refusal(loadModel(path, { config: configOf({ image: [24, 48], patch: 8 }) }));
  assert.match(other.message, /positional_embedding is \[16,32\] in the file, \[19,32\] in the model/);
});

test("positions go from grid to grid: square to rectangle, back, and between grids of as many patches", async () => {
  const table = async ({ model }: Loaded) => (await model.backbone.visual.positional_embedding.data()) as Float32Array;
  const from = async (image: Vision["image"], to: Vision["image"]) => {
    const config = configOf({ image, patch: 8 });
    const weights = weightsOf(config, 3);
    const stored = weights.get("backbone.visual.positional_embedding")!.data;
    const [a, b] = [image, to].map((side) => pairOf(gridOf({ image: side, patch: 8 })));
    await withLoaded(await fileOf(weights, config), { image: to }, async (loaded) => {
      assert.equal(await table(loaded), resizePositions(stored, a, b));
      assert.equal(loaded.report.resized, { from: gridOf({ image, patch: 8 }), to: gridOf({ image: to, patch: 8 }) });
    });
  };
  await from(32, [16, 40]);
  await from([16, 40], 32);
  await from([16, 64], [64, 16]);
  await from([16, 64], 32); // 2 x 8 patches and 4 x 4
});

test("convert --image takes a height and a width, and the result loads without flags", async () => {
  const config = configOf({ image: 32, patch: 8 });
  const [path, out] = [await fileOf(weightsOf(config, 4), config), join(root, "wide.safetensors")];
  const said = JSON.parse(await printed(["convert", path, out, "--image", "16x40", "--json"]));
  assert.equal(said.resized, { from: 4, to: [2, 5] });
  await withLoaded(out, {}, async ({ config: found, report }) =>
    assert.equal([found.vision.image, report.resized], [[16, 40], undefined]),
  );
  assert.match((await refusal(runCommand(["convert", path, out, "--image", "1x2x3"]))).message, /--image: "1x2x3"/);
});

async function printed(args: string[]): Promise<string> {
  const { write } = process.stdout;
  let text = "";
  process.stdout.write = ((piece: string) => (text += piece)) as never;
  try {
    await runCommand(args);
  } finally {
    process.stdout.write = write;
  }
  return text;
}

test("pictures just cover the rectangle in proportion, and the middle of them is taken, with their masks", async () => {
  assert.equal(coveringSize({ width: 640, height: 360 }, [16, 40]), { width: 40, height: 23 });
  assert.equal(coveringSize({ width: 360, height: 640 }, [16, 40]), { width: 40, height: 71 });
  assert.equal(coveringSize({ width: 640, height: 360 }, 224), { width: 398, height: 224 });
  assert.equal(
    [modelResize([224, 448]), modelResize([64, 448])],
    [
      [256, 512],
      [64, 448],
    ],
  );
  const data = new Uint8Array(3 * 60 * 40).fill(128);
  const picture = join(root, "grey.png");
  writeFileSync(picture, await encodePng({ data, width: 60, height: 40 }));
  const { frames, mask, pictures } = await readFootage([picture], {
    frames: 1,
    side: [16, 60],
    subject: () => [[0, 0, 30, 40]],
  });
  assert.equal([frames.length, mask.length], [3 * 16 * 60, 16 * 60]);
  assert.equal([pictures[0].width, pictures[0].height], [60, 16]);
  assert.equal(boxOfMask(mask, [16, 60]), [0, 0, 0.5, 1]);
});

test("maps of attention have a weight for each patch of a rectangle", async () => {
  const config = configOf({ image: [16, 40], patch: 8 });
  const path = await fileOf(weightsOf(config, 5), config);
  await withLoaded(path, {}, async ({ model }) => {
    const maps = await attentionMaps(model, pixels(3, [16, 40], 1));
    assert.equal([maps.grid, maps.covered, maps.weights.length], [[2, 5], 1, 2 * 3 * 10]);
  });
});

test("a step and a forward pass of a rectangle are planned", () => {
  const config = configOf({ image: [16, 40], patch: 8 });
  const { peak } = planStep(config, { ...settings, micro: 0, batch: 2, dropout: 0 }, gpu.facts);
  const square = planStep(
    configOf({ image: 16, patch: 8 }),
    { ...settings, micro: 0, batch: 2, dropout: 0 },
    gpu.facts,
  );
  assert.ok(peak > square.peak);
  planForward(config, gpu.facts);
});

test("encode and attention of a rectangle, as a person calls them", async () => {
  const config = configOf({ image: [16, 40], patch: 8 });
  const path = await fileOf(weightsOf(config, 5), config);
  const random = uniform(6);
  const pictures = [0, 1].map((k) => join(root, `p${k}.png`));
  for (const picture of pictures) {
    const data = Uint8Array.from({ length: 3 * 50 * 30 }, () => Math.floor(256 * random()));
    writeFileSync(picture, await encodePng({ data, width: 50, height: 30 }));
  }
  const out = join(root, "f.npy");
  const flags = ["--checkpoint", path, "--boxes", "5,5,25,25"];
  await printed(["encode", "images", ...pictures, "--out", out, ...flags]);
  assert.equal(
    readNpyFile(out).map(({ shape }) => shape),
    [[2, 16]],
  );
  const folder = join(root, "attention");
  const numbers = JSON.parse(await printed(["attention", ...pictures, "--out", folder, ...flags, "--json"]));
  assert.equal(numbers.grid, [2, 5]);
  assert.equal(readNpyFile(join(folder, "attention.npy"))[0].shape, [2, 2, 2, 5]);
  const png = readFileSync(join(folder, "frame-01-layer-01.png"));
  assert.equal([png.readUInt32BE(16), png.readUInt32BE(20)], [40, 16]);
});

test.run();
