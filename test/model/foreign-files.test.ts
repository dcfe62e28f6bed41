// Files as other tools leave them: Hugging Face's CLIP, prefixes of wrappers and trainers, axes of one; equal to the same weights
// under CLIP's own names to the bit. What is meant by none of it is refused with what was seen.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { runCommand } from "../../cli/cli.ts";
import { safetensorsBytes } from "../../data/formats/safetensors.ts";
import { shardedFiles } from "../../data/formats/safetensors-index.ts";
import { openWeights } from "../../data/formats/weights.ts";
import { loadModel, prepareLoad } from "../../model/checkpoint/load.ts";
import type { ModelConfig } from "../../model/emotionclip/config.ts";
import { EmotionClip } from "../../model/emotionclip/emotionclip.ts";
import { vitB32 } from "../../model/emotionclip/presets.ts";
import { Init, named } from "../../model/params.ts";
import { archive, dict, pickle, storage, tensor as pickled, text } from "../data/torch-files.ts";
import { sharedGpu, uniform } from "../kernels/derive.ts";
import { failure, refusal } from "../kit/refusal.ts";

await sharedGpu();
const root = mkdtempSync(join(tmpdir(), "emotionclip-foreign-"));
test.after(() => rmSync(root, { recursive: true, force: true }));

const config: ModelConfig = {
  embed: 48,
  vision: { image: 24, patch: 8, width: 128, layers: 2, heads: 4, mlp: 96 },
  text: { context: 12, vocabulary: 50, width: 64, layers: 2, heads: 2 },
  head: { ...vitB32.head, kind: "mean" },
  activation: "gelu",
  subject: "sap",
};
const heads = { vision: { heads: 4 }, text: { heads: 2 }, activation: "gelu", head: { kind: "mean" } } as const;

interface Numbers {
  readonly shape: readonly number[];
  readonly data: Float32Array;
}
type Weights = Map<string, Numbers>;

/** Random weights under the names of CLIP's own code. */
function clipWeights(): Weights {
  const random = uniform(2026);
  return new Map(
    Array.from(named(new EmotionClip(config, new Init(0))), ([name, { shape, numel }]) => [
      name.replace("backbone.", ""),
      { shape, data: Float32Array.from({ length: numel }, () => 0.2 * random() - 0.1) },
    ]),
  );
}
const clip = clipWeights();

/** The same under Hugging Face's, as its conversion script makes them. */
function huggingFace(): Weights {
  const theirs: Weights = new Map();
  for (const [name, value] of clip) {
    const block = name
      .replace(/^visual\.transformer\.resblocks\./, "vision_model.encoder.layers.")
      .replace(/^transformer\.resblocks\./, "text_model.encoder.layers.")
      .replace("attn.out_proj", "self_attn.out_proj")
      .replace("ln_1", "layer_norm1")
      .replace("ln_2", "layer_norm2")
      .replace("c_fc", "fc1")
      .replace("c_proj", "fc2");
    const joined = /^(.*)\.attn\.in_proj_(weight|bias)$/.exec(block);
    if (joined)
      for (const [i, one] of ["q", "k", "v"].entries()) {
        const [rows, ...rest] = value.shape;
        const third = value.data.length / 3;
        const data = value.data.slice(i * third, (i + 1) * third);
        theirs.set(`${joined[1]}.self_attn.${one}_proj.${joined[2]}`, { shape: [rows / 3, ...rest], data });
      }
    else theirs.set(single[name] ?? block, /proj(ection)?$/.test(name) ? turned(value) : value);
  }
  return theirs;
}

const single: Readonly<Record<string, string>> = {
  "visual.class_embedding": "vision_model.embeddings.class_embedding",
  "visual.conv1.weight": "vision_model.embeddings.patch_embedding.weight",
  "visual.positional_embedding": "vision_model.embeddings.position_embedding.weight",
  "visual.ln_pre.weight": "vision_model.pre_layrnorm.weight",
  "visual.ln_pre.bias": "vision_model.pre_layrnorm.bias",
  "visual.ln_post.weight": "vision_model.post_layernorm.weight",
  "visual.ln_post.bias": "vision_model.post_layernorm.bias",
  "visual.proj": "visual_projection.weight",
  "token_embedding.weight": "text_model.embeddings.token_embedding.weight",
  positional_embedding: "text_model.embeddings.position_embedding.weight",
  "ln_final.weight": "text_model.final_layer_norm.weight",
  "ln_final.bias": "text_model.final_layer_norm.bias",
  text_projection: "text_projection.weight",
};

