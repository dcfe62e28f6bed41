// Configuration files: the official ones of CLIP towers (model_configs.json has many), the same with a temporal head
// around them, and our own, which add what the official code has no word for.
import * as v from "valibot";
import { isObject, type Json, parseJson, quoted } from "../../data/formats/json.ts";
import { pairOf, sideOf } from "../../data/pixels/side.ts";
import { FormatError, nearest } from "../../engine/errors.ts";
import { takes } from "../../engine/takes.ts";
import {
  faultOf,
  type HeadConfig,
  headKinds,
  type ModelConfig,
  saamModes,
  modelSchema,
  subjects,
  checkConfig,
} from "./config.ts";
import {
  issueText,
  oneOfNames,
  realBetween,
  type TextConfig,
  textEnds,
  type VisionConfig,
  wholeBetween,
} from "../clip/config.ts";
import { fromHuggingFace, isHuggingFaceConfig } from "./hugging-face-config.ts";
import { vitB32 } from "./presets.ts";

const size = wholeBetween(2 ** 24);
const flag = v.boolean("true or false");

const clip = v.strictObject({
  embed_dim: size,
  quick_gelu: v.optional(flag),
  vision_cfg: v.strictObject({
    image_size: v.union([size, v.strictTuple([size, size])], "a whole number, or [height, width]"),
    patch_size: size,
    width: size,
    head_width: v.optional(size),
    layers: size,
    mlp_ratio: v.optional(realBetween(1e-3, 1e3)),
  }),
  text_cfg: v.strictObject({
    context_length: size,
    vocab_size: size,
    width: size,
    heads: size,
    layers: size,
  }),
});

const model = v.strictObject({
  clip,
  video_len: size,
  temporal_fusion: v.optional(oneOfNames(headKinds.map((kind) => (kind === "conv1d" ? "conv_1d" : kind)))),
  head: v.optional(
    v.strictObject({
      transformer_nhead: v.optional(size),
      transformer_nlayer: v.optional(size),
      transformer_dim_feedforward: v.optional(size),
      transformer_dropout: v.optional(realBetween(0, 0.999999)),
    }),
  ),
  batch: v.optional(size), // of the golden files; no property of a model
  heads_visual: v.optional(size),
  subject: v.optional(oneOfNames(subjects)),
  sap_indicator: v.optional(flag),
  end_token: v.optional(oneOfNames(textEnds)),
  saam: v.optional(
    v.strictObject({
      layers: wholeBetween(1024, 0),
      mode: oneOfNames(saamModes),
      threshold: realBetween(0, 1),
      logit: v.optional(v.pipe(v.array(size, "a list of sizes"), v.maxLength(3, "at most three sizes"))),
    }),
  ),
});

/** Every field that a file may have, for "did you mean". */
const fields = [clip, clip.entries.vision_cfg, clip.entries.text_cfg, model]
  .flatMap(({ entries }) => Object.keys(entries))
  .concat(Object.keys(model.entries.head.wrapped.entries), Object.keys(model.entries.saam.wrapped.entries));

/** The bytes of a configuration file -> the model; `file` is the base name that messages begin with. At most 1 MiB. */
export function configFromJson(bytes: Uint8Array, file: string): ModelConfig {
  takes("configFromJson(bytes: Uint8Array, file: text, ...)", arguments);
  return configFromValue(parseJson(bytes, file, 2 ** 20), file);
}

/**
 * A parsed configuration -> the model: in the form that our files carry (`ModelConfig` itself), or in the official one or Hugging
 * Face's, where a CLIP tower alone gets the published head and SAP.
 */
export function configFromValue(value: Json, file: string): ModelConfig {
  takes("configFromValue(value: any, file: text, ...)", arguments);
  if (!isObject(value)) throw new FormatError(`${file}: the top is ${shown(value)}, expected an object`);
  const config = formOf(value)(value, file);
  const fault = faultOf(config);
  if (fault) throw new FormatError(`${file}: ${fault}`);
  return config;
}

/** Which form a configuration has, by the fields that only it has. */
function formOf(value: { [key: string]: Json }): (value: { [key: string]: Json }, file: string) => ModelConfig {
  if ("clip" in value || "vision_cfg" in value) return official;
  return isHuggingFaceConfig(value) ? fromHuggingFace : stored;
}

function stored(value: Json, file: string): ModelConfig {
  const { success, output, issues } = v.safeParse(modelSchema, value);
  if (!success) throw new FormatError(`${file}: ${issueText(issues[0]).slice(0, 200)}`);
  return output;
}

function official(value: { [key: string]: Json }, file: string): ModelConfig {
  const isWhole = "clip" in value;
  refuseResNet(isWhole ? value.clip : value, file);
  return isWhole ? ofModel(read(model, value, file), file) : ofClip(read(clip, value, file));
}

