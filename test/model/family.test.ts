// The contract of model/family.ts, held by a second family that nothing else knows: the mean of frames over a frozen linear tower,
// without a subject, other names, another place where texts are read. It is loaded, encoded with and trained by the generic code.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import * as v from "valibot";
import { at } from "../../data/formats/content.ts";
import { type Json, parseJson } from "../../data/formats/json.ts";
import { openWeights } from "../../data/formats/weights.ts";
import { FormatError } from "../../engine/errors.ts";
import { type Tensor, tensor } from "../../engine/index.ts";
import { encodeTexts, encodeVideos } from "../../eval/features/encode.ts";
import { embedding, matmul, mean, normalize, rowGather } from "../../kernels/index.ts";
import { fillModel } from "../../model/checkpoint/load.ts";
import { planLoad } from "../../model/checkpoint/plan.ts";
import { describe, families, type Known, metadataOf, readConfig } from "../../model/families.ts";
import type { Family, VideoText } from "../../model/family.ts";
import { type Init, named } from "../../model/params.ts";
import { safetensorsBytes } from "../../data/formats/safetensors.ts";
import { Learner } from "../../train/learner.ts";
import { planStep } from "../../train/step-plan.ts";
import { sharedGpu } from "../kernels/derive.ts";
import { refusal } from "../kit/refusal.ts";
import { inTemporary } from "../kit/temporary.ts";
import { settings } from "../train/synthetic.ts";

const gpu = await sharedGpu();

const schema = v.strictObject({ side: v.number(), frames: v.number(), width: v.number(), words: v.number() });
type Config = v.InferOutput<typeof schema>;

/** A tower that is frozen, one matrix that trains, and a table of words. */
class Plain implements VideoText<Config> {
  readonly logit_scale: Tensor;
  readonly backbone: { tower: { weight: Tensor } };
  readonly temporal: { weight: Tensor };
  readonly words: { weight: Tensor };
  readonly subjectTower = undefined;

  constructor(
    readonly config: Config,
    init: Init,
  ) {
    const { side, width, words } = config;
    this.logit_scale = init.constant([], Math.log(10));
    this.backbone = { tower: { weight: init.normal([3 * side * side, width], 0.1) } };
    this.temporal = { weight: init.normal([width, width], 0.5) };
    this.words = { weight: init.normal([words, width], 1) };
  }

  get takes() {
    const { side, frames, words } = this.config;
    return { frames, side, context: 4, vocabulary: words, subject: false };
  }

  get embed() {
    return this.config.width;
  }

  encodeFrames(frames_BT3SS: Tensor): Tensor {
    const [B, T] = frames_BT3SS.shape;
    return matmul(frames_BT3SS.reshape([B * T, -1]), this.backbone.tower.weight).reshape([B, T, this.embed]);
  }

  joinFrames(f_BTE: Tensor): Tensor {
    return normalize(matmul(mean(f_BTE, 1), this.temporal.weight));
  }

  encodeVideo(frames_BT3SS: Tensor): Tensor {
    return this.joinFrames(this.encodeFrames(frames_BT3SS));
  }

  encodeImage(frames_N3SS: Tensor): Tensor {
    const [N] = frames_N3SS.shape;
    return normalize(matmul(frames_N3SS.reshape([N, -1]), this.backbone.tower.weight));
  }

  textRows(tokens_BW: Uint32Array) {
    return { tokens_BW, ends_B: new Uint32Array(tokens_BW.length / 4) }; // read at the first word
  }

  encodeText(tokens_BW: Tensor<"u32">, ends_B: Tensor<"u32">): Tensor {
    return normalize(rowGather(embedding(this.words.weight, tokens_BW), ends_B));
  }
}

const plain: Family<Config, Plain> = {
  name: "Plain",
  presets: [],
  preset: () => ({}),
  framed: (config, frames) => ({ ...config, frames }),
  published: () => ({ side: 4, frames: 2, width: 4, words: 8 }),
  parse(json: Json, where) {
    const { success, output, issues } = v.safeParse(schema, json);
    if (!success) throw new FormatError(`${where}: ${issues[0].message}`);
    return output;
  },
  override: (json, where) => plain.parse(json, where),
  describe(file, stored) {
    const names = new Map([...file.tensors.keys()].map((name) => [name, name]));
    const known = names.has("backbone.tower.weight");
    const layout = {
      kind: known ? "Plain" : "unknown",
      prefix: "",
      backboneOnly: false,
      names,
      ignored: [],
      reason: "no tower",
    };
    return {
      family: plain,
      kind: layout.kind,
      layout,
      sizes: {},
      config: stored,
      reason: stored ? "" : "no configuration",
      notes: [],
    };
  },
  decide: ({ config }, override) => ({ ...config!, ...override }),
  build: (config, init) => new Plain(config, init),
  filling: {
    alias: new Map(),
    constants: new Set(),
    isAdded: () => false,
    resize: () => undefined,
    check: async () => [],
  },
  groups: (parameters) => [{ name: "all", members: [...parameters], decay: true }],
  trains: (name) => !name.startsWith("backbone."),
};

const both = [...families, plain];
const config: Config = { side: 2, frames: 3, width: 4, words: 9 };
const known: Known = { family: plain, config };

