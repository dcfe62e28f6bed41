// Published configurations against the official files, names and shapes of the published model, configuration files.
import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { parseJson } from "../../data/formats/json.ts";
import { EngineError, FormatError } from "../../engine/errors.ts";
import type { ModelConfig } from "../../model/emotionclip/config.ts";
import { vitB32 } from "../../model/emotionclip/presets.ts";
import { stageModel } from "../../model/emotionclip/stage.ts";
import { EmotionClip } from "../../model/emotionclip/emotionclip.ts";
import { configFromJson, configFromValue, configToJson } from "../../model/emotionclip/official-config.ts";
import { groupOf, groupsOf } from "../../model/emotionclip/groups.ts";
import { Init, named } from "../../model/params.ts";
import { preset, presetNames } from "../../model/emotionclip/presets.ts";
import { goldenBytes, goldenJson } from "../kit/golden.ts";

const official = goldenJson<Record<string, object>>("emotionclip/model_configs.json");
const bytesOf = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));
const read = (value: unknown) => configFromJson(bytesOf(value), "x.json");

test("every published ViT is a preset, with the sizes of its official file; every ResNet is refused", () => {
  const names = Object.keys(official);
  assert.equal(names.filter((name) => name.startsWith("ViT")).sort(), [...presetNames].sort());
  for (const [name, entry] of Object.entries(official)) {
    if (name.startsWith("ViT")) {
      assert.equal(preset(name), read(entry), name);
      continue;
    }
    assert.throws(() => preset(name), /ResNet towers take no mask and are not supported; use a ViT/);
    assert.throws(() => read(entry), /^x\.json: a ResNet tower .* only ViT towers are supported$/);
  }
  assert.equal(preset("vit-b-32"), vitB32);
  assert.is(preset("ViT-g-14").vision.mlp, 6144);
});

test("an unknown name is refused with the nearest and all that are known", () => {
  assert.throws(() => preset("ViT-B32"), /^unknown model "ViT-B32" \(did you mean ViT-B-32\?\); known: ViT-B-32, /);
  assert.throws(() => preset("swin"), /^unknown model "swin"; known: /);
  assert.throws(() => preset("__proto__"), /^unknown model "__proto__"; known: /);
});

type Published = {
  parameters: number;
  parameters_per_group: Record<string, number>;
  tensors_per_group: Record<string, number>;
  optimizer_order: string[];
  tensors: { name: string; shape: number[]; group?: string }[];
};

test("ViT-B/32 has the names, shapes, groups and numbers of the published model", () => {
  const known = goldenJson<Published>("emotionclip/vit_b32_state_dict.json");
  assert.is(known.tensors.length, 379);
  const model = new EmotionClip(vitB32, new Init(0));
  const ours = new Map([...named(model)].map(([name, t]) => [name, [...t.shape]]));
  // Two entries are not parameters of their own: the scale under its second name, and the numbers of the frames.
  const others = ["backbone.logit_scale", "visual_head.position_ids"];
  const theirs = known.tensors.filter(({ name }) => !others.includes(name));
  assert.is(theirs.length, 377);
  for (const { name, shape } of theirs) assert.equal(ours.get(name), shape, name);
  assert.is(ours.size, theirs.length);
  for (const { name, shape, group } of theirs) if (group) assert.is(groupOf(name, shape), group, name);

  const groups = groupsOf(named(model));
  assert.equal(
    groups.flatMap(({ members }) => members.map(([name]) => name)),
    known.optimizer_order,
  );
  for (const { name, members } of groups) {
    assert.is(members.length, known.tensors_per_group[name]);
    const count = members.reduce((sum, [, t]) => sum + t.numel, 0);
    assert.is(count, known.parameters_per_group[name]);
  }
  assert.is(
    groups.flatMap(({ members }) => members).reduce((sum, [, t]) => sum + t.numel, 0),
    known.parameters,
  );
});

test("parameters of SAAM have the specified names and take no decay", () => {
  const saam = { layers: 2, mode: "shift", threshold: 0, logit: [51, 51] } as const;
  const model = new EmotionClip({ ...vitB32, subject: "saam", saam }, new Init(0));
  const further = [...named(model)].filter(([name]) => /hmn|saam/.test(name));
  assert.equal(
    further.map(([name, { shape }]) => [name, [...shape], groupOf(name, shape)]),
    [
      ["backbone.visual.hmn_embedding", [768], "frame_gb"],
      ["backbone.visual.transformer.resblocks.0.saam_logit", [51, 51], "frame_gb"],
      ["backbone.visual.transformer.resblocks.1.saam_logit", [51, 51], "frame_gb"],
    ],
  );
});

test("the golden model's file gives its sizes", () => {
  assert.equal(configFromJson(goldenBytes("emotionclip/tiny/config.json"), "config.json"), {
    embed: 32,
    vision: { image: 32, patch: 8, width: 64, layers: 3, heads: 2, mlp: 256 },
    text: { context: 16, vocabulary: 128, width: 48, layers: 2, heads: 4 },
    head: { kind: "transformer", frames: 4, layers: 2, heads: 4, feedForward: 64, dropout: 0.1 },
    activation: "gelu",
    subject: "sap",
  });
});

