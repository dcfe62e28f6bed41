// Weight files: what they hold, bit by bit, which model they are, and the features they give. A `*.expected.*` file beside them
// says what is in them; files of the same weights in another format have none of their own and share it.
import { basename, posix } from "node:path";
import { Scope, tensor } from "../../engine/index.ts";
import { later } from "../../engine/record/compute.ts";
import { exp, normalize } from "../../kernels/index.ts";
import { at } from "../../data/formats/content.ts";
import { describe } from "../../model/families.ts";
import type { Description } from "../../model/family.ts";
import type { ModelSizes } from "../../model/emotionclip/infer.ts";
import { type Loaded, loadModel } from "../../model/checkpoint/load.ts";
import { configFromValue, endPositions, type ModelConfig } from "../../model/index.ts";
import { toFloat32 } from "../../data/formats/dtypes.ts";
import { type Content, openWeights, TensorRef, type WeightFile } from "../../data/formats/weights.ts";
import type { Json } from "../../data/formats/json.ts";
import { type Check, isTensors } from "./check.ts";
import type { Folder } from "./folder.ts";
import type { Reads } from "./model-folder.ts";
import type { GoldenTensor, TensorFile } from "./tensor-file.ts";
import type { Verdict } from "./verdict.ts";

const isWeights = (file: string, folder: Folder) =>
  /\.(pt|pth|bin|ckpt|safetensors\.index\.json)$/.test(file) || folder.entry(file).kind.startsWith("torch");

const stemOf = (file: string) => basename(file).replace(/(\.expected)?\.\w+$/, "");

/** The expected file of a weight file: of its own name, or of the longest name that its own begins with. */
function expected(file: string, folder: Folder, ending: "json" | "safetensors"): string | undefined {
  const beside = folder.files.filter(
    (each) => posix.dirname(each) === posix.dirname(file) && each.endsWith(`.expected.${ending}`) && folder.has(each),
  );
  return beside
    .filter((each) => stemOf(file).startsWith(stemOf(each)))
    .sort((a, b) => stemOf(b).length - stemOf(a).length)[0];
}

/** The expected tensors of another file whose model this one's weights belong to, as far as names and shapes tell. */
function related(weights: WeightFile, file: string, folder: Folder): string | undefined {
  const { layout } = describe(weights);
  return folder.files.find((each) => {
    if (posix.dirname(each) !== posix.dirname(file) || !each.endsWith(".expected.safetensors")) return false;
    const tensors = folder.tensors(each);
    return (
      layout.names.size > 0 &&
      [...layout.names].every(
        ([to, from]) =>
          tensors.has(`model.${to}`) && `${tensors.shape(`model.${to}`)}` === `${weights.tensors.get(from)!.shape}`,
      )
    );
  });
}

/** The weight file that an expected file speaks of. */
function subject(file: string, folder: Folder): string | undefined {
  return folder.files.find((each) => isWeights(each, folder) && folder.has(each) && stemOf(each) === stemOf(file));
}

/** Every tensor of a weight file has the values that its expected file has. */
export const weightFiles: Check = {
  takes: isWeights,
  run: async (verdict) => {
    const { folder, file } = verdict;
    const weights = await openWeights(folder.path(file));
    try {
      const values = expected(file, folder, "json");
      if (values && !("config" in folder.json<object>(values)))
        return await tree(verdict, weights, folder.json<Record<string, Json>>(values));
      const tensors = expected(file, folder, "safetensors") ?? related(weights, file, folder);
      if (tensors && folder.tensors(tensors).names.some((name) => name.startsWith("model.")))
        await sameWeights(verdict, weights, folder.tensors(tensors));
      else await readable(verdict, weights);
    } finally {
      await weights.close();
    }
  },
};

/** Bit-exact where it holds float32; halves are what rounding the others gives. */
async function sameWeights(verdict: Verdict, weights: WeightFile, want: TensorFile): Promise<void> {
  for (const [to, from] of describe(weights).layout.names) {
    const { data } = want.tensor(`model.${to}`);
    const half = weights.tensors.get(from)!.dtype === "F16";
    // half a unit in the last of 11 bits, and the smallest half
    verdict.compare(
      from,
      await weights.floats(from),
      data,
      half ? { rtol: 2 ** -11, atol: 2 ** -25 } : { rtol: 0, atol: 0 },
    );
  }
}

/** Nothing says what is in it: at least every tensor can be read, and its numbers are finite. */
async function readable(verdict: Verdict, weights: WeightFile): Promise<void> {
  for (const name of weights.tensors.keys())
    verdict.same(name, (await weights.floats(name)).every(Number.isFinite), true);
}