function turned({ shape: [rows, columns], data }: Numbers): Numbers {
  const out = new Float32Array(data.length);
  for (let r = 0; r < rows; r++) for (let c = 0; c < columns; c++) out[c * rows + r] = data[r * columns + c];
  return { shape: [columns, rows], data: out };
}

const bytesOf = ({ data }: Numbers) => new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
const entriesOf = (weights: Weights) =>
  Array.from(weights, ([name, value]) => ({
    name,
    dtype: "F32" as const,
    shape: value.shape,
    bytes: () => bytesOf(value),
  }));

/** Writes a file below the folder; its path. */
function write(name: string, bytes: Uint8Array | string): string {
  const path = join(root, name);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, bytes);
  return path;
}

async function collected(pieces: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const all: Uint8Array[] = [];
  for await (const piece of pieces) all.push(piece);
  return new Uint8Array(Buffer.concat(all));
}

const safetensors = async (name: string, weights: Weights) =>
  write(name, await collected(safetensorsBytes(entriesOf(weights), { format: "pt" })));

/** As torch.save writes a state dict, with `more` beside it. */
function torchFile(name: string, weights: Weights, wrap = (weights: ReturnType<typeof dict>) => weights): string {
  const steps = (shape: readonly number[]) =>
    shape.map((_, axis) => shape.slice(axis + 1).reduce((product, size) => product * size, 1));
  const list = [...weights];
  const pairs = list.map(([key, { shape, data }], i) => {
    const at = storage(String(i), "FloatStorage", data.length);
    return [text(key), pickled(at, shape, steps(shape))] as const;
  });
  const storages = Object.fromEntries(list.map(([, value], i) => [String(i), bytesOf(value)]));
  return write(name, archive({ pickle: pickle(wrap(dict(...pairs))), storages }));
}

/** Every parameter on the device is the number of CLIP's own names, to the bit. */
async function checkSame(path: string, kind: string, given: object = heads): Promise<readonly string[]> {
  const { model, report, config: found, free } = await loadModel(path, { config: given });
  assert.is(report.kind, kind);
  assert.equal([report.missing, report.unexpected, report.fresh], [[], [], []]);
  for (const [name, t] of named(model))
    assert.equal(await t.data(), clip.get(name.replace("backbone.", ""))!.data, name);
  assert.equal([found.vision, found.text, found.activation], [config.vision, config.text, config.activation]);
  free();
  return report.notes;
}

/** config.json as transformers write it. */
const theirConfig = (more: object = {}) => ({
  model_type: "clip",
  projection_dim: 48,
  vision_config: {
    hidden_size: 128,
    intermediate_size: 96,
    num_hidden_layers: 2,
    num_attention_heads: 4,
    image_size: 24,
    patch_size: 8,
    hidden_act: "gelu",
    ...more,
  },
  text_config: {
    hidden_size: 64,
    intermediate_size: 256,
    num_hidden_layers: 2,
    num_attention_heads: 2,
    max_position_embeddings: 12,
    vocab_size: 50,
    hidden_act: "gelu",
  },
});

test("Hugging Face's CLIP: safetensors, shards and pytorch_model.bin give CLIP's own numbers to the bit", async () => {
  const theirs = huggingFace();
  assert.ok(theirs.has("vision_model.encoder.layers.1.self_attn.v_proj.bias"));
  await checkSame(await safetensors("plain.safetensors", theirs), "Hugging Face CLIP");
  for (const { name, bytes } of shardedFiles(entriesOf(theirs), 100_000, "model", { format: "pt" }))
    write(join("sharded", name), await collected(bytes()));
  await checkSame(join(root, "sharded", "model.safetensors.index.json"), "Hugging Face CLIP");
  const counters = new Map(theirs);
  counters.set("text_model.embeddings.position_ids", { shape: [1, 12], data: new Float32Array(12) });
  await checkSame(torchFile("pytorch_model.bin", counters), "Hugging Face CLIP");
});

test("config.json beside it tells heads and activation, and its folder is enough", async () => {
  const theirs = huggingFace();
  await safetensors("hub/model.safetensors", theirs);
  write("hub/config.json", JSON.stringify(theirConfig()));
  const given = { head: { kind: "mean" } };
  assert.equal(await checkSame(join(root, "hub"), "Hugging Face CLIP", given), []);
  assert.equal(await checkSame(join(root, "hub", "model.safetensors"), "Hugging Face CLIP", given), []);
  const bin = torchFile("bin/pytorch_model.bin", theirs);
  write("bin/config.json", JSON.stringify(theirConfig()));
  await checkSame(bin, "Hugging Face CLIP", given);
});

