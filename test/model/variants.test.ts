// Every variant of the model against the official code's numbers, or this project's definitions where it has none.
import { test } from "uvu";
import * as assert from "uvu/assert";
import { subjectRows } from "../../eval/attention/maps.ts";
import { assign, compute, later, parameter, Scope, Tape, type Tensor, tensor } from "../../engine/index.ts";
import { mul } from "../../kernels/index.ts";
import type { Dropping } from "../../model/dropout.ts";
import { PostNormLayer } from "../../model/clip/post-norm-layer.ts";
import { checkConfig, type ModelConfig, type SaamConfig } from "../../model/emotionclip/config.ts";
import { configFromJson } from "../../model/emotionclip/official-config.ts";
import type { FrameEncoder } from "../../model/emotionclip/frame-encoder.ts";
import { EmotionClip } from "../../model/emotionclip/emotionclip.ts";
import { groupsOf } from "../../model/emotionclip/groups.ts";
import { allocate, Init, named } from "../../model/params.ts";
import { textRows } from "../../model/clip/text-encoder.ts";
import { Trainer } from "../../train/trainer.ts";
import { sharedGpu } from "../kernels/derive.ts";
import {
  agree,
  deviation,
  fixture,
  golden,
  goldenBytes,
  type GoldenTensor,
  manifest,
  type Results,
  tolerance,
} from "../kit/golden.ts";
import { settings, tiny as small, syntheticBatch, tokenizer } from "../train/synthetic.ts";

await sharedGpu();

const tiny = configFromJson(goldenBytes("emotionclip/tiny/config.json"), "config.json");
const weights = golden("emotionclip/tiny/model.safetensors");
const inputs = fixture("tiny/inputs.safetensors");
const up = ({ data, shape }: GoldenTensor): Tensor => tensor(data, shape, "f32");

/** The tiny model with its weights, and values for names that its file does not have. */
function tinyModel(variant: Partial<ModelConfig> = {}, further: Record<string, ArrayLike<number>> = {}): EmotionClip {
  const init = new Init(0);
  const model = new EmotionClip({ ...tiny, ...variant }, init);
  allocate(groupsOf(named(model)), 0);
  init.fill();
  for (const [name, t] of named(model)) {
    const data = further[name] ?? weights.get(name)?.data;
    if (data) assign(t, Float32Array.from(data));
  }
  return model;
}

/** The first `clips` clips of the golden inputs, frames flattened. */
function frames(clips: number): [frames_N3SS: Tensor, mask_NSS: Tensor] {
  const part = (name: string, tail: number[]) => {
    const { data, shape } = inputs(name);
    return tensor(data.slice(0, (data.length / shape[0]) * clips), [clips * shape[1], ...tail], "f32");
  };
  return [part("video", [3, 32, 32]), part("video_mask", [32, 32])];
}

test("the tiny model: tokens, blocks and frame features of the frame tower, layers of the head, text blocks", async () => {
  const model = tinyModel();
  const results: Results = {};
  {
    using scope = new Scope();
    const { visual } = model.backbone;
    const [frames_N3SS, mask_NSS] = frames(6);
    results.tokens_in = later(visual.embed(frames_N3SS, visual.cover(mask_NSS)));
    results.ln_pre = later(visual.tokens(frames_N3SS, mask_NSS));
    for (const [i, { output }] of Array.from(visual.blocks(frames_N3SS, mask_NSS)).entries())
      results[`visual_block${i}`] = later(output);
    results.frame_features = later(visual.forward(frames_N3SS, mask_NSS));
    const { tokens_BW, ends_B } = textRows(Uint32Array.from(inputs("text").data), tiny.text);
    results.eot_index = Promise.resolve(ends_B);
    const text = model.backbone.forward(tensor(tokens_BW, [6, 16], "u32"), tensor(ends_B, [6], "u32"));
    results.text_features_raw = later(text);
    results.video_features = later(model.encodeVideo(up(inputs("video")), up(inputs("video_mask"))));
    void scope;
  }
  await agree("tiny/forward.safetensors", results);
});

test("a mask of zeros keeps the subject token; without a subject token there are other features", async () => {
  const results: Results = {};
  {
    using scope = new Scope();
    const [frames_N3SS, mask_NSS] = frames(1);
    const none = tensor(new Float32Array(mask_NSS.numel), mask_NSS.shape);
    results.no_mask_frame_features = later(tinyModel().backbone.visual.forward(frames_N3SS, none));
    const vanilla = tinyModel({ subject: "none" }).backbone.visual;
    results.vanilla_frame_features = later(vanilla.forward(frames_N3SS, mask_NSS));
    void scope;
  }
  await agree("tiny/variants.safetensors", results);
});