interface StoredValue {
  readonly dtype: string;
  readonly shape: number[];
  readonly values: number[];
}

/** Tensors of every dtype and plain values, nested. */
async function tree(verdict: Verdict, weights: WeightFile, want: Record<string, Json>): Promise<void> {
  for (const [name, value] of Object.entries(want)) {
    const entry = at(weights.content, name);
    if (!(entry instanceof TensorRef)) {
      verdict.same(name, plain(entry!), value);
      continue;
    }
    const { dtype, shape, values } = value as unknown as StoredValue;
    const stored = weights.tensors.get(entry.name)!;
    verdict.same(`${name}: dtype and shape`, [stored.dtype, stored.shape], [dtypes[dtype], shape]);
    verdict.compare(name, numbers(stored.dtype, await weights.bytes(entry.name)), values, { rtol: 0, atol: 0 });
  }
}

// biome-ignore format: a table
const dtypes: Record<string, string> = {
  float64: "F64", float32: "F32", float16: "F16", bfloat16: "BF16",
  int64: "I64", int32: "I32", int16: "I16", int8: "I8", uint8: "U8", bool: "BOOL",
};

/** Elements as numbers of their own precision. */
function numbers(dtype: keyof typeof dtypes, bytes: Uint8Array): ArrayLike<number> {
  const { buffer } = bytes.slice();
  if (dtype === "F64") return new Float64Array(buffer);
  if (dtype === "I64") return Array.from(new BigInt64Array(buffer), Number);
  return toFloat32(dtype as "F32", bytes);
}

/** A value as JSON has it; integers beyond 2^53 as text. */
function plain(value: Content): unknown {
  if (typeof value === "bigint") return String(value);
  if (Array.isArray(value)) return value.map(plain);
  if (value instanceof Map) return Object.fromEntries([...value].map(([key, each]) => [key, plain(each)]));
  return value;
}

/** What the JSON beside a weight file says: the model's configuration, and an official checkpoint's optimiser and scheduler. */
export const weightFacts: Check = {
  takes: (file, folder) => file.endsWith(".expected.json") && subject(file, folder) !== undefined,
  run: async (verdict) => {
    const { folder, file } = verdict;
    const facts = folder.json<Record<string, Json>>(file);
    const weights = await openWeights(folder.path(subject(file, folder)!));
    try {
      if (!("config" in facts)) return await tree(verdict, weights, facts);
      const { sizes, config, layout } = describe(weights) as Description<ModelConfig> & { sizes?: ModelSizes };
      const want = configFromValue(facts.config, basename(file));
      // heads and activation are no shapes: only OpenAI's rule tells them
      const inferred = layout.kind === "OpenAI CLIP" ? config : sizes && mergedSizes(want, sizes);
      verdict.same("config", withoutHead(inferred), withoutHead(want));
      if ("vision_heads" in facts) verdict.same("vision_heads", config?.vision.heads, facts.vision_heads);
      if ("text_heads" in facts) verdict.same("text_heads", config?.text.heads, facts.text_heads);
      if ("epoch" in facts) training(verdict, weights, facts);
    } finally {
      await weights.close();
    }
  },
};

const withoutHead = (config: Partial<ModelConfig> | undefined) => {
  const { embed, vision, text } = config ?? {};
  return { embed, vision: sorted(vision), text: sorted(text) };
};

const sorted = (fields: object | undefined) => Object.entries(fields ?? {}).sort(([a], [b]) => (a < b ? -1 : 1));

/** The wanted configuration with every size that the shapes give in its place; they do not tell a remainder of the frame. */
function mergedSizes(want: ModelConfig, sizes: ModelSizes): Partial<ModelConfig> {
  const { patch } = want.vision;
  const image = Number(want.vision.image); // a square
  const isWhole = sizes.vision.image === image - (image % patch);
  return {
    embed: sizes.embed,
    vision: { ...want.vision, ...sizes.vision, ...(isWhole && { image }) },
    text: { ...want.text, ...sizes.text },
  };
}

