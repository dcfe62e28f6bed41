// What a model is made of: one schema, from which come the types, the ranges, the form in files and the names of choices.
// Published configurations are in presets.ts, the small one in stage.ts.
import * as v from "valibot";
import { cellsOf, mapSide, pairOf, type Side, sideOf } from "../../data/pixels/side.ts";
import { UsageError } from "../../engine/errors.ts";
import { takes } from "../../engine/takes.ts";

/** A whole number in a range; the message says which. */
export const wholeBetween = (most: number, least = 1) => {
  const allowed = `a whole number from ${least} to ${most}`;
  return v.pipe(v.number(allowed), v.integer(allowed), v.minValue(least, allowed), v.maxValue(most, allowed));
};
export const realBetween = (least: number, most: number) => {
  const allowed = `a number from ${least} to ${most}`;
  return v.pipe(v.number(allowed), v.minValue(least, allowed), v.maxValue(most, allowed));
};
const finite = v.pipe(v.number("a number"), v.finite("a number"));
export const oneOfNames = <const T extends readonly string[]>(names: T) => v.picklist(names, names.join(" or "));

/** How the frame encoder is told where the subject is: prompting, masked attention (Sec. 3.3 of the paper), or not. */
export const subjects = ["sap", "saam", "none"] as const;

/** What makes one vector of a clip's frames. */
export const headKinds = ["transformer", "mean", "conv1d"] as const;

/** How SAAM's moved amount reaches the subject (kernels/attention/subject.ts). */
export const saamModes = ["shift", "two_hop", "hadamard"] as const;

/** Where texts cut at the context's length are read: at the start token, as published (compat), or at the last slot. */
export const textEnds = ["compat", "last"] as const;

/** Sizes beyond these are no model. */
const size = {
  width: wholeBetween(65536),
  hidden: wholeBetween(4 * 65536),
  layers: wholeBetween(1024),
  heads: wholeBetween(4096),
};

/** A ViT frame encoder. Lengths in pixels, widths in channels. */
const vision = v.strictObject({
  /** Side of square frames, or [height, width]. */
  image: v.union(
    [wholeBetween(4096), v.strictTuple([wholeBetween(4096), wholeBetween(4096)])],
    "a whole number from 1 to 4096, or [height, width] of such",
  ),
  patch: wholeBetween(4096),
  width: size.width,
  layers: size.layers,
  heads: size.heads,
  mlp: size.hidden,
  /** Initial values that differ from the official ones: std of the positions, bound of the patch kernel. */
  initial: v.optional(v.strictObject({ position: finite, patch: finite })),
});

/** A CLIP text transformer. */
const text = v.strictObject({
  context: wholeBetween(65536),
  vocabulary: wholeBetween(2 ** 24),
  width: size.width,
  layers: size.layers,
  heads: size.heads,
  /** Where texts cut at the context's length are read: at the start token, as published (compat), or at the last slot. */
  endToken: v.optional(oneOfNames(textEnds)),
});

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
  activation: oneOfNames(["gelu", "quickGelu"]),
  subject: oneOfNames(subjects),
  /** Settings of subject "saam"; all blocks, `shift` and any pixel unless given. */
  saam: v.optional(saam),
  /** With subject "sap": patches with any subject count fully, as the paper has it, instead of by their share. */
  sapIndicator: v.optional(v.boolean("true or false")),
});

type Fixed<T> = T extends object ? { readonly [K in keyof T]: Fixed<T[K]> } : T;

/**
 * A configuration of EmotionCLIP: the two towers, the head, and how it is told of the subject. `checkConfig` checks one,
 * `vitB32` is the published one.
 */
export interface ModelConfig extends Fixed<v.InferOutput<typeof modelSchema>> {}
/** The frame tower: a vision transformer. Lengths in pixels, widths in channels. */
export type VisionConfig = ModelConfig["vision"];
/** The text tower: a causal transformer. Context in tokens, widths in channels. */
export type TextConfig = ModelConfig["text"];
/** What makes one vector of a clip's frames, and from how many of them. */
export type HeadConfig = ModelConfig["head"];
/** Subject-aware attention masking: in which blocks, how, and of which shape its parameter is. */
export type SaamConfig = NonNullable<ModelConfig["saam"]>;
/** How the frame encoder is told where the subject is: prompting (sap), masked attention (saam), or not. */
export type Subject = ModelConfig["subject"];
export type TowerActivation = ModelConfig["activation"];

/** Patches along one side of a frame, or [rows, columns] where they differ; a remainder at the right and bottom is dropped. */
export function gridOf(vision: Pick<VisionConfig, "image" | "patch">): Side {
  takes("gridOf(vision: { image: size | size[], patch: size, ... }, ...)", arguments);
  const { image, patch } = vision;
  const [rows, columns] = pairOf(mapSide(image, (length) => Math.floor(length / patch)));
  return sideOf(rows, columns);
}

/** Patches of a frame. */
export const patchesOf = (vision: Pick<VisionConfig, "image" | "patch">): number => cellsOf(gridOf(vision));

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

/** `vision.width is 0, expected a whole number from 1 to 65536`. */
export function issueText(issue: v.BaseIssue<unknown>): string {
  const path = v.getDotPath(issue) ?? "the top";
  if (issue.type === "strict_object" && issue.expected === "never") return `unknown field ${path}`;
  const found = issue.input === undefined ? "is missing" : `is ${shown(issue.input)}`;
  return `${path} ${found}, expected ${issue.type === "strict_object" ? "an object" : issue.message}`;
}

const shown = (value: unknown): string =>
  typeof value === "number" ? String(value) : String(JSON.stringify(value)).slice(0, 80);

/** What the fields must be to each other. */
function ruleFault(config: ModelConfig): string | undefined {
  const { embed, vision, text, head } = config;
  const shortest = Math.min(...pairOf(vision.image));
  if (vision.patch > shortest) return `vision.patch is ${vision.patch}, expected a whole number from 1 to ${shortest}`;
  const divided: [name: string, width: number, heads: number][] = [
    ["vision", vision.width, vision.heads],
    ["text", text.width, text.heads],
    ["head", embed, head.kind === "transformer" ? head.heads : 1],
  ];
  for (const [name, width, heads] of divided)
    if (width % heads !== 0) return `${name}: ${heads} heads do not divide a width of ${width} equally`;
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
