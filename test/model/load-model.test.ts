// Checkpoints into models: every file of the same weights gives the same features, and what does not fit is refused by name.
import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { Json } from "../../data/formats/json.ts";
import { allocateFrozen, compute, declare, Tape, tensor } from "../../engine/index.ts";
import { CheckpointError, LimitError } from "../../engine/errors.ts";
import { describe } from "../../model/families.ts";
import type { ConfigOverride } from "../../model/emotionclip/describe.ts";
import { fillModel, type Loaded, type LoadOptions, loadModel, prepareLoad } from "../../model/checkpoint/load.ts";
import { planLoad } from "../../model/checkpoint/plan.ts";
import { configFromValue } from "../../model/emotionclip/official-config.ts";
import type { ModelConfig } from "../../model/emotionclip/config.ts";
import { EmotionClip } from "../../model/emotionclip/emotionclip.ts";
import { Init, named } from "../../model/params.ts";
import type { SafetensorsEntry } from "../../data/formats/safetensors.ts";
import { endPositions } from "../../model/clip/text-encoder.ts";
import { openWeights, type WeightFile } from "../../data/formats/weights.ts";
import { saveCheckpoint, saveModel } from "../../model/checkpoint/folder.ts";
import { writeSafetensors } from "../kit/write-safetensors.ts";
import { RunFolder } from "../../train/runs/run-folder.ts";
import { sharedGpu } from "../kernels/derive.ts";
import { agree, fixture, golden, goldenJson, goldenPath, type GoldenTensor } from "../kit/golden.ts";
import { refusal } from "../kit/refusal.ts";

const gpu = await sharedGpu();
const root = await mkdtemp(join(tmpdir(), "emotionclip-load-"));
test.after(() => rm(root, { recursive: true, force: true }));

const folder = "emotionclip/checkpoints";
const expected = "checkpoints/emotionclip_official.expected.safetensors";
const of = fixture(expected);
const config: ModelConfig = configFromValue(
  goldenJson<{ config: Json }>(`${folder}/emotionclip_official.expected.json`).config,
  "expected.json",
);
/** What shapes do not tell of the golden checkpoint: its heads are no multiples of 64. */
const heads: ConfigOverride = { vision: { heads: 2 }, text: { heads: 3 }, head: { heads: 4 } };

/** Features of the golden inputs, before normalisation. */
async function features({ model }: Pick<Loaded, "model">): Promise<Record<string, Promise<ArrayLike<number>>>> {
  const { visual } = model.backbone;
  const [video, mask, text] = ["in.video", "in.video_mask", "in.text"].map(of);
  const [frame_features, video_features_raw, text_features_raw] = await compute(() => {
    const f_NE = visual.forward(tensor(video.data, [6, 3, 16, 16], "f32"), tensor(mask.data, [6, 16, 16], "f32"));
    const ids = Uint32Array.from(text.data);
    const ends = endPositions(ids, 12);
    return [
      f_NE,
      model.visual_head.forward(f_NE.reshape([2, 3, 16])),
      model.backbone.forward(tensor(ids, [2, 12], "u32"), tensor(ends, [2], "u32")),
    ];
  });
  return {
    frame_features: Promise.resolve(frame_features.subarray(0, 3 * 16)),
    video_features_raw: Promise.resolve(video_features_raw),
    text_features_raw: Promise.resolve(text_features_raw),
  };
}

const weights = [...golden(`emotionclip/${expected}`)].filter(([name]) => name.startsWith("model."));

/** A safetensors file of the golden model's tensors; `edit` may change, add and remove them. */
async function variant(
  name: string,
  edit: (tensors: Map<string, GoldenTensor>) => void = () => {},
  metadata: Record<string, string> = {},
): Promise<string> {
  const tensors = new Map(weights.map(([key, { data, ...rest }]) => [key, { ...rest, data: data.slice() }]));
  edit(tensors as Map<string, GoldenTensor>);
  const entries = Array.from(tensors, ([key, { dtype, shape, data }]): SafetensorsEntry => {
    const ids = dtype === "I64" ? BigInt64Array.from(data, BigInt) : data;
    const bytes = () => new Uint8Array(ids.buffer, ids.byteOffset, ids.byteLength);
    return { name: key, dtype: dtype as SafetensorsEntry["dtype"], shape, bytes };
  });
  const path = join(root, `${name}.safetensors`);
  await writeSafetensors(path, entries, metadata);
  return path;
}