/** A file of weights 0, 0.01, 0.02, … under this family's names. */
async function written(folder: string): Promise<string> {
  const shapes = {
    logit_scale: [],
    "backbone.tower.weight": [12, 4],
    "temporal.weight": [4, 4],
    "words.weight": [9, 4],
  };
  const entries = Object.entries(shapes).map(([name, shape]) => {
    const count = (shape as number[]).reduce((n, size) => n * size, 1);
    const values = Float32Array.from({ length: count }, (_, i) => Math.sin(i + name.length));
    return { name, dtype: "F32" as const, shape, bytes: () => new Uint8Array(values.buffer) };
  });
  const parts: Uint8Array[] = [];
  for await (const part of safetensorsBytes(entries, metadataOf(known))) parts.push(part);
  const path = join(folder, "plain.safetensors");
  writeFileSync(path, Buffer.concat(parts));
  return path;
}

test("a file says whose it is, and each family sees only its own configuration", () =>
  inTemporary(async (folder) => {
    const file = await openWeights(await written(folder));
    try {
      assert.is(at(file.content, "__metadata__", "model"), "Plain");
      const found = describe(file, undefined, both);
      assert.is(found.family, plain as Family);
      assert.equal(found.config as unknown, config);
      const alone = describe(file); // only the families of the product: its name is not known there
      assert.match(alone.reason, /none of its 4 tensors|family "Plain"/);
    } finally {
      await file.close();
    }
  }));

test("it is planned, filled and encoded with by the code that loads EmotionCLIP", () =>
  inTemporary(async (folder) => {
    const file = await openWeights(await written(folder));
    try {
      const plan = await planLoad<Plain>(file, {}, known);
      assert.equal(plan.report.missing, []);
      const { model, free } = await fillModel(plan);
      const { frames, side } = model.takes;
      const clip = {
        frames: new Float32Array(frames * 3 * side * side).fill(0.5),
        mask: new Float32Array(frames * side * side),
      };
      const video = await encodeVideos(model, [clip, clip]);
      assert.equal(video.shape, [2, 4]);
      assert.ok(Math.abs(Math.hypot(...video.data.subarray(0, 4)) - 1) < 1e-6);
      const tokens = { encode: (texts: readonly string[]) => new Uint32Array(4 * texts.length).fill(3), vocabulary: 9 };
      const text = await encodeTexts(model, tokens as never, ["a", "b"]);
      assert.equal([...text.data.subarray(0, 4)], [...text.data.subarray(4)]);
      free();
    } finally {
      await file.close();
    }
  }));

test("what trains is a predicate on names: frozen parameters get no moments and do not move", async () => {
  const learner = new Learner(config, { ...settings, micro: 0, batch: 2, dropout: 0 }, plain as Family);
  assert.equal(
    learner.groups.flatMap(({ members }) => members.map(([name]) => name)),
    ["logit_scale", "temporal.weight", "words.weight"],
  );
  assert.not([...named(learner.model)].find(([name]) => name.startsWith("backbone."))![1].value.needsGrad);
  const before = new Map<string, number[]>();
  for (const [name, t] of named(learner.model)) before.set(name, [...(await t.data())]);
  const pixels = Float32Array.from({ length: 2 * 3 * 12 }, (_, i) => Math.cos(i));
  const numbers = learner.record(1, 0.01, {
    clips: () => ({
      video: {
        frames_BT3SS: tensor(pixels, [2, 3, 3, 2, 2]),
        mask_BTSS: tensor(new Float32Array(24), [2, 3, 2, 2]),
      },
      text: {
        tokens_BW: tensor(Uint32Array.of(1, 0, 0, 0, 2, 0, 0, 0), [2, 4], "u32"),
        ends_B: tensor(new Uint32Array(2), [2], "u32"),
      },
    }),
    sentiment: () => tensor(new Float32Array(14), [2, 7]),
  });
  assert.ok(Number.isFinite((await numbers.loss)[0]));
  // scalar, 4 x 4 and 9 x 4 train, each in a place of 256 bytes; the tower of 12 x 4 is held, and saved, once
  assert.is(learner.frozenBytes, 256);
  assert.is(learner.checkpointBytes, 4 * 48 + 3 * 4 * (1 + 16 + 36));
  const own = { ...settings, micro: 0, batch: 2, dropout: 0 };
  const { memory } = planStep(config, own, gpu.facts, Number.POSITIVE_INFINITY, plain as Family);
  assert.is(memory.parameters, memory.gradients + 256);
  const moved: string[] = [];
  for (const [name, t] of named(learner.model))
    if (`${[...(await t.data())]}` !== `${before.get(name)}`) moved.push(name);
  assert.not(moved.includes("backbone.tower.weight"));
  learner.free();
});

test("a configuration is of the family that it names, or of the first that takes it", async () => {
  const json = parseJson(new TextEncoder().encode(JSON.stringify(config)), "x.json");
  assert.is(readConfig(json, "x.json", undefined, both).family, plain as Family);
  assert.match(
    (await refusal(Promise.resolve().then(() => readConfig(json, "x.json", "Other", both)))).message,
    /known: EmotionCLIP, EmoCLIP, Plain/,
  );
});

test.run();
