// What the subject token looks at: the numbers, the drawings, and the command that makes both.
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { decodeImage } from "../../data/pixels/image.ts";
import { readNpyFile } from "../../data/formats/npy.ts";
import { encodePng } from "../../data/pixels/png.ts";
import type { Image } from "../../data/pixels/resize.ts";
import { compute, tensor, UsageError } from "../../engine/index.ts";
import { attentionMaps, mapAt, onPatches, shareInside, topOf } from "../../eval/attention/maps.ts";
import { outline, overlay, sheet } from "../../eval/attention/sheet.ts";
import { heatRgb } from "../../eval/attention/heat.ts";
import { fitted, heightOf, widthOf, write } from "../../eval/attention/letters.ts";
import { mapOf } from "../../kernels/attention/attention.ts";
import type { ModelConfig } from "../../model/emotionclip/config.ts";
import type { EmotionClip } from "../../model/emotionclip/emotionclip.ts";
import { Trainer } from "../../train/trainer.ts";
import { gaussian, sharedGpu, uniform } from "../kernels/derive.ts";
import { goldenPath } from "../kit/golden.ts";
import { refusal } from "../kit/refusal.ts";
import { runProgram } from "../run/program.ts";
import { settings, tiny, tokenizer } from "../train/synthetic.ts";
import { inTemporary } from "../kit/temporary.ts";

await sharedGpu();

const config: ModelConfig = { ...tiny, vision: { ...tiny.vision, layers: 3, image: 32 } };
const S = Number(config.vision.image); // a square

const modelOf = (subject: ModelConfig["subject"]) =>
  new Trainer<EmotionClip>({ ...config, subject }, tokenizer, { ...settings, subject }).model;

/** N frames of noise; the subject is the left half of each. */
function pixels(N: number, seed = 1) {
  const random = uniform(seed);
  const frames = Float32Array.from({ length: N * 3 * S * S }, () => gaussian(random));
  const mask = Float32Array.from({ length: N * S * S }, (_, i) => Number(i % S < S / 2));
  return { frames, mask };
}

for (const subject of ["sap", "saam"] as const)
  test(`${subject}: every frame has its own map in every layer, whatever frames it is computed with`, async () => {
    const model = modelOf(subject);
    const { frames, mask } = pixels(18); // more than are computed at once
    const maps = await attentionMaps(model, { frames, mask });
    assert.equal([maps.layers, maps.frames, maps.grid, maps.covered], [3, 18, 4, 1]);
    for (let frame = 0; frame < 18; frame += 17) {
      const alone = await attentionMaps(model, {
        frames: frames.subarray(frame * 3 * S * S, (frame + 1) * 3 * S * S),
        mask: mask.subarray(frame * S * S, (frame + 1) * S * S),
      });
      for (let layer = 0; layer < 3; layer++) {
        const [among, single] = [mapAt(maps, layer, frame), mapAt(alone, layer, 0)];
        const sum = among.reduce((a, b) => a + b, 0);
        assert.ok(
          among.every((weight) => weight >= 0) && sum > 0 && sum <= 1,
          `layer ${layer}: the weights sum to ${sum}`,
        );
        // products of other sizes may take other kernels, which add in another order
        for (const [p, weight] of among.entries()) assert.ok(Math.abs(weight - single[p]) < 1e-5, `patch ${p}`);
      }
    }
  });

test("sap: the first layer's map is row hmn of its softmax, mean over heads, patches only", async () => {
  const model = modelOf("sap");
  const { frames, mask } = pixels(2);
  const { visual } = model.backbone;
  const { attn, ln_1 } = visual.transformer.resblocks[0];
  const qkv = await compute(() =>
    attn.project(ln_1.forward(visual.tokens(tensor(frames, [2, 3, S, S]), tensor(mask, [2, S, S])))),
  );
  const [L, H] = [18, attn.heads];
  const all = mapOf(Float64Array.from(qkv), { B: 2, L, C: qkv.length / 2 / L, H }, () => true);
  const maps = await attentionMaps(model, { frames, mask });
  for (let frame = 0; frame < 2; frame++)
    for (let p = 0; p < 16; p++) {
      let mean = 0;
      for (let h = 0; h < H; h++) mean += all[((frame * H + h) * L + L - 1) * L + 1 + p] / H;
      assert.ok(Math.abs(mapAt(maps, 0, frame)[p] - mean) < 1e-6, `frame ${frame}, patch ${p}`);
    }
});

