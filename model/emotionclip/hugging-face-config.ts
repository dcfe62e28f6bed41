// Hugging Face's config.json of a CLIP: what it says of the towers. What it leaves out is what transformers take for it.
import * as v from "valibot";
import { isObject, type Json } from "../../data/formats/json.ts";
import { FormatError } from "../../engine/errors.ts";
import type { ModelConfig } from "./config.ts";
import { issueText, wholeBetween } from "../clip/config.ts";
import { vitB32 } from "./presets.ts";

const size = wholeBetween(2 ** 24);
const epsilon = v.optional(v.literal(1e-5, "1e-5, as CLIP has it"), 1e-5);
const activations = { quick_gelu: "quickGelu", gelu: "gelu" } as const;
const act = v.optional(v.picklist(["quick_gelu", "gelu"], "quick_gelu or gelu"), "quick_gelu");

const vision = v.object({
  image_size: v.optional(size, 224),
  patch_size: v.optional(size, 32),
  hidden_size: v.optional(size, 768),
  intermediate_size: v.optional(size, 3072),
  num_hidden_layers: v.optional(size, 12),
  num_attention_heads: v.optional(size, 12),
  hidden_act: act,
  layer_norm_eps: epsilon,
});

const text = v.object({
  vocab_size: v.optional(size, 49408),
  max_position_embeddings: v.optional(size, 77),
  hidden_size: v.optional(size, 512),
  intermediate_size: v.optional(size, 2048),
  num_hidden_layers: v.optional(size, 12),
  num_attention_heads: v.optional(size, 8),
  hidden_act: act,
  layer_norm_eps: epsilon,
});

/** Whether a parsed file has this form. */
export const isHuggingFaceConfig = (value: { readonly [key: string]: Json }): boolean =>
  "vision_config" in value || "text_config" in value;

/** The towers that it describes, with the published head around them; `file` begins messages. Errors: FormatError. */
export function fromHuggingFace(value: { readonly [key: string]: Json }, file: string): ModelConfig {
  const kind = value.model_type ?? "clip";
  if (kind !== "clip")
    throw new FormatError(`${file}: model_type is ${JSON.stringify(kind).slice(0, 80)}, expected "clip"`);
  const frames = read(vision, merged(value, "vision"), `${file}: vision_config`);
  const words = read(text, merged(value, "text"), `${file}: text_config`);
  const { projection_dim = 512 } = read(v.object({ projection_dim: v.optional(size) }), value, file);
  if (frames.hidden_act !== words.hidden_act)
    throw new FormatError(
      `${file}: hidden_act is ${frames.hidden_act} for images, ${words.hidden_act} for texts; one is expected`,
    );
  if (words.intermediate_size !== 4 * words.hidden_size)
    throw new FormatError(
      `${file}: text_config: intermediate_size is ${words.intermediate_size}, expected 4 times hidden_size, ${4 * words.hidden_size}`,
    );
  return {
    embed: projection_dim,
    vision: {
      image: frames.image_size,
      patch: frames.patch_size,
      width: frames.hidden_size,
      layers: frames.num_hidden_layers,
      heads: frames.num_attention_heads,
      mlp: frames.intermediate_size,
    },
    text: {
      context: words.max_position_embeddings,
      vocabulary: words.vocab_size,
      width: words.hidden_size,
      layers: words.num_hidden_layers,
      heads: words.num_attention_heads,
    },
    head: vitB32.head,
    activation: activations[frames.hidden_act],
    subject: "sap",
  };
}

/** A tower's fields; older files repeat some in a second dict, which wins. */
function merged(value: { readonly [key: string]: Json }, tower: string): Json {
  const [first, second] = [value[`${tower}_config`] ?? {}, value[`${tower}_config_dict`] ?? {}];
  return isObject(first) && isObject(second) ? { ...first, ...second } : first;
}

function read<S extends v.GenericSchema>(schema: S, value: Json, where: string): v.InferOutput<S> {
  const { success, output, issues } = v.safeParse(schema, value);
  if (!success) throw new FormatError(`${where}: ${issueText(issues[0]).slice(0, 200)}`);
  return output;
}
