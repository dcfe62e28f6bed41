// What a file of weights is, by its names alone: whose checkpoint, what stands in front of the model's names, and which
// official name (spec: `backbone.visual.…`, `visual_head.…`) each tensor has.
import { quoted } from "../../data/formats/json.ts";
import { type Content, type Stored, TensorRef } from "../../data/formats/content.ts";
import type { MadeTensor } from "../../data/formats/made.ts";
import type { FileLayout } from "../family.ts";
import { foreignFamily, foreignReason } from "./foreign.ts";
import { clipName, isCounter, isHuggingFace, isOneOfThree, joinedProjections } from "./hugging-face.ts";
import { type ModelPlace, placesIn, plainName } from "./places.ts";

/** What a family says of its own files, which have CLIP's names below `backbone.`. */
export interface OwnFiles {
  /** The family's name, for the kind: "EmotionCLIP" makes "EmotionCLIP checkpoint". */
  readonly family: string;
  /** What the towers of files bend with whose kind begins with `of`, where the family knows it. */
  readonly activation?: { readonly of: string; readonly is: "gelu" | "quickGelu" };
  /** Why such a file is not of the family, by its names without prefix; undefined where it is. */
  refuses?(locals: ReadonlySet<string>): string | undefined;
}

/** OpenAI's archives carry these beside the parameters; masks are constants. */
const extras = /^(backbone\.)?(input_resolution|context_length|vocab_size)$|(^|\.)attn_mask$/;

/** A family's `beside`: the file that tells the configuration of the Hugging Face form, which does not tell it itself. */
export const besideIn =
  (own: OwnFiles) =>
  (file: Stored): string | undefined =>
    layoutOf(file, own).kind === "Hugging Face CLIP" ? "config.json" : undefined;

/** Reads kind and names off a file. It never fails: what it does not know is "unknown", with a reason. */
export function layoutOf(file: Stored, own: OwnFiles): FileLayout {
  const names = [...file.tensors.keys()];
  const places = placesIn(names);
  const whole = places.filter(({ isWhole }) => isWhole);
  if (places.length === 0) return unknown(names, foreignReason(names));
  if (whole.length > 1) return unknown(names, severalReason(whole));
  const { prefix } = whole[0] ?? places[0];
  const located = locate(file, prefix);
  const isTheirs = [...located.keys()].some(isHuggingFace);
  if (isTheirs && foreignFamily(names) === "SigLIP") return unknown(names, foreignReason(names));
  return isTheirs ? huggingFace(file, prefix, located) : openClip(file, prefix, located, own);
}

/** Names in the file of what lies below a prefix, by their rest without what wrappers put into it. */
function locate(file: Stored, prefix: string): Map<string, string> {
  const located = new Map<string, string>();
  for (const name of file.tensors.keys()) {
    const local = plainName(name.slice(prefix.length));
    const isOurs = name.startsWith(prefix) && isInside(file.content, prefix, name);
    if (isOurs && !extras.test(local) && !isCounter(local)) located.set(local, name);
  }
  return located;
}

/** With an empty prefix everything would be of the model; what lies below optimizer or scheduler is not. */
function isInside(content: Content, prefix: string, name: string): boolean {
  if (prefix !== "") return true;
  const top = name.split(".", 1)[0];
  const entry = content instanceof Map ? content.get(top) : undefined;
  return entry === undefined || entry instanceof TensorRef;
}

function openClip(file: Stored, prefix: string, located: ReadonlyMap<string, string>, own: OwnFiles): FileLayout {
  const backboneOnly = ![...located.keys()].some((local) => local.startsWith("backbone."));
  const refusal = backboneOnly ? undefined : own.refuses?.(new Set(located.keys()));
  if (refusal !== undefined) return unknown([...file.tensors.keys()], refusal);
  const names = new Map<string, string>();
  for (const [local, name] of located) names.set(backboneOnly ? official(local) : local, name);
  const scalars = ["input_resolution", "vocab_size"].some((name) => file.tensors.has(prefix + name));
  const kind = backboneOnly ? backboneKind(file, plainName(prefix), scalars) : ownKind(own.family, plainName(prefix));
  const turned = turnProjection(file, names);
  return layout(file, { kind, prefix, backboneOnly, names, made: new Map([...turned, ...reshaped(file, names)]) });
}

/** CLIP's own name -> the official one; OpenCLIP has its text tower below `text.` where the tower is a custom one. */
const official = (local: string): string =>
  local === "logit_scale" ? local : `backbone.${local.replace(/^text\./, "")}`;

const ownKind = (family: string, prefix: string) =>
  `${family} ${prefix.startsWith("model.") ? "checkpoint" : "weights"}`;