const refused = async (path: string, options: LoadOptions = { config: heads }) => {
  const before = { ...gpu.store.live };
  const error = await refusal(loadModel(path, options), path);
  assert.equal(gpu.store.live, before, "nothing stays allocated");
  assert.is(error.exitCode, 3);
  return error.message;
};

test("the official weights give the official features", async () => {
  const loaded = await loadModel(await variant("official"), { config: heads });
  const { saam: _, ...found } = loaded.config;
  assert.equal(found, config);
  assert.is(loaded.report.kind, "EmotionCLIP checkpoint");
  assert.equal(loaded.report.fresh, []);
  await agree(expected, await features(loaded));
  loaded.free();
});

for (const name of ["emotionclip_official.pt", "emotionclip_legacy.pt"])
  test(`${name} gives the official features, bit for bit those of its safetensors`, async () => {
    const loaded = await loadModel(goldenPath(`${folder}/${name}`), { config: heads });
    assert.equal(loaded.report.unexpected, []);
    await agree(expected, await features(loaded));
    for (const [parameter, t] of named(loaded.model))
      assert.equal(await t.data(), of(`model.${parameter}`).data as Float32Array, parameter);
    loaded.free();
  });

test("half-precision weights give the features of their precision", async () => {
  const loaded = await loadModel(goldenPath(`${folder}/emotionclip_fp16.pt`), { config: heads });
  for (const [name, got] of Object.entries(await features(loaded))) {
    const want = of(name).data;
    const most = Math.max(...Array.from(want, Math.abs));
    const worst = Math.max(...Array.from(await got, (value, i) => Math.abs(value - want[i])));
    assert.ok(worst < 2e-2 * most, `${name} is ${worst / most} of its largest value away`); // 11 bits a weight, five blocks
  }
  loaded.free();
});

for (const [name, kind] of [
  ["openclip_backbone.pth", "OpenCLIP backbone"],
  ["openclip_training.pt", "OpenCLIP training checkpoint"],
] as const)
  test(`${name} is an ${kind}, and its towers give the official features`, async () => {
    const loaded = await loadModel(goldenPath(`${folder}/${name}`), {
      config: { ...heads, head: { frames: 3, heads: 4 } },
    });
    assert.is(loaded.report.kind, kind);
    const { frame_features, text_features_raw } = await features(loaded);
    await agree(expected, { frame_features, text_features_raw });
    loaded.free();
  });

test("OpenAI's file needs no flags: heads and QuickGELU follow from what it is", async () => {
  const file = "checkpoints/openai_clip.expected.safetensors";
  const [image, mask, text] = ["image", "mask", "text"].map(fixture(file));
  const loaded = await loadModel(goldenPath(`${folder}/openai_clip.pth`));
  const { config } = goldenJson<{ config: Json }>(`${folder}/openai_clip.expected.json`);
  const { head: _, ...towers } = configFromValue(config, "openai_clip.expected.json");
  const { head: __, ...found } = loaded.config;
  assert.equal(found, towers);
  assert.is(loaded.report.kind, "OpenAI CLIP");
  const ids = Uint32Array.from(text.data);
  const [image_features_raw, text_features_raw] = await compute(() => [
    loaded.model.backbone.visual.forward(
      tensor(image.data, [3, 3, 24, 24], "f32"),
      tensor(mask.data, [3, 24, 24], "f32"),
    ),
    loaded.model.backbone.forward(tensor(ids, [3, 12], "u32"), tensor(endPositions(ids, 12), [3], "u32")),
  ]);
  await agree(file, {
    image_features_raw: Promise.resolve(image_features_raw),
    text_features_raw: Promise.resolve(text_features_raw),
  });
  loaded.free();
});