test("a config.json that does not fit, or is none, is refused; without one a remark says what is guessed", async () => {
  const path = await safetensors("odd/model.safetensors", huggingFace());
  const refusedWith = async (json: string) => {
    write("odd/config.json", json);
    return (await refusal(prepareLoad(path))).message;
  };
  assert.match(await refusedWith(JSON.stringify(theirConfig({ patch_size: 4 }))), /vision\.patch is 8 in the file, 4/);
  assert.match(
    await refusedWith(JSON.stringify(theirConfig({ hidden_act: "relu" }))),
    /hidden_act is "relu", expected/,
  );
  assert.match(await refusedWith(JSON.stringify(theirConfig({ hidden_act: "quick_gelu" }))), /quick_gelu for images/);
  assert.match(await refusedWith('{"model_type":"siglip","vision_config":{}}'), /model_type is "siglip"/);
  assert.match(await refusedWith("{"), /odd\/config\.json: not valid JSON/);
  rmSync(join(root, "odd/config.json"));
  const { plan, close } = await prepareLoad(path);
  assert.is(plan.config.activation, "quickGelu");
  assert.match(plan.report.notes.join(), /do not tell activation and heads.*QuickGELU/);
  await close();
});

test("convert writes Hugging Face's CLIP under CLIP's own names, to the bit", async () => {
  const path = await safetensors("hub2/model.safetensors", huggingFace());
  write("hub2/config.json", JSON.stringify(theirConfig()));
  const out = join(root, "converted.safetensors");
  await quiet(() => runCommand(["convert", path, out]));
  const file = await openWeights(out);
  assert.equal([...file.tensors.keys()].sort(), [...clip.keys()].sort());
  for (const [name, { shape, data }] of clip) {
    assert.equal([file.tensors.get(name)!.shape, await file.floats(name)], [shape, data], name);
  }
  await file.close();
});

/** Runs a command; what it printed. */
async function quiet(run: () => Promise<unknown>): Promise<string> {
  const { write: before } = process.stdout;
  let printed = "";
  process.stdout.write = ((piece: string) => (printed += piece)) as never;
  try {
    await run();
  } finally {
    process.stdout.write = before;
  }
  return printed;
}

const renamed = (change: (name: string) => string, weights = clip): Weights =>
  new Map(Array.from(weights, ([name, value]) => [change(name), value]));

const prefixes = [
  "_orig_mod.",
  "module.",
  "_orig_mod.module.",
  "module._orig_mod.",
  "model.",
  "net.",
  "ema_model.",
  "module_ema.",
  "_fsdp_wrapped_module.",
  "_forward_module.",
  "clip_model.encoder.",
];
for (const prefix of prefixes)
  test(`the prefix ${prefix} is dropped, and said once`, async () => {
    const notes = await checkSame(
      await safetensors(
        "prefixed.safetensors",
        renamed((name) => prefix + name),
      ),
      "OpenCLIP backbone",
    );
    if (prefix !== "model.") assert.equal(notes, [`the prefix "${prefix}" is dropped`]);
    await checkSame(
      await safetensors(
        "theirs.safetensors",
        renamed((name) => prefix + name, huggingFace()),
      ),
      "Hugging Face CLIP",
    );
  });

test("what wrappers put between the names is dropped", async () => {
  const inner = (name: string) =>
    name.replace(/resblocks\.(\d+)\./, "resblocks.$1._checkpoint_wrapped_module._fsdp_wrapped_module.");
  const notes = await checkSame(
    await safetensors(
      "inner.safetensors",
      renamed((name) => `_fsdp_wrapped_module.${inner(name)}`),
    ),
    "OpenCLIP backbone",
  );
  assert.match(notes.join(), /put into 48 names is dropped/);
  const half = (name: string) => name.replace(/^visual\./, "visual._orig_mod.");
  await checkSame(await safetensors("half.safetensors", renamed(half)), "OpenCLIP backbone");
});