function backboneKind({ format }: Stored, prefix: string, scalars: boolean): string {
  if (format === "torchscript" || scalars) return "OpenAI CLIP";
  return prefix.startsWith("state_dict.") ? "OpenCLIP training checkpoint" : "OpenCLIP backbone";
}

/** A text projection that is a Linear: its weight is [out, in]. */
function turnProjection(file: Stored, names: Map<string, string>): Map<string, MadeTensor> {
  const linear = "backbone.text_projection.weight";
  const stored = names.get(linear);
  if (stored === undefined || names.has("backbone.text_projection")) return new Map();
  names.delete(linear);
  names.set("backbone.text_projection", stored);
  return transposed(file, [stored]);
}

function transposed(file: Stored, stored: readonly (string | undefined)[]): Map<string, MadeTensor> {
  const found = new Map<string, MadeTensor>();
  for (const name of stored) {
    const shape = name === undefined ? undefined : file.tensors.get(name)!.shape;
    if (name !== undefined && shape?.length === 2)
      found.set(name, { parts: [name], shape: [shape[1], shape[0]], transposed: true });
  }
  return found;
}

/** How many axes some tensors have, which other code keeps with an axis of one in front. */
const axes: ReadonlyMap<string, number> = new Map([
  ["logit_scale", 0],
  ["backbone.logit_scale", 0],
  ["backbone.visual.class_embedding", 1],
  ["backbone.visual.positional_embedding", 2],
  ["backbone.positional_embedding", 2],
]);

/** [1, N, D] is [N, D]. */
function reshaped(file: Stored, names: ReadonlyMap<string, string>): Map<string, MadeTensor> {
  const found = new Map<string, MadeTensor>();
  for (const [name, wanted] of axes) {
    const stored = names.get(name);
    const shape = stored === undefined ? [] : file.tensors.get(stored)!.shape;
    const extra = shape.length - wanted;
    if (stored !== undefined && extra > 0 && shape.slice(0, extra).every((size) => size === 1))
      found.set(stored, { parts: [stored], shape: shape.slice(extra) });
  }
  return found;
}

function huggingFace(file: Stored, prefix: string, located: ReadonlyMap<string, string>): FileLayout {
  const joined = joinedProjections(located, file.tensors);
  const spent = new Set([...joined.values()].flatMap(({ made }) => made.parts));
  const names = new Map<string, string>();
  for (const [local, name] of located)
    if (!spent.has(name)) names.set(official(isOneOfThree(local) ? local : clipName(local)), name);
  for (const [local, { shown }] of joined) names.set(official(local), shown);
  const projections = ["backbone.visual.proj", "backbone.text_projection"].map((name) => names.get(name));
  const made = new Map([
    ...Array.from(joined.values(), ({ shown, made }): [string, MadeTensor] => [shown, made]),
    ...transposed(file, projections),
    ...reshaped(file, names),
  ]);
  return layout(file, { kind: "Hugging Face CLIP", prefix, backboneOnly: true, names, made });
}

/** With what is passed over, and a remark on a prefix that is not part of the kind. */
function layout(file: Stored, found: Omit<Required<FileLayout>, "ignored" | "reason" | "notes">): FileLayout {
  const { prefix, names, made } = found;
  const used = new Set([...names.values()].flatMap((name) => made.get(name)?.parts ?? [name]));
  const ignored = [...file.tensors.keys()].filter((name) => !used.has(name));
  return { ...found, ignored, notes: prefixNotes(prefix, [...used]), reason: "" };
}

/** What is expected of each kind goes without saying: "model." of official checkpoints, "state_dict." of OpenCLIP's. */
const usual = new Set(["", "model.", "state_dict."]);

function prefixNotes(prefix: string, used: readonly string[]): string[] {
  const notes = usual.has(prefix) ? [] : [`the prefix ${quoted(prefix)} is dropped`];
  const inner = used.filter((name) => plainName(name.slice(prefix.length)) !== name.slice(prefix.length)).length;
  if (inner > 0)
    notes.push(`what a wrapper put into ${inner} names is dropped (module, _orig_mod, _fsdp_wrapped_module)`);
  return notes;
}

function severalReason(places: readonly ModelPlace[]): string {
  const list = places.slice(0, 4).map(({ prefix, count }) => `${shownPrefix(prefix)} (${count} tensors of its towers)`);
  const all = places.length > 4 ? [...list, `${places.length - 4} more`] : list;
  const which = quoted(places.at(-1)!.prefix);
  return `it holds ${places.length} models: ${all.join(" and ")}; take one with emotionclip convert FILE OUT.safetensors --prefix ${which}`;
}

const shownPrefix = (prefix: string) => (prefix === "" ? "one without a prefix" : `one below ${quoted(prefix)}`);

const unknown = (names: readonly string[], reason: string): FileLayout => ({
  kind: "unknown",
  prefix: "",
  backboneOnly: false,
  names: new Map(),
  ignored: names,
  reason,
});