test("parameters are streamed through one buffer: no tensor is held whole", async () => {
  const file = await openWeights(goldenPath(`${folder}/emotionclip_official.pt`));
  const buffers = new Set<ArrayBufferLike>();
  const small: string[] = [];
  const watched: WeightFile = {
    ...file,
    floats: (name) => {
      small.push(name);
      return file.floats(name);
    },
    bytes: () => Promise.reject(new Error("a whole tensor was read")),
    chunks: (name, room) => {
      assert.ok(room);
      return file.chunks(name, (length) => {
        const piece = room!(length);
        buffers.add(piece.buffer);
        return piece;
      });
    },
  };
  const loaded = await fillModel(await planLoad(watched, { config: heads }));
  loaded.free();
  await file.close();
  assert.equal(small, ["model.visual_head.position_ids", "model.logit_scale", "model.backbone.logit_scale"]);
  assert.ok(buffers.size < 10, `${buffers.size} buffers`); // it grows with the largest piece so far
});

test("a run's folder loads its model at the end, or else its newest checkpoint, which must be whole", async () => {
  const run = join(root, "run");
  const progressed = { epoch: 0, position: 0, seed: 1, rng: {}, best: null, state: null, adapter: "", subgroupSize: 4 };
  const entries = weights.slice(1).map(([name, { dtype, shape, data }]): SafetensorsEntry => {
    const bytes = () => new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    return { name: name.replace("model.", ""), dtype: dtype as "F32", shape, bytes };
  });
  const model = entries.filter(({ name }) => !name.endsWith("position_ids"));
  await mkdir(run);
  await writeFile(join(run, "config.json"), JSON.stringify({ seed: 1, model: config }));
  assert.match((await refusal(prepareLoad(run))).message, /^run: a folder without checkpoint\.safetensors/);
  for (const step of [7, 12])
    await saveCheckpoint(run, {
      ...progressed,
      step,
      config: "0".repeat(64),
      commit: "",
      tensors: { model, optimizer: [] },
    });
  for (const path of [run, join(run, "ckpt-00000012")]) {
    const loaded = await loadModel(path);
    await agree(expected, await features(loaded));
    loaded.free();
  }
  await rm(join(run, "config.json")); // nothing tells the model any more
  assert.match((await refusal(prepareLoad(join(run, "ckpt-00000012")))).message, /^run\/config\.json: no such file/);
  const newest = join(run, "ckpt-00000012", "model.safetensors");
  const bytes = await readFile(newest);
  bytes[bytes.length - 1] ^= 1;
  await writeFile(newest, bytes);
  assert.match((await refusal(prepareLoad(run))).message, /^ckpt-00000012\/model\.safetensors: damaged, its sha256/);
  await saveModel(join(run, "checkpoint.safetensors"), model, { config: JSON.stringify(config) });
  (await loadModel(run)).free();
});

test("checkpoints of a run tell their model wherever they are moved", async () => {
  const path = join(root, "moved");
  const settings = { seed: 1, model: JSON.parse(JSON.stringify(config)) as Json };
  const run = await RunFolder.open(path, settings);
  await run.resume();
  const model = new Map(weights.map(([name, t]) => [name.replace("model.", ""), t]));
  const entries = Array.from(named(new EmotionClip(config, new Init(0))), ([name, { shape }]): SafetensorsEntry => {
    const { data } = model.get(name)!;
    return { name, dtype: "F32", shape, bytes: () => new Uint8Array(data.buffer, data.byteOffset, data.byteLength) };
  });
  const at = {
    step: 3,
    epoch: 0,
    position: 0,
    seed: 1,
    rng: {},
    best: null,
    state: null,
    adapter: "",
    subgroupSize: 4,
  };
  await run.save({ ...at, commit: "", tensors: { model: entries, optimizer: [] } });
  await run.close();
  const alone = join(root, "alone.safetensors");
  await rename(join(path, "ckpt-00000003", "model.safetensors"), alone);
  const loaded = await loadModel(alone);
  await agree(expected, await features(loaded));
  loaded.free();
});