test("training tools: state_dict of Lightning and OpenCLIP, with what lies beside it", async () => {
  for (const prefix of ["", "module.", "model.", "model._orig_mod."]) {
    const path = torchFile(
      "training.ckpt",
      renamed((name) => prefix + name),
      (weights) => dict([text("epoch"), ["K", 3]], [text("name"), text("run")], [text("state_dict"), weights]),
    );
    await checkSame(path, "OpenCLIP training checkpoint");
  }
});

test("two models in one file are refused in words that name both, and convert --prefix takes one", async () => {
  const both = new Map([...renamed((name) => `model.${name}`), ...renamed((name) => `ema_model.${name}`)]);
  const path = await safetensors("both.safetensors", both);
  const { message } = await refusal(prepareLoad(path));
  assert.match(message, /it holds 2 models: one below "model\." \(\d+ tensors .*one below "ema_model\."/);
  assert.match(message, /convert FILE OUT\.safetensors --prefix "ema_model\."/);
  const out = join(root, "one.safetensors");
  await quiet(() => runCommand(["convert", path, out, "--prefix", "ema_model."]));
  await checkSame(out, "OpenCLIP backbone");
  const none = await failure(runCommand(["convert", path, join(root, "none.safetensors"), "--prefix", "student."]));
  assert.match(none.message, /--prefix: no tensor's name begins with "student\."/);
  const compiled = await safetensors(
    "compiled.safetensors",
    new Map([...clip, ...renamed((name) => `_orig_mod.${name}`)]),
  );
  assert.match((await refusal(prepareLoad(compiled))).message, /one without a prefix .* one below "_orig_mod\."/);
});

test("axes of one in front, a Linear for the text projection and a tower below text. are taken", async () => {
  const squeezed = new Map(clip);
  for (const name of ["visual.positional_embedding", "positional_embedding", "visual.class_embedding", "logit_scale"]) {
    const { shape, data } = clip.get(name)!;
    squeezed.set(name, { shape: name === "visual.class_embedding" ? [1, 1, ...shape] : [1, ...shape], data });
  }
  await checkSame(await safetensors("squeezed.safetensors", squeezed), "OpenCLIP backbone");
  const custom = renamed((name) => (/^(visual\.|logit_scale)/.test(name) ? name : `text.${name}`));
  await checkSame(await safetensors("custom.safetensors", custom), "OpenCLIP backbone");
  const linear = renamed((name) => (name === "text_projection" ? "text_projection.weight" : name));
  linear.set("text_projection.weight", turned(clip.get("text_projection")!));
  await checkSame(await safetensors("linear.safetensors", linear), "OpenCLIP backbone");
});

const strangers: [string[], RegExp][] = [
  [["cls_token", "pos_embed", "patch_embed.proj.weight", "blocks.0.attn.qkv.weight"], /a ViT of timm/],
  [["cls_token", "mask_token", "blocks.0.ls1.gamma", "patch_embed.proj.weight"], /DINOv2/],
  [["teacher.backbone.blocks.0.attn.qkv.weight"], /DINO/],
  [["bert.embeddings.word_embeddings.weight"], /BERT/],
  [["vision_model.embeddings.patch_embedding.weight", "vision_model.head.probe", "logit_bias"], /SigLIP/],
  [["visual.trunk.patch_embed.proj.weight", "logit_scale"], /OpenCLIP with a frame tower of timm/],
  [["model.layers.0.self_attn.q_proj.weight"], /a language model/],
  [["conv1.weight", "layer1.0.conv1.weight", "fc.weight"], /a ResNet/],
];
for (const [names, family] of strangers)
  test(`a foreign file is refused with what was seen: ${names[0]}`, async () => {
    const weights: Weights = new Map(names.map((name) => [name, { shape: [1], data: new Float32Array(1) }]));
    const { message } = await refusal(prepareLoad(await safetensors("stranger.safetensors", weights)));
    assert.match(message, family);
    assert.match(
      message,
      new RegExp(`none of its ${names.length} tensors has a name of CLIP; the first .*"${names[0]}"`),
    );
    assert.match(
      message,
      /EmotionCLIP's checkpoints and CLIP's with a ViT are taken, of OpenCLIP, OpenAI and Hugging Face/,
    );
  });

test("a half of Hugging Face's CLIP is refused with whose names they are and what is missing", async () => {
  const half = new Map([...huggingFace()].filter(([name]) => name.startsWith("vis")));
  const { message } = await refusal(prepareLoad(await safetensors("half-hf.safetensors", half)));
  assert.match(message, /names of Hugging Face's CLIP, but no backbone\.positional_embedding/);
});

test.run();
