// What CLIP's two towers are made of: the part of a configuration that families share, and how a configuration is checked.
import * as v from "valibot";
import { cellsOf, mapSide, pairOf, type Side, sideOf } from "../../data/pixels/side.ts";
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
export const finite = v.pipe(v.number("a number"), v.finite("a number"));
export const oneOfNames = <const T extends readonly string[]>(names: T) => v.picklist(names, names.join(" or "));

/** Where texts cut at the context's length are read: at the start token, as published (compat), or at the last slot. */
export const textEnds = ["compat", "last"] as const;

/** Sizes beyond these are no model. */
export const size = {
  width: wholeBetween(65536),
  hidden: wholeBetween(4 * 65536),
  layers: wholeBetween(1024),
  heads: wholeBetween(4096),
};

/** A ViT frame encoder. Lengths in pixels, widths in channels. */
export const vision = v.strictObject({
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
export const text = v.strictObject({
  context: wholeBetween(65536),
  vocabulary: wholeBetween(2 ** 24),
  width: size.width,
  layers: size.layers,
  heads: size.heads,
  /** Where texts cut at the context's length are read: at the start token, as published (compat), or at the last slot. */
  endToken: v.optional(oneOfNames(textEnds)),
});

/** What the two towers bend with. */
export const activation = oneOfNames(["gelu", "quickGelu"]);

export type Fixed<T> = T extends object ? { readonly [K in keyof T]: Fixed<T[K]> } : T;

/** The frame tower: a vision transformer. Lengths in pixels, widths in channels. */
export type VisionConfig = Fixed<v.InferOutput<typeof vision>>;
/** The text tower: a causal transformer. Context in tokens, widths in channels. */
export type TextConfig = Fixed<v.InferOutput<typeof text>>;
export type TowerActivation = v.InferOutput<typeof activation>;

/** A configuration with the two towers and what they have in common. */
export interface TowersConfig {
  /** Width of the joint embedding. */
  readonly embed: number;
  readonly vision: VisionConfig;
  readonly text: TextConfig;
  readonly activation: TowerActivation;
}

/** Patches along one side of a frame, or [rows, columns] where they differ; a remainder at the right and bottom is dropped. */
export function gridOf(vision: Pick<VisionConfig, "image" | "patch">): Side {
  takes("gridOf(vision: { image: size | size[], patch: size, ... }, ...)", arguments);
  const { image, patch } = vision;
  const [rows, columns] = pairOf(mapSide(image, (length) => Math.floor(length / patch)));
  return sideOf(rows, columns);
}

/** Patches of a frame. */
export const patchesOf = (vision: Pick<VisionConfig, "image" | "patch">): number => cellsOf(gridOf(vision));

/** `vision.width is 0, expected a whole number from 1 to 65536`. */
export function issueText(issue: v.BaseIssue<unknown>): string {
  const path = v.getDotPath(issue) ?? "the top";
  if (issue.type === "strict_object" && issue.expected === "never") return `unknown field ${path}`;
  const found = issue.input === undefined ? "is missing" : `is ${shown(issue.input)}`;
  return `${path} ${found}, expected ${issue.type === "strict_object" ? "an object" : issue.message}`;
}

const shown = (value: unknown): string =>
  typeof value === "number" ? String(value) : String(JSON.stringify(value)).slice(0, 80);

/** Why there can be no such towers: what their fields must be to each other. */
export function towersFault({ vision, text }: TowersConfig): string | undefined {
  const shortest = Math.min(...pairOf(vision.image));
  if (vision.patch > shortest) return `vision.patch is ${vision.patch}, expected a whole number from 1 to ${shortest}`;
  for (const [name, { width, heads }] of Object.entries({ vision, text }))
    if (width % heads !== 0) return unequalHeads(name, width, heads);
  return undefined;
}

/** The sentence on heads that do not share a width equally. */
export const unequalHeads = (name: string, width: number, heads: number): string =>
  `${name}: ${heads} heads do not divide a width of ${width} equally`;
