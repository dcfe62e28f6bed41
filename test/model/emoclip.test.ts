// EmoCLIP's files: recognised by their names, loaded with the official wrapper's `module.` in them, begun from CLIP's weights.
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { SafetensorsEntry } from "../../data/formats/safetensors.ts";
import { openWeights } from "../../data/formats/weights.ts";
import { compute, ShapeError, tensor } from "../../engine/index.ts";
import { fillModel } from "../../model/checkpoint/load.ts";
import { planLoad } from "../../model/checkpoint/plan.ts";
import { describe, readConfig } from "../../model/families.ts";
import { EmoClip, emoClip, emoClipB32, type EmoClipConfig, Init, named, TemporalModule } from "../../model/index.ts";
import { sharedGpu } from "../kernels/derive.ts";
import { golden, type GoldenTensor } from "../kit/golden.ts";
import { refusal } from "../kit/refusal.ts";
import { inTemporary } from "../kit/temporary.ts";
import { writeSafetensors } from "../kit/write-safetensors.ts";

await sharedGpu();

const micro = golden("emoclip/v_micro_duplicate_captions.safetensors");

/** What shapes do not tell of the golden model: heads that are no multiples of 64, and how the inner width is shared. */
const told = {
  vision: { heads: 2 },
  text: { heads: 2 },
  temporal: { frames: 3, heads: 2, headWidth: 12 },
};

/** Weights of the golden model under other names; undefined leaves one out. */
function entries(renamed: (name: string) => string | undefined): SafetensorsEntry[] {
  return [...micro].flatMap(([name, { data, shape }]) => {
    const to = name.startsWith("weight.") ? renamed(name.slice("weight.".length)) : undefined;
    const bytes = () => new Uint8Array((data as Float32Array).slice().buffer);
    return to === undefined ? [] : [{ name: to, dtype: "F32" as const, shape, bytes }];
  });
}

/** Opens a file of such weights for `work`. */
const withFile = <T>(
  renamed: (name: string) => string | undefined,
  work: (file: Awaited<ReturnType<typeof openWeights>>) => Promise<T>,
) =>
  inTemporary(async (folder) => {
    const path = join(folder, "weights.safetensors");
    await writeSafetensors(path, entries(renamed));
    const file = await openWeights(path);
    try {
      return await work(file);
    } finally {
      await file.close();
    }
  });

const largest = (a: ArrayLike<number>, b: GoldenTensor["data"]) =>
  Array.from(b, (value, i) => Math.abs(value - a[i])).reduce((most, each) => Math.max(most, each), 0);

for (const [what, renamed] of [
  ["in front", (name: string) => `module.${name}`],
  ["in the middle", (name: string) => name.replace(/^(backbone|temporal)\./, "$1.module.")],
] as const)
  test(`a checkpoint with module. ${what} loads, and has the golden features`, () =>
    withFile(renamed, async (file) => {
      const described = describe(file);
      assert.is(described.family, emoClip);
      assert.equal([described.kind, described.config?.activation], ["EmoCLIP weights", "quickGelu"]);
      assert.match(described.reason, /vision\.heads .* and text\.heads/);
      const plan = await planLoad<EmoClip>(file, { config: told });
      assert.equal([plan.report.missing, plan.report.unexpected, plan.report.fresh], [[], [], []]);
      const { model, free } = await fillModel(plan);
      const video = micro.get("video")!;
      const v = await compute(() => model.encodeVideo(tensor(video.data as Float32Array, video.shape)));
      assert.ok(largest(v, micro.get("video_features_norm")!.data) < 1e-6);
      free();
    }));

test("CLIP alone begins one, where the family is asked for: the temporal module is new, both scales are CLIP's", () =>
  withFile(
    (name) => (name.startsWith("backbone.") ? name.slice("backbone.".length) : undefined),
    async (file) => {
      assert.is(describe(file).family.name, "EmotionCLIP"); // the first that takes it
      const plan = await planLoad<EmoClip>(file, { family: emoClip, config: told, seed: 3 });
      assert.ok(plan.report.fresh.every((name) => name.startsWith("temporal.")));
      const { model, free } = await fillModel(plan);
      const scale = (micro.get("weight.backbone.logit_scale")!.data as Float32Array)[0];
      assert.equal([await model.logit_scale.item(), await model.backbone.logit_scale.item()], [scale, scale]);
      free();
    },
  ));

test("what is missing and what is too much are both listed", () =>
  withFile(
    (name) => (name === "temporal.cls_token" ? name : name.endsWith("norm.bias") ? `${name}es` : name),
    async (file) => {
      const { message } = await refusal(planLoad(file, { config: told }));
      assert.match(message, /2 missing, 2 unexpected\n {2}missing .*0\.0\.fn\.norm\.bias/);
    },
  ));

test("a file whose heads do not share the inner width is refused by name", () =>
  withFile(
    (name) => name,
    async (file) => {
      const wrong = { ...told, temporal: { ...told.temporal, headWidth: 10 } };
      const { message } = await refusal(planLoad(file, { config: wrong }));
      assert.match(message, /temporal\.heads x headWidth is 24 in the file, 20 in the configuration/);
    },
  ));

test("the official configuration has the official numbers of parameters", () => {
  const model = new EmoClip(emoClipB32, new Init(0));
  const count = (prefix: string) =>
    [...named(model)].reduce((sum, [name, { numel }]) => sum + (name.startsWith(prefix) ? numel : 0), 0);
  assert.equal([count("temporal."), count("backbone.visual."), count("")], [68_689_408, 87_849_216, 219_966_722]);
  const trained = [...named(model)].filter(([name]) => emoClip.trains(name));
  assert.is(
    trained.reduce((sum, [, { numel }]) => sum + numel, 0),
    68_689_409,
  );
});

test("a configuration comes back from its JSON, and one that no model can have is named", () => {
  const json = JSON.parse(JSON.stringify(emoClipB32));
  assert.equal(readConfig(json, "x.json", "EmoCLIP").config, emoClipB32);
  const faults: [Partial<EmoClipConfig["temporal"]>, RegExp][] = [
    [{ positions: 32 }, /temporal\.positions is 32, expected at least 33/],
    [{ heads: 0 }, /temporal\.heads is 0, expected a whole number from 1/],
    [{ hidden: 0.5 }, /temporal\.hidden is 0\.5/],
  ];
  for (const [temporal, message] of faults) {
    const wrong = { ...json, temporal: { ...json.temporal, ...temporal } };
    assert.throws(() => readConfig(wrong, "x.json", "EmoCLIP"), message);
  }
});

test("more frames than positions are refused", async () => {
  const sizes = { width: 8, layers: 1, heads: 2, headWidth: 3, hidden: 8, positions: 4 };
  const module = new TemporalModule(sizes, new Init(0));
  const error = await refusal(compute(() => module.forward(tensor(new Float32Array(32), [1, 4, 8]))));
  assert.instance(error, ShapeError);
  assert.match(error.message, /clips of 4 frames, the model has positions for 3/);
});

test.run();