test("a configuration that is written is read back the same", () => {
  const whole = (max: number) => fc.integer({ min: 1, max });
  const configs = fc
    .record({
      heads: whole(4),
      width: whole(50),
      mlp: whole(2000),
      kind: fc.constantFrom("transformer", "mean", "conv1d"),
      frames: fc.integer({ min: 3, max: 16 }),
      dropout: fc.constantFrom(0, 0.1, 0.25),
      activation: fc.constantFrom("gelu", "quickGelu"),
      subject: fc.constantFrom("sap", "saam", "none"),
      mode: fc.constantFrom("shift", "two_hop", "hadamard"),
      endToken: fc.constantFrom("compat", "last"),
    } as const)
    .map(
      ({ heads, width, mlp, kind, frames, dropout, activation, subject, mode, endToken }): ModelConfig => ({
        embed: 8 * width,
        vision: { image: 33, patch: 8, width: heads * width, layers: 3, heads, mlp },
        text: { context: 7, vocabulary: 100, width: 12, layers: 1, heads: 3, endToken },
        head: { kind, frames, layers: 1, heads: 8, feedForward: 5, dropout },
        activation,
        subject,
        ...(subject === "saam" && { saam: { layers: 2, mode, threshold: 0.25, logit: [1] } }),
        ...(subject === "sap" && { sapIndicator: true }),
      }),
    );
  fc.assert(
    fc.property(configs, (config) => assert.equal(read(configToJson(config)), config)),
    { numRuns: 300, seed: 1, includeErrorInReport: true },
  );
  for (const name of presetNames) assert.equal(read(configToJson(preset(name))), preset(name));
});

test("initial values are not part of a file", () => {
  const { vision, head } = stageModel(100);
  const again = read(configToJson(stageModel(100)));
  assert.equal([again.vision.width, again.head.layers], [vision.width, head.layers]);
  assert.is(again.vision.initial, undefined);
});

const valid = official["ViT-B-32"] as { vision_cfg: object; text_cfg: object };
const around = { clip: valid, video_len: 8 };

test("damaged configuration files are refused, naming the field, what was found and what is allowed", () => {
  const cases: [unknown, RegExp][] = [
    [[], /^x\.json: the top is a list of 0, expected an object$/],
    [{ ...valid, embed_dim: "512" }, /^x\.json: "embed_dim" is "512", expected a whole number from 1 to 16777216$/],
    [{ ...valid, embed_dim: 0 }, /^x\.json: "embed_dim" is 0, expected/],
    [{ ...valid, embed_dim: 1.5 }, /^x\.json: "embed_dim" is 1.5, expected/],
    [{ ...valid, embed_dim: undefined }, /^x\.json: "embed_dim" is missing, expected/],
    [{ ...valid, embed_dims: 512 }, /^x\.json: unknown field "embed_dims", did you mean embed_dim\?$/],
    [{ ...valid, vision_cfg: { ...valid.vision_cfg, patch: 1 } }, /^x\.json: unknown field "vision_cfg\.patch"/],
    [{ ...valid, text_cfg: null }, /^x\.json: "text_cfg" is null, expected an object$/],
    [{ ...valid, text_cfg: { ...valid.text_cfg, heads: 7 } }, /^x\.json: text: 7 heads do not divide a width of 512/],
    [{ ...valid, embed_dim: 516 }, /^x\.json: head: 8 heads do not divide a width of 516 equally$/],
    [{ ...around, temporal_fusion: "lstm" }, /^x\.json: "temporal_fusion" is "lstm", expected transformer or mean or/],
    [{ ...around, heads_visual: 7 }, /^x\.json: heads_visual is 7, width and head_width make 12$/],
    [{ ...around, clip: official.RN50 }, /^x\.json: a ResNet tower/],
    [{ ...around, saam: { layers: 1, mode: "shift", threshold: 0 } }, /^x\.json: settings of saam go with/],
    [{ ...around, video_len: 1e9 }, /^x\.json: "video_len" is 1000000000, expected/],
    [{ ...around, "\u001b[31m": 1 }, /^x\.json: unknown field "\\u\{1b\}\[31m"$/],
  ];
  for (const [value, message] of cases) {
    assert.throws(() => read(value), message);
    assert.throws(
      () => read(value),
      (error: unknown) => error instanceof FormatError,
    );
  }
  assert.is(read(valid).embed, 512);
  assert.is(read(around).head.frames, 8);
});

test("any JSON is read or refused, with a FormatError and nothing else", () => {
  const mutated = fc.tuple(fc.constantFrom(...Object.values(official), around), fc.jsonValue(), fc.nat(), fc.boolean());
  fc.assert(
    fc.property(mutated, ([base, value, at, deep]) => {
      const copy = JSON.parse(JSON.stringify(base));
      const target = deep ? (copy.vision_cfg ?? copy.clip.text_cfg) : copy;
      const keys = Object.keys(target);
      target[keys[at % keys.length]] = value;
      try {
        configFromValue(parseJson(bytesOf(copy), "x.json"), "x.json");
      } catch (error) {
        if (error instanceof EngineError && error instanceof FormatError) return;
        throw error;
      }
    }),
    { numRuns: 3000, seed: 4, includeErrorInReport: true },
  );
  assert.is(({} as { polluted?: unknown }).polluted, undefined);
});

test.run();