test("saam: half of the attention starts out moved to the subject, so most of it lies in its box", async () => {
  const maps = await attentionMaps(modelOf("saam"), pixels(4));
  for (let layer = 0; layer < 3; layer++)
    for (let frame = 0; frame < 4; frame++)
      assert.ok(shareInside(mapAt(maps, layer, frame), [0, 0, 0.5, 1]) > 0.6, `layer ${layer}, frame ${frame}`);
});

test("a model without a subject token is refused, and so are frames of another side", async () => {
  const none = await refusal(attentionMaps(modelOf("none"), pixels(1)));
  assert.instance(none, UsageError);
  assert.match(none.message, /no subject token/);
  const { frames, mask } = pixels(1);
  const cut = await refusal(attentionMaps(modelOf("sap"), { frames: frames.subarray(3), mask }));
  assert.match(cut.message, /the model takes \[T, 3, 32, 32\]/);
});

const grey = (side: number, value = 128): Image => ({
  data: new Uint8Array(3 * side * side).fill(value),
  width: side,
  height: side,
});
const at = ({ data, width }: Image, x: number, y: number) => [
  ...data.subarray(3 * (y * width + x), 3 * (y * width + x) + 3),
];
const light = (rgb: readonly number[]) => rgb[0] + rgb[1] + rgb[2];

test("an overlay is brightest where the weight is, keeps the picture visible, and is dark behind the last patch", () => {
  const weights = Float32Array.of(0, 0, 0, 1);
  const drawn = overlay(grey(20), weights, 1, 0.8); // patches cover 16 of 20 pixels
  assert.ok(light(at(drawn, 15, 15)) > light(at(drawn, 1, 1)) + 200);
  assert.equal(at(drawn, 18, 18), at(drawn, 1, 1));
  const colour = heatRgb(1);
  assert.equal(
    at(drawn, 15, 15),
    colour.map((c) => Math.round(0.25 * 128 + 0.75 * c)),
  );
  const darker = overlay(grey(20, 20), weights, 1, 0.8);
  assert.ok(light(at(darker, 15, 15)) < light(at(drawn, 15, 15)), "the picture shows through");
  assert.equal(overlay(grey(4), new Float32Array(4), 0, 1).data, overlay(grey(4), new Float32Array(4), 1, 1).data);
});

test("a box is a white ring between dark ones, and may touch the border", () => {
  const image = grey(20);
  outline(image, [0.25, 0.25, 0.75, 0.75]);
  assert.equal(at(image, 5, 8), [255, 255, 255]);
  assert.equal(at(image, 4, 8), [20, 20, 20]);
  assert.equal(at(image, 7, 8), [20, 20, 20]);
  assert.equal(at(image, 10, 10), [128, 128, 128]);
  const whole = grey(20);
  outline(whole, [0, 0, 1, 1]);
  assert.equal(at(whole, 0, 0), [255, 255, 255]);
  assert.equal(at(whole, 10, 10), [128, 128, 128]);
});

test("a box is measured on the part of the frame that patches cover", () => {
  const maps = { layers: 1, frames: 1, grid: 2, covered: 0.8, weights: Float32Array.of(1, 1, 1, 1) };
  assert.equal(onPatches([0, 0.4, 0.8, 1], maps), [0, 0.5, 1, 1]);
  assert.is(shareInside(maps.weights, onPatches([0, 0, 0.4, 0.8], maps)), 0.5);
  assert.is(topOf({ ...maps, weights: Float32Array.of(0, 3, 1, 2) }, 0), 3);
});

test("letters are as wide as is said, cut where they do not fit, and stay inside the picture", () => {
  const inked = (text: string, x = 0, y = 0) => {
    const image = grey(64, 255);
    write(image, x, y, text, 2, [0, 0, 0]);
    const columns = [...Array(64).keys()].filter((x) => [...Array(64).keys()].some((y) => at(image, x, y)[0] === 0));
    return { image, width: columns.length ? columns.at(-1)! - columns[0] + 1 : 0 };
  };
  for (const text of ["l", "max", "5%", "Aj."]) assert.is(inked(text).width, widthOf(text, 2), text);
  assert.is(heightOf(2), 14);
  assert.equal(inked("é").image.data, inked("?").image.data);
  inked("outside", 60, 60);
  inked("outside", -9, -9);
  assert.is(fitted("layer", widthOf("layer", 2), 2), "layer");
  const cut = fitted("a name that is too long", 60, 2);
  assert.ok(cut.endsWith("..") && widthOf(cut, 2) <= 60, cut);
});