test("a frozen model has no gradients and no moments, and its memory goes back", async () => {
  const before = { ...gpu.store.live };
  const loaded = await loadModel(await variant("frozen"), { config: heads });
  const grown = Object.entries(gpu.store.live).filter(([name, bytes]) => bytes !== before[name as keyof typeof before]);
  assert.equal(
    grown.map(([name]) => name),
    ["parameters"],
  );
  const numbers = Array.from(named(loaded.model), ([, t]) => t.numel).reduce((a, b) => a + b, 0);
  const spent = gpu.store.live.parameters - before.parameters;
  assert.ok(spent >= 4 * numbers && spent <= 4 * numbers + 256 * 120, `${spent} bytes for ${numbers} numbers`); // members begin at multiples of 256
  {
    using tape = new Tape();
    const y = loaded.model.backbone.visual.forward(
      tensor(new Float32Array(3 * 256), [1, 3, 16, 16]),
      tensor(new Float32Array(256), [1, 16, 16]),
    );
    assert.not(y.value.needsGrad);
    void tape;
  }
  loaded.free();
  assert.is(gpu.store.live.parameters, before.parameters);
});

test("a model that does not fit is refused before a byte of it is allocated", async () => {
  const path = await variant("large");
  const { budget } = gpu.store;
  const before = gpu.store.live.parameters;
  gpu.store.budget = 100_000; // idle buffers give way, so only this counts
  const error = await refusal(loadModel(path, { config: heads })).finally(() => {
    gpu.store.budget = budget;
  });
  assert.instance(error, LimitError);
  assert.match(error.message, /would pass the budget/);
  const wide = declare([gpu.store.maxBinding / 4 + 1]);
  assert.throws(() => allocateFrozen([declare([1]), wide]), /this adapter binds at most/);
  assert.is(gpu.store.live.parameters, before);
  (await loadModel(path, { config: heads })).free();
});

test("a file without its heads is refused before a GPU is needed, and tells what to give", async () => {
  const path = await variant("heads");
  const error = await refusal(prepareLoad(path));
  assert.instance(error, CheckpointError);
  assert.match(error.message, /vision\.heads \(width 32 is no multiple of 64\) and text\.heads/);
  const { plan, close } = await prepareLoad(path, { config: heads });
  assert.is(plan.sources.length, 89);
  await close();
});

test("missing and unexpected names are listed with the nearest", async () => {
  const path = await variant("renamed", (tensors) => {
    const name = "model.visual_head.fusion_layer.norm.weight";
    tensors.set("model.visual_head.fusion_layer.nrm.weight", tensors.get(name)!);
    tensors.delete(name);
    tensors.delete("model.backbone.visual.ln_post.bias");
  });
  const message = await refused(path);
  assert.match(message, /^renamed\.safetensors: names do not fit the model: 2 missing, 1 unexpected\n/);
  assert.match(
    message,
    /missing +"visual_head\.fusion_layer\.norm\.weight" \(did you mean "model\.visual_head\.fusion_layer\.nrm\.weight"\?\)/,
  );
  assert.match(message, /missing +"backbone\.visual\.ln_post\.bias"/);
  assert.match(
    message,
    /unexpected +"model\.visual_head\.fusion_layer\.nrm\.weight" \(did you mean "model\.visual_head\.fusion_layer\.norm\.weight"\?\)/,
  );
  const loaded = await loadModel(path, { config: heads, strict: false });
  assert.equal(loaded.report.missing, ["backbone.visual.ln_post.bias", "visual_head.fusion_layer.norm.weight"]);
  assert.equal(loaded.report.unexpected, ["model.visual_head.fusion_layer.nrm.weight"]);
  const fresh = new Map(named(loaded.model)).get("visual_head.fusion_layer.norm.weight")!;
  assert.equal([...(await fresh.data())], Array(16).fill(1)); // a gain starts at 1
  loaded.free();
});