for (const [kind, name] of [
  ["mean", "mean"],
  ["conv1d", "conv_1d"],
] as const)
  test(`the head "${kind}" on the recorded frame features`, async () => {
    const of = fixture("tiny/variants.safetensors");
    const weight = { "visual_head.fusion_layer.weight": of("conv_1d.fusion_layer.weight").data };
    const model = tinyModel({ head: { ...tiny.head, kind } }, weight);
    const results: Results = {};
    {
      using scope = new Scope();
      const features = fixture("tiny/forward.safetensors")("frame_features");
      results[`${name}.video_features_raw`] = later(model.visual_head.forward(up(features)));
      void scope;
    }
    await agree("tiny/variants.safetensors", results);
  });

// ---- subject-aware attention masking ------------------------------------------------------------------------------

const tower = fixture("saam/tower.safetensors");
const saam = (layers: number, more: Partial<SaamConfig> = {}): Partial<ModelConfig> => ({
  subject: "saam",
  saam: { layers, mode: "shift", threshold: 0, ...more },
});
const logits = Object.fromEntries(
  [0, 1, 2].map((i) => [
    `backbone.visual.transformer.resblocks.${i}.saam_logit`,
    golden("emotionclip/saam/tower.safetensors").get(`saam_logit.${i}`)!.data,
  ]),
);
const hmn = { "backbone.visual.hmn_embedding": tower("hmn_embedding").data };

for (const layers of [0, 1, 2, 3])
  test(`saam in ${layers} of 3 blocks: features, and the gradients that are known`, async () => {
    const file = "saam/tower.safetensors";
    const { visual } = tinyModel(saam(layers), { ...hmn, ...logits }).backbone;
    const results: Results = {};
    {
      using tape = new Tape();
      const y = visual.forward(...frames(2));
      results[`upto${layers}.features`] = later(y);
      const gradients = tape.vjp([y], [up(tower("dy"))]);
      for (const [name, t] of named(visual)) {
        const known = name.replace(/^transformer\.resblocks\.(\d)\.saam_logit$/, "saam_logit.$1");
        if (tower(`upto${layers}.d_${known}`)) results[`upto${layers}.d_${known}`] = later(gradients.get(t));
      }
    }
    if (layers === 0) assert.is(Object.keys(results).length, 10);
    if (layers === 3) assert.is(Object.keys(results).length, 13);
    await agree(file, results);
  });

/** What the subject token takes from the 16 patches of 4 frames in each block, for a mask that is 1 in rows y < to. */
async function looked(variant: Partial<ModelConfig>, logit: number, to: number): Promise<Float32Array[]> {
  const same = Object.fromEntries(Object.keys(logits).map((name) => [name, [logit, logit]]));
  const { visual } = tinyModel(variant, { ...hmn, ...same }).backbone;
  return mapsOf(visual, to);
}

async function mapsOf(visual: FrameEncoder, to: number): Promise<Float32Array[]> {
  const maps = await compute(() => subjectRows(visual, frames(1)[0], upTo(to)));
  return maps as Float32Array[];
}

/** A mask of 4 frames that is 1 in rows y < to. */
const upTo = (to: number): Tensor =>
  tensor(
    Float32Array.from({ length: 4 * 32 * 32 }, (_, i) => Number(Math.floor(i / 32) % 32 < to)),
    [4, 32, 32],
  );

test("with all attention moved, the subject token looks at patches of the subject only", async () => {
  const [all, ...rest] = await looked(saam(1), 30, 9); // rows 0 to 8: the first two rows of patches
  for (let n = 0; n < 4; n++) {
    const map = all.slice(16 * n, 16 * n + 16);
    assert.ok(map.slice(0, 8).every((w) => w > 0));
    assert.ok(map.slice(8).every((w) => w === 0));
  }
  assert.is(rest.length, 2);
  assert.ok(rest.every((map) => map.every((w) => w > 0))); // plain attention after the first block
});

test("without a subject in sight the subject token is left to itself, and nothing is NaN", async () => {
  for (const mode of ["shift", "two_hop", "hadamard"] as const) {
    const maps = await looked(saam(3, { mode }), 30, 0);
    assert.ok(
      maps.every((map) => map.every(Number.isFinite)),
      mode,
    );
    if (mode === "shift") assert.ok(maps.every((map) => map.every((w) => w === 0)));
  }
});

