// EmotionCLIP as a family: what loading, training and showing need to know of it.
import { isObject, quoted } from "../../data/formats/json.ts";
import type { WeightFile } from "../../data/formats/weights.ts";
import { CheckpointError } from "../../engine/errors.ts";
import type { Choosing, Family, Filling } from "../family.ts";
import type { HeadConfig, ModelConfig, Subject } from "./config.ts";
import { resizedPositions } from "../clip/filling.ts";
import { besideIn } from "../clip/layout.ts";
import { type ConfigOverride, decideConfig, describeEmotionClip, emotionClipRules } from "./describe.ts";
import { EmotionClip } from "./emotionclip.ts";
import { groupsOf } from "./groups.ts";
import { halvesOf } from "./halves.ts";
import { isHuggingFaceConfig } from "./hugging-face-config.ts";
import { configFromValue } from "./official-config.ts";
import { placeOf } from "../clip/place.ts";
import { preset, presetNames } from "./presets.ts";
import { clipStage, stageModel, tinyModel } from "./stage.ts";

const frameNumbers = "visual_head.position_ids";
const scales = ["logit_scale", "backbone.logit_scale"] as const;

/** What a published form of the towers alone says: head and subject are the checkpoint's to tell. */
const towers = ({ embed, vision, text, activation }: ModelConfig): ConfigOverride => ({
  embed,
  vision,
  text,
  activation,
});

const filling: Filling<ModelConfig> = {
  alias: new Map([scales]),
  constants: new Set([frameNumbers]),
  // what a CLIP backbone does not have: the temporal head, and the parameters of SAAM
  isAdded: (name) => name.startsWith("visual_head.") || /\.(hmn_embedding|saam_logit)$/.test(name),
  resize: (name, stored, wanted, { vision }, held) => resizedPositions(name, stored, wanted, vision, held?.vision),
  async check(file, names, config, strict) {
    await checkFrameNumbers(file, names.get(frameNumbers), config.head.frames);
    return checkScales(file, names, strict);
  },
};

/** The numbers of the frames are 0, 1, … */
async function checkFrameNumbers(file: WeightFile, ids: string | undefined, frames: number): Promise<void> {
  if (ids === undefined) return;
  const { shape } = file.tensors.get(ids)!;
  const values = shape.length === 1 && shape[0] === frames ? await file.floats(ids) : undefined;
  if (!values?.every((value, i) => value === i))
    throw new CheckpointError(`${quoted(ids)} is not 0 to ${frames - 1}, the numbers of the frames`);
}

/** One logit_scale under its two names. */
async function checkScales(file: WeightFile, names: ReadonlyMap<string, string>, strict: boolean): Promise<string[]> {
  const [a, b] = scales.map((name) => names.get(name));
  if (a === undefined || b === undefined) return [];
  const read = async (name: string) => {
    const { shape } = file.tensors.get(name)!;
    return shape.every((size) => size === 1) ? (await file.floats(name))[0] : undefined;
  };
  const [x, y] = [await read(a), await read(b)];
  if (x === y && x !== undefined) return [];
  const fault = `${quoted(a)} is ${x}, ${quoted(b)} is ${y}: one parameter under two names`;
  if (strict) throw new CheckpointError(fault);
  return [`${fault}; the first is taken`];
}

/** Settings of one subject do not go with another. */
const choices: Choosing<ModelConfig> = {
  of: ({ subject, head }) => ({ subject, head: head.kind }),
  put({ saam, sapIndicator, ...config }, { subject, head }) {
    return {
      ...config,
      ...(saam && subject === "saam" && { saam }),
      ...(sapIndicator && subject === "sap" && { sapIndicator }),
      head: { ...config.head, kind: head as HeadConfig["kind"] },
      subject: subject as Subject,
    };
  },
  override: (known, { subject, head }) => ({
    ...known,
    subject: subject as Subject,
    head: { ...known.head, kind: head } as HeadConfig,
  }),
};

/** The family of models that the paper describes: the first row of `families`. */
export const emotionClip: Family<ModelConfig, EmotionClip> = {
  name: "EmotionCLIP",
  presets: presetNames,
  preset: (name) => towers(preset(name)) as Partial<ModelConfig>,
  published: preset,
  framed: (config, frames) => ({ ...config, head: { ...config.head, frames } }),
  small: { stage: stageModel, tiny: tinyModel, "clip-stage": clipStage },
  choices,
  towers,
  parse: configFromValue,
  override(json, where) {
    const config = configFromValue(json, where);
    const isTowers = isObject(json) && ("vision_cfg" in json || isHuggingFaceConfig(json));
    return isTowers ? (towers(config) as Partial<ModelConfig>) : config;
  },
  describe: (file, stored) => ({ family: emotionClip, ...describeEmotionClip(file, stored) }),
  beside: besideIn(emotionClipRules.files),
  decide(described, override: ConfigOverride = {}, side) {
    const vision = { ...override.vision, ...(side !== undefined && { image: side }) };
    return decideConfig(described, { ...override, vision });
  },
  build: (config, init) => new EmotionClip(config, init),
  filling,
  groups: groupsOf,
  trains: () => true,
  halves: halvesOf,
  place: placeOf,
};