/** Epoch, optimiser and scheduler of an official checkpoint. */
function training(verdict: Verdict, { content }: WeightFile, facts: Record<string, Json>): void {
  const groups = at(content, "optimizer", "param_groups") as readonly Content[];
  const scheduler = (...keys: string[]) => plain(at(content, "lr_scheduler", ...keys) ?? null);
  const got: Record<string, unknown> = {
    epoch: at(content, "epoch"),
    last_iter: scheduler("last_iter"),
    last_epoch: scheduler("last_epoch"),
    base_lrs: scheduler("base_lrs"),
    warmup_end_lrs: scheduler("warmup_end_lrs"),
    wrapped_last_epoch: scheduler("wrapped_scheduler", "last_epoch"),
  };
  for (const [name, value] of Object.entries(got)) if (name in facts) verdict.same(name, value, facts[name]);
  for (const [i, want] of ((facts.param_groups ?? []) as Record<string, Json>[]).entries())
    for (const [key, value] of Object.entries(want)) {
      const count = at(groups[i], "params");
      verdict.same(
        `param_groups.${i}.${key}`,
        key === "n" ? (count as Content[]).length : plain(at(groups[i], key)!),
        value,
      );
    }
}

/** What a weight file gives: its tensors again, an optimiser's moments, and the features of the inputs that are kept here. */
export const weightFeatures: Check = {
  takes: (file, folder) =>
    isTensors(file) && file.endsWith(".expected.safetensors") && subject(file, folder) !== undefined,
  run: async (verdict) => {
    const { folder, file } = verdict;
    const path = folder.path(subject(file, folder)!);
    const facts = folder.json<{ config?: Json; optimizer_index_to_name?: Record<string, string> }>(
      file.replace(/\.safetensors$/, ".json"),
    );
    const config = facts.config === undefined ? undefined : configFromValue(facts.config, basename(file));
    const weights = await openWeights(path);
    try {
      await stored(verdict, weights, facts.optimizer_index_to_name ?? {});
    } finally {
      await weights.close();
    }
    const backboneOnly = !folder.tensors(file).has("video_features_raw");
    const loaded = await loadModel(path, { ...(config && !backboneOnly && { config }) });
    const reads = features(folder.tensors(file), loaded);
    for (const [name, read] of Object.entries(reads)) {
      const values = await read;
      if (!folder.tensors(file).has(name)) continue;
      const [want] = folder.tensors(file).shape(name);
      // of frame features only those of the first clip are kept
      const rows = name === "frame_features" ? Array.from(values).slice(0, want * loaded.config.embed) : values;
      await verdict.tensor(name, rows);
    }
    loaded.free();
  },
};

/** Parameters and moments, bit by bit. */
async function stored(verdict: Verdict, weights: WeightFile, order: Record<string, string>): Promise<void> {
  const { names } = verdict.folder.tensors(verdict.file);
  const indices = new Map(Object.entries(order).map(([index, name]) => [name, index]));
  for (const name of names) {
    const [, moment, of] = /^optim\.(exp_avg|exp_avg_sq)\.(.+)$/.exec(name) ?? [];
    const from = name.startsWith("model.") ? name : moment && `optimizer.state.${indices.get(of)}.${moment}`;
    if (!from) continue;
    if (weights.tensors.has(from))
      verdict.compare(name, await weights.floats(from), verdict.folder.tensor(verdict.file, name).data, {
        rtol: 0,
        atol: 0,
      });
    else verdict.fail(`${name}: the weight file has no tensor ${from}`);
  }
  verdict.input(...names.filter((name) => /^in\.|^(image|mask|text)$/.test(name)));
}

function features(inputs: TensorFile, { model, config }: Loaded): Reads {
  const of = (...names: string[]): GoldenTensor => inputs.tensor(names.find((name) => inputs.has(name))!);
  const [video, mask, text] = [of("in.video", "image"), of("in.video_mask", "mask"), of("in.text", "text")];
  const S = Number(config.vision.image); // a square
  const N = mask.data.length / S / S;
  const reads: Reads = {};
  using scope = new Scope();
  const f_NE = model.backbone.visual.forward(
    tensor(video.data, [N, 3, S, S], "f32"),
    tensor(mask.data, [N, S, S], "f32"),
  );
  const ids = Uint32Array.from(text.data);
  const [B, W] = text.shape;
  const t_BE = model.backbone.forward(tensor(ids, [B, W], "u32"), tensor(endPositions(ids, W), [B], "u32"));
  reads.text_features_raw = later(t_BE);
  reads.text_features = later(normalize(t_BE));
  reads.logit_scale_exp = later(exp(model.logit_scale));
  reads.frame_features = later(f_NE);
  reads.image_features_raw = later(f_NE);
  reads.image_features = later(normalize(f_NE));
  if (video.shape.length === 5) {
    const v_BE = model.visual_head.forward(f_NE.reshape([video.shape[0], video.shape[1], config.embed]));
    reads.video_features_raw = later(v_BE);
    reads.video_features = later(normalize(v_BE));
  }
  void scope;
  return reads;
}
