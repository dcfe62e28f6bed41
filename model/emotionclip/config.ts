// What a model is made of: one schema, from which come the types, the ranges, the form in files and the names of choices.
// Published configurations are in presets.ts, the small one in stage.ts.
import * as v from "valibot";
import { UsageError } from "../../engine/errors.ts";
import { takes } from "../../engine/takes.ts";
import {
  activation,
  finite,
  type Fixed,
  issueText,
  oneOfNames,
  patchesOf,
  realBetween,
  size,
  text,
  towersFault,
  unequalHeads,
  vision,
  wholeBetween,
} from "../clip/config.ts";

/** How the frame encoder is told where the subject is: prompting, masked attention (Sec. 3.3 of the paper), or not. */
export const subjects = ["sap", "saam", "none"] as const;

/** What makes one vector of a clip's frames. */
export const headKinds = ["transformer", "mean", "conv1d"] as const;

/** How SAAM's moved amount reaches the subject (kernels/attention/subject.ts). */
export const saamModes = ["shift", "two_hop", "hadamard"] as const;

/** What makes one vector of a clip's frames. */
const head = v.strictObject({
  kind: oneOfNames(headKinds),
  frames: wholeBetween(1024),
  layers: size.layers,
  heads: size.heads,
  feedForward: size.hidden,
  /** Probability of dropout while training. */
  dropout: v.pipe(v.number("0 <= p < 1"), v.minValue(0, "0 <= p < 1"), v.ltValue(1, "0 <= p < 1")),
  /** Initial values that differ from the official ones: std of the frame positions, gain of the last norm. */
  initial: v.optional(v.strictObject({ position: finite, gain: finite })),
});

/** Subject-aware attention masking. What the paper leaves open is decided in docs/adr/4-saam.md. */
const saam = v.strictObject({
  /** Blocks 0 … layers − 1 move attention to the subject; the later ones see all tokens alike. */
  layers: wholeBetween(1024, 0),
  /** How the moved amount reaches the subject. */
  mode: oneOfNames(saamModes),
  /** A patch belongs to the subject where its share of it exceeds this. */
  threshold: realBetween(0, 1),
  /** Shape of a layer's saam_logit: [heads] unless given; or [1], [heads, L], [L, L], [heads, L, L]. */
  logit: v.optional(v.array(wholeBetween(2 ** 24), "a list of sizes")),
});

export const modelSchema = v.strictObject({
  /** Width of the joint embedding. */
  embed: size.width,
  vision,
  text,
  head,
  /** Activation of the two towers; the head always uses exact GELU. */
  activation,
  subject: oneOfNames(subjects),
  /** Settings of subject "saam"; all blocks, `shift` and any pixel unless given. */
  saam: v.optional(saam),
  /** With subject "sap": patches with any subject count fully, as the paper has it, instead of by their share. */
  sapIndicator: v.optional(v.boolean("true or false")),
});

/**
 * A configuration of EmotionCLIP: the two towers, the head, and how it is told of the subject. `checkConfig` checks one,
 * `vitB32` is the published one.
 */
export interface ModelConfig extends Fixed<v.InferOutput<typeof modelSchema>> {}
/** What makes one vector of a clip's frames, and from how many of them. */
export type HeadConfig = ModelConfig["head"];
/** Subject-aware attention masking: in which blocks, how, and of which shape its parameter is. */
export type SaamConfig = NonNullable<ModelConfig["saam"]>;
/** How the frame encoder is told where the subject is: prompting (sap), masked attention (saam), or not. */
export type Subject = ModelConfig["subject"];
/** The settings of SAAM; undefined for other subjects. */
export function saamOf({ subject, saam, vision }: ModelConfig): SaamConfig | undefined {
  if (subject !== "saam") return undefined;
  return saam ?? { layers: vision.layers, mode: "shift", threshold: 0 };
}

/** Why there can be no such model: the first fault, with what was found and what is allowed; undefined for a sound one. */
export function faultOf(config: ModelConfig): string | undefined {
  const { success, issues } = v.safeParse(modelSchema, config);
  return success ? ruleFault(config) : issueText(issues[0]);
}

/** What the fields must be to each other. */
function ruleFault(config: ModelConfig): string | undefined {
  const { embed, head } = config;
  const towers = towersFault(config);
  if (towers) return towers;
  const { heads } = head;
  if (head.kind === "transformer" && embed % heads !== 0) return unequalHeads("head", embed, heads);
  if (head.kind === "conv1d" && head.frames < 3) return `head.frames is ${head.frames}, a convolution of 3 needs 3`;
  return saamFault(config);
}

function saamFault(config: ModelConfig): string | undefined {
  const { subject, saam, sapIndicator, vision } = config;
  if (sapIndicator && subject !== "sap") return `sapIndicator goes with subject "sap", not "${subject}"`;
  if (saam && subject !== "saam") return `settings of saam go with subject "saam", not "${subject}"`;
  if (!saam) return undefined;
  const { layers, logit } = saam;
  if (layers > vision.layers)
    return `saam.layers is ${layers}, expected a whole number from 0 to the ${vision.layers} blocks`;
  const { heads } = vision;
  const L = patchesOf(vision) + 2;
  const shapes = [[1], [heads], [heads, L], [L, L], [heads, L, L]].map((shape) => `[${shape.join(",")}]`);
  const found = `[${(logit ?? [heads]).join(",")}]`;
  return shapes.includes(found) ? undefined : `saam.logit is ${found}, expected ${shapes.join(", ")}`;
}

/** The configuration itself; one that no model can have is a UsageError. */
export function checkConfig(config: ModelConfig): ModelConfig {
  takes("checkConfig(config: object, ...)", arguments);
  const fault = faultOf(config);
  if (fault) throw new UsageError(`model: ${fault}`);
  return config;
}