function ofClip({ embed_dim, quick_gelu, vision_cfg, text_cfg }: v.InferOutput<typeof clip>): ModelConfig {
  const { image_size, patch_size, width, head_width = 64, layers, mlp_ratio = 4 } = vision_cfg;
  const heads = Math.floor(width / head_width);
  const vision: VisionConfig = {
    image: sideOf(...pairOf(image_size)),
    patch: patch_size,
    width,
    layers,
    heads,
    mlp: Math.floor(width * mlp_ratio),
  };
  const { context_length: context, vocab_size: vocabulary, ...rest } = text_cfg;
  const text: TextConfig = { context, vocabulary, width: rest.width, layers: rest.layers, heads: rest.heads };
  const activation = quick_gelu ? "quickGelu" : "gelu";
  return { embed: embed_dim, vision, text, head: vitB32.head, activation, subject: "sap" };
}

function ofModel(given: v.InferOutput<typeof model>, file: string): ModelConfig {
  const tower = ofClip(given.clip);
  const { heads_visual, sap_indicator, end_token, saam, temporal_fusion = "transformer", video_len } = given;
  if (heads_visual !== undefined && heads_visual !== tower.vision.heads)
    throw new FormatError(`${file}: heads_visual is ${heads_visual}, width and head_width make ${tower.vision.heads}`);
  const sizes = given.head ?? {};
  const head: HeadConfig = {
    kind: temporal_fusion === "conv_1d" ? "conv1d" : temporal_fusion,
    frames: video_len,
    layers: sizes.transformer_nlayer ?? vitB32.head.layers,
    heads: sizes.transformer_nhead ?? vitB32.head.heads,
    feedForward: sizes.transformer_dim_feedforward ?? vitB32.head.feedForward,
    dropout: sizes.transformer_dropout ?? vitB32.head.dropout,
  };
  return {
    ...tower,
    head,
    subject: given.subject ?? "sap",
    ...(sap_indicator !== undefined && { sapIndicator: sap_indicator }),
    ...(end_token !== undefined && { text: { ...tower.text, endToken: end_token } }),
    ...(saam !== undefined && { saam }),
  };
}

/** The configuration as a file that `configFromJson` reads back the same; initial values are not part of it. */
export function configToJson(config: ModelConfig): object {
  takes("configToJson(config: object, ...)", arguments);
  checkConfig(config);
  const { embed, vision, text, head, activation, subject, saam, sapIndicator } = config;
  return {
    clip: {
      embed_dim: embed,
      quick_gelu: activation === "quickGelu",
      vision_cfg: {
        image_size: vision.image,
        patch_size: vision.patch,
        width: vision.width,
        head_width: vision.width / vision.heads,
        layers: vision.layers,
        mlp_ratio: ratio(vision.mlp, vision.width),
      },
      text_cfg: {
        context_length: text.context,
        vocab_size: text.vocabulary,
        width: text.width,
        heads: text.heads,
        layers: text.layers,
      },
    },
    video_len: head.frames,
    temporal_fusion: head.kind === "conv1d" ? "conv_1d" : head.kind,
    head: {
      transformer_nhead: head.heads,
      transformer_nlayer: head.layers,
      transformer_dim_feedforward: head.feedForward,
      transformer_dropout: head.dropout,
    },
    subject,
    ...(sapIndicator !== undefined && { sap_indicator: sapIndicator }),
    ...(text.endToken !== undefined && { end_token: text.endToken }),
    ...(saam && { saam }),
  };
}

/** The shortest decimal r with ⌊width · r⌋ = mlp, as the official files write it. */
function ratio(mlp: number, width: number): number {
  for (let digits = 0; ; digits++) {
    const r = Math.ceil((mlp / width) * 10 ** digits) / 10 ** digits;
    if (Math.floor(width * r) === mlp) return r;
  }
}

function refuseResNet(value: Json, file: string): void {
  const vision = isObject(value) ? value.vision_cfg : undefined;
  if (isObject(vision) && (Array.isArray(vision.layers) || vision.patch_size === null))
    throw new FormatError(`${file}: a ResNet tower (layers are a list, no patch_size); only ViT towers are supported`);
}

function read<S extends v.GenericSchema>(schema: S, value: Json, file: string): v.InferOutput<S> {
  const result = v.safeParse(schema, value);
  if (result.success) return result.output;
  const [issue] = result.issues;
  const path = v.getDotPath(issue) ?? "";
  const where = path ? quoted(path) : "the top";
  if (issue.type === "strict_object" && issue.expected === "never") {
    const near = nearest(path.slice(path.lastIndexOf(".") + 1), fields);
    throw new FormatError(`${file}: unknown field ${where}${near ? `, did you mean ${near}?` : ""}`);
  }
  const allowed = issue.type === "strict_object" ? "an object" : issue.message;
  const found = issue.input === undefined ? "is missing" : `is ${shown(issue.input)}`;
  throw new FormatError(`${file}: ${where} ${found}, expected ${allowed}`);
}

function shown(value: unknown): string {
  if (typeof value === "string") return quoted(value);
  if (Array.isArray(value)) return `a list of ${value.length}`;
  return value === null ? "null" : typeof value === "object" ? "an object" : String(value);
}
