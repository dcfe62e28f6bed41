// What a file of weights is, by its names alone: whose checkpoint, what stands in front of the model's names, and which
// official name (spec: `backbone.visual.…`, `visual_head.…`) each tensor has.
import { type Content, type Stored, TensorRef } from "../../data/formats/content.ts";
import type { FileLayout } from "../family.ts";

export type Kind =
  | "EmotionCLIP checkpoint"
  | "EmotionCLIP weights"
  | "OpenCLIP backbone"
  | "OpenCLIP training checkpoint"
  | "OpenAI CLIP"
  | "EmotionCLIP of this program"
  | "unknown";

const tower =
  /^(backbone\.)?(visual\.(conv1|class_embedding|positional_embedding|proj|ln_|transformer|layer\d|attnpool)|transformer\.resblocks\.|token_embedding\.|text_projection|ln_final\.|positional_embedding)/;

/** OpenAI's archives carry these beside the parameters; masks are constants. */
const extras = /^(backbone\.)?(input_resolution|context_length|vocab_size)$|(^|\.)attn_mask$/;

const wrappings = ["model.", "state_dict.", ""].flatMap((outer) => [outer, `${outer}module.`]);

/** Reads kind and names off a file. It never fails: what it does not know is "unknown", with a reason. */
export function layoutOf(file: Stored): FileLayout {
  const all = [...file.tensors.keys()];
  const count = (prefix: string) =>
    all.filter((name) => name.startsWith(prefix) && tower.test(name.slice(prefix.length)));
  const [prefix, found] = wrappings
    .map((each): [string, string[]] => [each, count(each)])
    .reduce((best, each) => (each[1].length > best[1].length ? each : best));
  if (found.length === 0) return unknown(file);
  const backboneOnly = !found.some((name) => name.slice(prefix.length).startsWith("backbone."));
  const names = new Map<string, string>();
  const ignored: string[] = [];
  for (const name of all) {
    const local = name.startsWith(prefix) ? name.slice(prefix.length) : undefined;
    const inside = local !== undefined && isInside(file.content, prefix, name);
    if (!inside || extras.test(local)) ignored.push(name);
    else names.set(backboneOnly && local !== "logit_scale" ? `backbone.${local}` : local, name);
  }
  const scalars = all.some((name) => name === `${prefix}input_resolution` || name === `${prefix}vocab_size`);
  return { kind: kindOf(file, prefix, backboneOnly, scalars), prefix, backboneOnly, names, ignored, reason: "" };
}

/** With an empty prefix everything would be of the model; what lies below optimizer or scheduler is not. */
function isInside(content: Content, prefix: string, name: string): boolean {
  if (prefix !== "") return true;
  const top = name.split(".", 1)[0];
  const entry = content instanceof Map ? content.get(top) : undefined;
  return entry === undefined || entry instanceof TensorRef;
}

function kindOf({ format }: Stored, prefix: string, backboneOnly: boolean, scalars: boolean): Kind {
  if (!backboneOnly) return prefix.startsWith("model.") ? "EmotionCLIP checkpoint" : "EmotionCLIP weights";
  if (format === "torchscript" || scalars) return "OpenAI CLIP";
  return prefix.startsWith("state_dict.") ? "OpenCLIP training checkpoint" : "OpenCLIP backbone";
}

function unknown({ tensors }: Stored): FileLayout {
  const names = [...tensors.keys()];
  const has = (pattern: RegExp) => names.some((name) => pattern.test(name));
  const reason = has(/vision_model\.encoder\./)
    ? "these are the names of Hugging Face's CLIP; OpenCLIP's and OpenAI's files are read"
    : `none of its ${names.length} tensors has a name of CLIP, such as visual.conv1.weight`;
  return { kind: "unknown", prefix: "", backboneOnly: false, names: new Map(), ignored: names, reason };
}