test("with no attention moved, the map of a block of SAAM is that of plain attention", async () => {
  const plain = await looked(saam(0), 0, 9);
  for (const mode of ["shift", "two_hop", "hadamard"] as const) {
    const maps = await looked(saam(3, { mode }), -30, 9);
    // sigmoid(−30) is 1e-13; the same row by another order of sums
    for (const [i, map] of maps.entries())
      assert.ok(
        map.every((w, j) => Math.abs(w - plain[i][j]) < 1e-6),
        mode,
      );
  }
});

test("maps of heads narrower than the row of tokens are read in parts", async () => {
  const vision = { ...tiny.vision, heads: 8 }; // 8 wide, for 18 tokens
  const plain = await mapsOf(tinyModel({ ...saam(0), vision }, hmn).backbone.visual, 9);
  const blocks = Object.keys(logits).map((name) => [name, Array(8).fill(-30)]);
  const model = tinyModel({ ...saam(3), vision }, { ...hmn, ...Object.fromEntries(blocks) });
  for (const [i, map] of (await mapsOf(model.backbone.visual, 9)).entries())
    assert.ok(map.every((w, j) => Math.abs(w - plain[i][j]) < 1e-6));
});

test("a patch is the subject's where its share exceeds the threshold", async () => {
  const [low] = await looked(saam(1, { threshold: 0.1 }), 30, 9); // the second row of patches shows 1/8
  const [high] = await looked(saam(1, { threshold: 0.125 }), 30, 9);
  assert.ok(low.slice(4, 8).every((w) => w > 0));
  assert.ok(high.slice(0, 4).every((w) => w > 0) && high.slice(4, 16).every((w) => w === 0));
});

test("a step of training moves the subject token and every logit of SAAM, by the same bits each time", async () => {
  const run = async () => {
    const trainer = new Trainer<EmotionClip>({ ...small, subject: "saam" }, tokenizer, { ...settings, dropout: 0.1 });
    const { visual } = trainer.model.backbone;
    const subject = [...named(visual)].filter(([name]) => /hmn|saam/.test(name)).map(([, t]) => t);
    assert.is(subject.length, 1 + small.vision.layers);
    const before = await Promise.all(subject.map((t) => t.data()));
    const { loss, bad } = await trainer.update(1, syntheticBatch(1), settings.lr);
    const after = await Promise.all(subject.map((t) => t.data()));
    assert.is(bad, 0);
    for (const [i, data] of after.entries()) assert.ok(data.every((v, j) => v !== before[i][j]));
    return [loss, ...after.map((data) => [...data])];
  };
  assert.equal(await run(), await run());
});

test("the indicator prompt counts a touched patch fully; with whole patches it changes nothing", async () => {
  const features = async (sapIndicator: boolean, to: number) => {
    const { visual } = tinyModel({ sapIndicator }).backbone;
    const [y] = await compute(() => [visual.forward(frames(1)[0], upTo(to))]);
    return Array.from(y);
  };
  assert.equal(await features(true, 16), await features(false, 16));
  assert.equal(await features(true, 9), await features(false, 16));
  assert.not.equal(await features(false, 9), await features(false, 16));
});

// ---- odd sizes, texts, dropout, refusals --------------------------------------------------------------------------

test("an image that is no multiple of the patch loses its remainder, as if it had been cut off", async () => {
  const odd = { ...tiny.vision, image: 37 };
  const { visual } = tinyModel({ vision: odd }).backbone;
  const wide = (t: GoldenTensor, channels: number) => {
    const out = new Float32Array(4 * channels * 37 * 37).fill(7);
    for (let i = 0; i < 4 * channels * 32 * 32; i++) {
      const [plane, y, x] = [Math.floor(i / 1024), Math.floor(i / 32) % 32, i % 32];
      out[(plane * 37 + y) * 37 + x] = t.data[i];
    }
    return out;
  };
  let got: Promise<ArrayLike<number>>;
  {
    using scope = new Scope();
    const frames_N3SS = tensor(wide(inputs("video"), 3), [4, 3, 37, 37]);
    got = later(visual.forward(frames_N3SS, tensor(wide(inputs("video_mask"), 1), [4, 37, 37])));
    void scope;
  }
  const file = "tiny/forward.safetensors";
  const want = fixture(file)("frame_features").data.slice(0, 4 * 32);
  assert.ok(deviation(await got, want, tolerance(manifest(), file, "frame_features")).share <= 1);
});