test("a tensor of another shape is refused with both shapes", async () => {
  const path = await variant("shape", (tensors) => {
    const [name, shape] = ["model.backbone.visual.ln_post.weight", [16]];
    tensors.set(name, { dtype: "F32", shape, data: new Float32Array(16) });
  });
  assert.match(await refused(path), /1 of another shape\n.*ln_post\.weight is \[16\] in the file, \[32\] in the model/);
  const loaded = await loadModel(path, { config: heads, strict: false });
  assert.equal(loaded.report.misshapen, ["backbone.visual.ln_post.weight"]);
  loaded.free();
});

test("another architecture is refused with the sizes that differ", async () => {
  const message = await refused(await variant("architecture"), {
    config: { ...heads, vision: { heads: 2, layers: 12 }, text: { heads: 3, vocabulary: 49408 } },
  });
  assert.match(message, /^architecture\.safetensors: a model of other sizes/);
  assert.match(
    message,
    /vision\.layers is 2 in the file, 12 in the configuration\n.*text\.vocabulary is 64 in the file, 49408/,
  );
});

for (const [what, value] of [
  ["NaN", Number.NaN],
  ["infinity", Number.NEGATIVE_INFINITY],
] as const)
  test(`a weight that is ${what} is refused with its name and place`, async () => {
    const path = await variant(what, (tensors) => {
      tensors.get("model.backbone.visual.proj")!.data[77] = value;
    });
    assert.match(await refused(path), /"model\.backbone\.visual\.proj" is not finite at element 77/);
  });

test("frame numbers that are not 0, 1, … are refused", async () => {
  const path = await variant("frames", (tensors) => {
    tensors.set("model.visual_head.position_ids", { dtype: "I64", shape: [3], data: Float64Array.of(0, 1, 3) });
  });
  assert.match(await refused(path), /"model\.visual_head\.position_ids" is not 0 to 2/);
  const fine = await variant("frames-fine", (tensors) => {
    tensors.set("model.visual_head.position_ids", { dtype: "I64", shape: [3], data: Float64Array.of(0, 1, 2) });
  });
  (await loadModel(fine, { config: heads })).free();
});

test("logit_scale has two names: either is enough, and both must say the same", async () => {
  const differing = await variant("scales", (tensors) => {
    tensors.get("model.backbone.logit_scale")!.data[0] = 1;
  });
  assert.match(await refused(differing), /one parameter under two names/);
  const noted = await loadModel(differing, { config: heads, strict: false });
  assert.match(noted.report.notes.join(), /the first is taken/);
  noted.free();
  for (const other of ["logit_scale", "backbone.logit_scale"]) {
    const path = await variant(other, (tensors) => tensors.delete(`model.${other}`));
    const loaded = await loadModel(path, { config: heads });
    assert.is((await loaded.model.logit_scale.data())[0], of("model.logit_scale").data[0]);
    loaded.free();
  }
});

test("a backbone gets a seeded head, or the mean", async () => {
  const path = await variant("backbone", (tensors) => {
    for (const [name, t] of [...tensors]) {
      tensors.delete(name);
      const local = name.slice("model.".length);
      if (!local.startsWith("visual_head.") && local !== "logit_scale") tensors.set(local.replace("backbone.", ""), t);
    }
  });
  const own: ConfigOverride = { ...heads, head: { frames: 3, heads: 4 } };
  const data = async (seed: number) => {
    const loaded = await loadModel(path, { config: own, seed });
    assert.is(loaded.report.kind, "OpenCLIP backbone");
    assert.ok(loaded.report.fresh.length > 60 && loaded.report.fresh.every((name) => name.startsWith("visual_head.")));
    assert.equal(loaded.report.missing, []);
    const { frame_features } = await features(loaded);
    await agree(expected, { frame_features });
    const table = await new Map(named(loaded.model)).get("visual_head.frame_position_embedding.weight")!.data();
    loaded.free();
    return table;
  };
  const [first, again, other] = [await data(1), await data(1), await data(2)];
  assert.equal(first, again);
  assert.not.equal(first, other);
  const mean = await loadModel(path, { config: { ...heads, head: { kind: "mean", frames: 3 } } });
  assert.equal(mean.report.fresh, []);
  mean.free();
});

