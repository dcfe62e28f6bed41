// A ModelConfig as our files carry it: in a safetensors file's metadata, in a run's config.json. Foreign JSON until checked.
import * as v from "valibot";
import { type Json, parseJson, quoted } from "../../data/formats/json.ts";
import { FormatError } from "../../engine/errors.ts";
import { configFromValue } from "../emotionclip/official-config.ts";
import { faultOf, headKinds, type ModelConfig, subjects } from "../emotionclip/config.ts";

const number = v.pipe(v.number(), v.finite());
const whole = v.pipe(v.number(), v.safeInteger(), v.minValue(0));

const schema = v.strictObject({
  embed: whole,
  vision: v.strictObject({
    image: whole,
    patch: whole,
    width: whole,
    layers: whole,
    heads: whole,
    mlp: whole,
    initial: v.optional(v.strictObject({ position: number, patch: number })),
  }),
  text: v.strictObject({
    context: whole,
    vocabulary: whole,
    width: whole,
    layers: whole,
    heads: whole,
    endToken: v.optional(v.picklist(["compat", "last"])),
  }),
  head: v.strictObject({
    kind: v.picklist(headKinds),
    frames: whole,
    layers: whole,
    heads: whole,
    feedForward: whole,
    dropout: number,
    initial: v.optional(v.strictObject({ position: number, gain: number })),
  }),
  activation: v.picklist(["gelu", "quickGelu"]),
  subject: v.picklist(subjects),
  saam: v.optional(
    v.strictObject({
      layers: whole,
      mode: v.picklist(["shift", "two_hop", "hadamard"]),
      threshold: number,
      logit: v.optional(v.array(whole)),
    }),
  ),
  sapIndicator: v.optional(v.boolean()),
});

/** Checks a configuration out of a file; `where` begins the message, as in "run/config.json: model". */
export function readStoredConfig(json: Json, where: string): ModelConfig {
  const { success, output, issues } = v.safeParse(schema, json);
  if (!success) {
    const path = v.getDotPath(issues[0]);
    throw new FormatError(`${where}: ${path ? `${quoted(path)}: ` : ""}${issues[0].message.slice(0, 200)}`);
  }
  const fault = faultOf(output satisfies ModelConfig);
  if (fault) throw new FormatError(`${where}: ${fault}`);
  return output;
}

/** The same out of text, which may also be a configuration in the official form (official-config.ts). */
export function parseStoredConfig(text: string | Uint8Array, where: string): ModelConfig {
  const bytes = typeof text === "string" ? new TextEncoder().encode(text) : text;
  const json = parseJson(bytes, where, 2 ** 20);
  const isOfficial = typeof json === "object" && json !== null && ("clip" in json || "vision_cfg" in json);
  return isOfficial ? configFromValue(json, where) : readStoredConfig(json, where);
}