test("a sheet has a column per frame and a row per layer, and is the same again", async () => {
  const maps = await attentionMaps(modelOf("sap"), pixels(3));
  const frames = [0, 1, 2].map((t) => ({ image: grey(S, 60 + 40 * t), label: `${t}.jpg`, box: undefined }));
  const draw = () => sheet({ title: "a title", frames, maps });
  const page = draw();
  assert.equal(draw().data, page.data);
  const wider = sheet({
    title: "",
    frames: [...frames, frames[0]],
    maps: { ...maps, frames: 4, weights: new Float32Array(3 * 4 * 16) },
  });
  assert.ok(wider.width > page.width && wider.height === page.height);
  const boxed = sheet({
    title: "a title",
    frames: frames.map((frame) => ({ ...frame, box: [0, 0, 0.5, 1] as const })),
    maps,
  });
  assert.is.not(Buffer.compare(boxed.data, page.data), 0);
});

const emotionclip = (...words: string[]) => runProgram(join("dist", "cli.js"), words);
const checkpoint = goldenPath("emotionclip/checkpoints/openai_clip.pth");

/** A folder of five noisy pictures. */
async function pictures(folder: string): Promise<string> {
  const random = uniform(3);
  const place = join(folder, "frames");
  mkdirSync(place);
  for (let t = 0; t < 5; t++) {
    const data = Uint8Array.from({ length: 3 * 60 * 40 }, () => Math.floor(256 * random()));
    writeFileSync(join(place, `${t}.png`), await encodePng({ data, width: 60, height: 40 }));
  }
  return place;
}

test("emotionclip attention writes a sheet, overlays and numbers", () =>
  inTemporary(async (folder) => {
    const out = join(folder, "out");
    const frames = await pictures(folder);
    const given = [
      "attention",
      "--checkpoint",
      checkpoint,
      "--boxes",
      "10,5,40,35",
      "--frames",
      "4",
      "--out",
      out,
      frames,
    ];
    const { code, stdout, stderr } = await emotionclip(...given, "--json");
    assert.is(code, 0, stderr);
    const numbers = JSON.parse(stdout);
    assert.equal(JSON.parse(readFileSync(join(out, "attention.json"), "utf8")), numbers);
    assert.equal(
      numbers.frames.map(({ name }: { name: string }) => name),
      ["0.png", "1.png", "2.png", "4.png"],
    );
    const [{ shape, data }] = readNpyFile(join(out, "attention.npy"));
    assert.equal(shape, [numbers.layers, 4, numbers.grid, numbers.grid]);
    const layer = Float32Array.from(data).subarray(0, data.length / numbers.layers);
    assert.is(
      layer.reduce((a, b) => Math.max(a, b)),
      Math.fround(numbers.largest[0]),
    );
    for (const { inside, area } of numbers.frames) {
      assert.ok(area > 0 && area < 1);
      assert.ok(inside.length === numbers.layers && inside.every((share: number) => share > 0 && share < 1));
    }
    const names = readdirSync(out);
    assert.is(names.length, 3 + 4 * numbers.layers);
    for (const name of names.filter((name) => name.endsWith(".png"))) {
      const image = await decodeImage(readFileSync(join(out, name)), name);
      assert.ok(name === "sheet.png" ? image.width > 4 * 160 : image.width === image.height, name);
    }
  }));

test("what cannot be drawn is refused before anything is written", () =>
  inTemporary(async (folder) => {
    const frames = await pictures(folder);
    const run = (...more: string[]) =>
      emotionclip("attention", "--checkpoint", checkpoint, "--out", join(folder, "out"), ...more);
    const cases: [words: string[], code: number, message: RegExp][] = [
      [[frames, "--frames", "0"], 2, /--frames: "0" is not a whole number from 1 to 64/],
      [[frames, "--frames", "65"], 2, /--frames: "65" is not a whole number from 1 to 64/],
      [[frames, "--boxes", "100,0,120,20"], 2, /lies outside/],
      [[frames, "--out", join(frames, "0.png")], 2, /--out: .*0\.png is not a folder/],
      [[join(folder, "nowhere")], 3, /nowhere/],
      [[frames, "--checkpoint", join(frames, "0.png")], 3, /0\.png/],
    ];
    for (const [words, code, message] of cases) {
      const outcome = await run(...words);
      assert.is(outcome.code, code, outcome.stderr);
      assert.match(outcome.stderr, message);
    }
    assert.equal(readdirSync(folder), ["frames"]);
  }));

test.run();