test("a cut text is read at its start token, or at an end token put into the last slot", () => {
  const rows = Uint32Array.from(inputs("text").data);
  const compat = textRows(rows, tiny.text);
  assert.equal([...compat.ends_B], [15, 1, 12, 4, 6, 0]);
  assert.is(compat.tokens_BW, rows);
  const last = textRows(rows, { ...tiny.text, endToken: "last" });
  assert.equal([...last.ends_B], [15, 1, 12, 4, 6, 15]);
  assert.equal(
    [...last.tokens_BW].filter((id, i) => id !== rows[i]),
    [127],
  );
  assert.is(rows.at(-1), 86);
});

for (const phase of ["eval", "train"])
  test(`the head's layer: ${phase}${phase === "train" ? ", with the given dropout masks" : ""}`, async () => {
    const file = "ops/encoder_layer.safetensors";
    const of = fixture(file);
    const layer = new PostNormLayer(24, 4, 40, new Init(0));
    const parameters = [...named(layer)];
    allocate([{ name: "layer", members: parameters, decay: false }], 0);
    for (const [name, t] of parameters) assign(t, Float32Array.from(of(name).data));
    const results: Results = {};
    {
      const x = parameter(of("x").data, of("x").shape);
      using tape = new Tape();
      const given = (name: string) =>
        tensor(
          Float32Array.from(of(name).data, (kept) => kept / 0.9),
          of(name).shape,
        );
      const sites = ["mask_dropout1", "mask_dropout", "mask_dropout2"].values();
      const drop: Dropping = { keep: () => given("mask_attn"), apply: (t) => mul(t, given(sites.next().value!)) };
      const y = layer.forward(x, phase === "train" ? drop : undefined);
      const gradients = tape.vjp([y], [up(of("dy"))]);
      results[`${phase}.y`] = later(y);
      results[`${phase}.dx`] = later(gradients.get(x));
      for (const [name, t] of parameters) results[`${phase}.d_${name}`] = later(gradients.get(t));
    }
    await agree(file, results);
  });

test("a model that cannot be is refused with what was found and what is allowed", () => {
  const cases: [Partial<ModelConfig>, RegExp][] = [
    [{ embed: 34 }, /^model: head: 4 heads do not divide a width of 34 equally$/],
    [{ vision: { ...tiny.vision, heads: 3 } }, /^model: vision: 3 heads do not divide a width of 64 equally$/],
    [{ vision: { ...tiny.vision, patch: 33 } }, /^model: vision.patch is 33, expected a whole number from 1 to 32$/],
    [{ vision: { ...tiny.vision, layers: 0 } }, /^model: vision.layers is 0, expected a whole number from 1 to 1024$/],
    [{ text: { ...tiny.text, width: 1.5 } }, /^model: text.width is 1.5, expected a whole number/],
    [{ head: { ...tiny.head, dropout: 1 } }, /^model: head.dropout is 1, expected 0 <= p < 1$/],
    [{ head: { ...tiny.head, kind: "conv1d", frames: 2 } }, /^model: head.frames is 2, a convolution of 3 needs 3$/],
    [saam(4), /^model: saam.layers is 4, expected a whole number from 0 to the 3 blocks$/],
    [saam(3, { threshold: Number.NaN }), /^model: saam.threshold is NaN, expected a number from 0 to 1$/],
    [saam(3, { logit: [3] }), /^model: saam.logit is \[3\], expected \[1\], \[2\], \[2,18\], \[18,18\], \[2,18,18\]$/],
    [{ ...saam(3), sapIndicator: true }, /^model: sapIndicator goes with subject "sap", not "saam"$/],
    [{ ...saam(3), subject: "none" }, /^model: settings of saam go with subject "saam", not "none"$/],
  ];
  for (const [variant, message] of cases)
    assert.throws(() => new EmotionClip({ ...tiny, ...variant }, new Init(0)), message);
  for (const good of [{}, saam(3, { logit: [2, 18] }), { subject: "saam" }, { vision: { ...tiny.vision, patch: 32 } }])
    assert.is(checkConfig({ ...tiny, ...(good as Partial<ModelConfig>) }).embed, 32);
});

test("clips of another number of frames, and maps of a model without a subject token, are refused", () => {
  using scope = new Scope();
  const model = tinyModel({ subject: "none" });
  const features = (T: number) => tensor(new Float32Array(T * 32), [1, T, 32]);
  assert.throws(() => model.visual_head.forward(features(5)), /clips of 5 frames, the model takes 4/);
  assert.equal(model.visual_head.forward(features(4)).shape, [1, 32]);
  assert.throws(() => subjectRows(model.backbone.visual, ...frames(1)), /no subject token/);
  void scope;
});

test.run();