test("SAAM is recognised by its parameters, and a checkpoint without them does not become one in silence", async () => {
  const path = await variant("saam", (tensors) => {
    const ours = (name: string, shape: number[]) =>
      tensors.set(`model.backbone.visual.${name}`, { dtype: "F32", shape, data: new Float32Array(shape[0]) });
    ours("hmn_embedding", [32]);
    ours("transformer.resblocks.0.saam_logit", [2]);
  });
  const loaded = await loadModel(path, { config: heads });
  assert.is(loaded.config.subject, "saam");
  assert.equal(loaded.config.saam, { mode: "shift", threshold: 0, layers: 1, logit: [2] });
  loaded.free();
  assert.match(await refused(path, { config: { ...heads, subject: "sap" } }), /2 unexpected/);
  const official = await variant("sap");
  assert.match(await refused(official, { config: { ...heads, subject: "saam" } }), /3 missing/);
});

test("another image size resizes the positions, and the report says so", async () => {
  const path = await variant("resized");
  const loaded = await loadModel(path, { config: { ...heads, vision: { heads: 2, image: 32 } } });
  assert.equal(loaded.report.resized, { from: 2, to: 4 });
  const table = await loaded.model.backbone.visual.positional_embedding.data();
  assert.is(table.length, 17 * 32);
  const before = of("model.backbone.visual.positional_embedding").data as Float32Array;
  assert.equal(table.slice(0, 32), before.slice(0, 32));
  assert.equal(table.slice(32, 64), before.slice(32, 64)); // corners are aligned
  loaded.free();
});

test("a ResNet, Hugging Face's names and anything else are refused with their reason", async () => {
  const only = (name: string, tensorName: string) =>
    variant(name, (tensors) => {
      tensors.clear();
      tensors.set(tensorName, { dtype: "F32", shape: [1], data: new Float32Array(1) });
    });
  assert.match(await refused(await only("rn", "visual.layer1.0.conv1.weight")), /a ResNet frame tower/);
  assert.match(await refused(await only("hf", "vision_model.encoder.layers.0.x")), /Hugging Face/);
  assert.match(
    await refused(await only("other", "a")),
    /not a model of CLIP, EmotionCLIP or EmoCLIP: none of its 1 tensors/,
  );
  const message = await refused(await only("esc", "visual.layer1.\x1b[2J"));
  assert.not.ok(message.includes("\x1b"), "nothing that a terminal obeys");
});

test("whole numbers as weights, a block number beyond reason and a table that is no square are refused", async () => {
  const edited = (name: string, tensorName: string, t: GoldenTensor) =>
    variant(name, (tensors) => tensors.set(`model.${tensorName}`, t));
  const one = { dtype: "F32", shape: [1], data: new Float32Array(1) };
  const ids = { dtype: "I32", shape: [32], data: new Int32Array(32) };
  assert.match(await refused(await edited("i32", "backbone.visual.ln_post.weight", ids)), /is I32; parameters are F64/);
  const far = await edited("far", "backbone.transformer.resblocks.99999999.x", one);
  assert.match(await refused(far), /at most 256 blocks/);
  const rows = { dtype: "F32", shape: [7, 32], data: new Float32Array(7 * 32) };
  assert.match(await refused(await edited("rows", "backbone.visual.positional_embedding", rows)), /7 rows/);
});

test("a configuration in the metadata makes flags needless, and one that does not fit is refused", async () => {
  const path = await variant("ours", () => {}, { config: JSON.stringify(config) });
  const loaded = await loadModel(path);
  assert.is(loaded.report.kind, "EmotionCLIP of this program");
  await agree(expected, await features(loaded));
  loaded.free();
  const wrong = await variant("wrong", () => {}, { config: JSON.stringify({ ...config, embed: 32 }) });
  assert.match(await refused(wrong, {}), /embed is 16 in the file, 32 in the configuration/);
  const odd = await variant("odd", () => {}, { config: '{"embed":"16"}' });
  assert.match(await refused(odd, {}), /metadata config: embed is "?[^ ]+, expected a whole number from 1 to 65536/);
  const file = await openWeights(odd);
  assert.match(describe(file).reason, /metadata config/); // describing never fails
  await file.close();
});

test.run();
