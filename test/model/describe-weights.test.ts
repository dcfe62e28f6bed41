// What a file of weights is, told by its header alone.
import { test } from "uvu";
import * as assert from "uvu/assert";
import { describe } from "../../model/families.ts";
import type { Stored } from "../../data/formats/content.ts";
import type { ModelConfig } from "../../model/emotionclip/config.ts";
import { vitB32 } from "../../model/emotionclip/presets.ts";
import { stageModel } from "../../model/emotionclip/stage.ts";
import { type Content, type StoredTensor, TensorRef } from "../../data/formats/content.ts";
import { EmotionClip } from "../../model/emotionclip/emotionclip.ts";
import { Init, named } from "../../model/params.ts";
import { preset, presetNames } from "../../model/emotionclip/presets.ts";

/** A file of tensors with these names and shapes. */
function fileOf(shapes: Iterable<[string, readonly number[]]>, more: Partial<Stored> = {}): Stored {
  const tensors = new Map(
    Array.from(shapes, ([name, shape]): [string, StoredTensor] => [name, { dtype: "F32", shape }]),
  );
  const content = new Map<string, Content>(Array.from(tensors.keys(), (name) => [name, new TensorRef(name)]));
  return { path: "some.pt", format: "pytorch", tensors, content, ...more };
}

/** Names and shapes of a whole model under its official names. */
const shapesOf = (config: ModelConfig): [string, readonly number[]][] =>
  Array.from(named(new EmotionClip(config, new Init(0))), ([name, { shape }]) => [name, shape]);

/** The same as CLIP has it: no head, no prefix, and another one in front where given. */
const backboneOf = (config: ModelConfig, prefix = ""): [string, readonly number[]][] =>
  shapesOf(config)
    .filter(([name]) => !name.startsWith("visual_head."))
    .map(([name, shape]) => [prefix + name.replace("backbone.", ""), shape]);

for (const name of presetNames)
  test(`${name} is known by its shapes, whole and as a backbone`, () => {
    const config = preset(name);
    const path = `${name}.pt`; // QuickGELU shows in the name alone
    const whole = describe(fileOf(shapesOf(config), { path }));
    assert.equal(whole.config, config);
    assert.is(whole.reason, "");
    assert.is(whole.kind, "EmotionCLIP weights");
    const backbone = describe(fileOf(backboneOf(config), { path }));
    assert.equal(backbone.config, config);
    assert.is(backbone.kind, "OpenCLIP backbone");
  });

const heads: [string, ModelConfig][] = [
  ["the mean over frames", { ...vitB32, head: { ...vitB32.head, kind: "mean" } }],
  ["the convolution", { ...vitB32, head: { ...vitB32.head, kind: "conv1d" } }],
  ["two layers, twelve frames", { ...vitB32, head: { ...vitB32.head, layers: 2, frames: 12, feedForward: 512 } }],
];
for (const [what, config] of heads)
  test(`the head is known: ${what}`, () => assert.equal(describe(fileOf(shapesOf(config))).config, config));

for (const logit of [[12], [1], [51, 51], [12, 51]])
  test(`SAAM with logits of [${logit}] in seven of twelve blocks is known`, () => {
    const saam = { layers: 7, mode: "shift", threshold: 0, logit } as const;
    const config: ModelConfig = { ...vitB32, subject: "saam", saam };
    assert.equal(describe(fileOf(shapesOf(config))).config, config);
  });

test("OpenCLIP's wrapping and DataParallel's are taken off", () => {
  for (const [prefix, kind] of [
    ["state_dict.module.", "OpenCLIP training checkpoint"],
    ["state_dict.", "OpenCLIP training checkpoint"],
    ["module.", "OpenCLIP backbone"],
  ] as const) {
    const found = describe(fileOf(backboneOf(vitB32, prefix)));
    assert.is(found.kind, kind);
    assert.is(found.layout.prefix, prefix);
    assert.equal(found.config, vitB32);
  }
  const wrapped = shapesOf(vitB32).map(([name, shape]): [string, readonly number[]] => [`model.module.${name}`, shape]);
  assert.is(describe(fileOf(wrapped)).kind, "EmotionCLIP checkpoint");
});

test("OpenAI's scalars, or TorchScript, tell QuickGELU; they are no parameters", () => {
  const scalars: [string, readonly number[]][] = ["input_resolution", "context_length", "vocab_size"].map((name) => [
    name,
    [],
  ]);
  const found = describe(fileOf([...backboneOf(vitB32), ...scalars]));
  assert.is(found.kind, "OpenAI CLIP");
  assert.equal(found.config, { ...vitB32, activation: "quickGelu" });
  assert.equal(
    found.layout.ignored,
    scalars.map(([name]) => name),
  );
  const archive = describe(fileOf(backboneOf(vitB32), { format: "torchscript" }));
  assert.is(archive.config?.activation, "quickGelu");
});

test("the official options name the activation, and a remark says so", () => {
  const options = (name: string) => {
    const file = fileOf(shapesOf(vitB32).map(([key, shape]) => [`model.${key}`, shape]));
    return { ...file, content: new Map([["args", new Map([["backbone_config", name]])]]) };
  };
  const quick = describe(options("./src/models/model_configs/ViT-B-32-quickgelu.json"));
  assert.is(quick.config?.activation, "quickGelu");
  assert.match(quick.notes.join(), /backbone_config/);
  const exact = describe(options("./src/models/model_configs/ViT-B-32.json"));
  assert.is(exact.config?.activation, "gelu");
  assert.equal(exact.notes, []);
});

test("a model of ours needs its configuration, and with it is known", () => {
  const config = stageModel(500);
  const shapes = shapesOf({ ...config, vision: { ...config.vision, width: 96, heads: 4 } });
  const bare = describe(fileOf(shapes));
  assert.match(bare.reason, /shapes do not tell vision\.heads \(width 96 is no multiple of 64\); give/);
  const own = shapesOf(config);
  const content = new Map<string, Content>([["__metadata__", new Map([["config", JSON.stringify(config)]])]]);
  const found = describe({ ...fileOf(own), content });
  assert.is(found.kind, "EmotionCLIP of this program");
  assert.equal(found.config, config);
});

test("what is no model is unknown, with a reason", () => {
  assert.match(describe(fileOf([["a", [1]]])).reason, /none of its 1 tensors/);
  assert.match(describe(fileOf([])).reason, /none of its 0 tensors/);
  assert.match(describe(fileOf([["vision_model.encoder.layers.0.x", [1]]])).reason, /Hugging Face/);
  assert.match(describe(fileOf([["visual.attnpool.c_proj.weight", [1]]])).reason, /ResNet/);
  const square = backboneOf(vitB32).map(([name, shape]): [string, readonly number[]] =>
    name === "visual.positional_embedding" ? [name, [49, 768]] : [name, shape],
  );
  assert.match(describe(fileOf(square)).reason, /49 rows; a square grid has n² \+ 1/);
});

test.run();
