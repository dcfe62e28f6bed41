// Settings of a training run: one typed object, checked, each value with its range. Flags of the command line and
// config.json are printed from and read into it.
import * as v from "valibot";
import { UsageError } from "../engine/errors.ts";
import { takes } from "../engine/takes.ts";
import { headKinds, subjects } from "../model/emotionclip/config.ts";

export const wholeIn = (least: number, most: number) =>
  v.pipe(v.number(), v.safeInteger(), v.minValue(least), v.maxValue(most));
export const realIn = (least: number, most: number) =>
  v.pipe(v.number(), v.finite(), v.minValue(least), v.maxValue(most));

/** Every setting: schema, default, and what it means. Defaults are those of the main job. */
export const schema = {
  seed: { check: wholeIn(0, 2 ** 31 - 1), value: 2022, about: "seed of data order, initial values and dropout" },
  steps: { check: wholeIn(1, 1e7), value: 450, about: "optimiser updates" },
  batch: { check: wholeIn(2, 65536), value: 64, about: "clips per update; a contrastive loss needs at least 2" },
  precision: {
    check: v.picklist(["f32", "amp"]),
    value: "f32",
    about: "f32, or amp: products and what is kept of them in f16, with f32 masters and a scaled loss",
  },
  micro: { check: wholeIn(0, 65536), value: 0, about: "clips encoded at a time, to save memory; 0: the whole batch" },
  gradCheckpointing: {
    check: v.boolean(),
    value: false,
    about: "the blocks' intermediate results are made again for the gradient, not kept: same bits, less memory",
  },
  subject: {
    check: v.picklist(subjects),
    value: "sap",
    about: "how the model is told where the subject is",
  },
  head: {
    check: v.picklist(headKinds),
    value: "transformer",
    about: "what makes one vector of a clip's frames",
  },
  beta: { check: realIn(0, 1e6), value: 1, about: "β of Eq. 6; 0 is InfoNCE; the published code has 10" },
  form: { check: v.picklist(["code", "paper"]), value: "code", about: "direction of KL in Eq. 6" },
  lr: { check: realIn(1e-12, 10), value: 1.5e-3, about: "learning rate at the top of the warm-up" },
  lrEnd: { check: realIn(0, 10), value: 1e-5, about: "learning rate that the cosine comes to at the end" },
  warmup: {
    check: wholeIn(0, 1e7),
    value: 40,
    about: "steps over which the learning rate rises to its top; the cosine follows",
  },
  decay: { check: realIn(0, 10), value: 0.05, about: "weight decay of matrices" },
  beta1: { check: realIn(0, 0.999999), value: 0.9, about: "AdamW: decay of the first moment" },
  beta2: { check: realIn(0, 0.999999), value: 0.98, about: "AdamW: decay of the second moment" },
  clip: { check: realIn(1e-6, 1e6), value: 1, about: "largest global gradient norm" },
  dropout: { check: realIn(0, 0.99), value: 0, about: "dropout of the temporal head" },
  together: { check: wholeIn(1, 64), value: 2, about: "neighbours that share a batch: the two turns of a staging" },
  workers: { check: wholeIn(0, 64), value: 1, about: "decoding threads" },
  checkpointEvery: { check: wholeIn(1, 1e7), value: 200, about: "steps between checkpoints" },
  evalEvery: { check: wholeIn(0, 1e7), value: 0, about: "steps between probes of the model in training; 0 for none" },
  maxBad: {
    check: realIn(0, 1),
    value: 0.01,
    about: "share of unreadable clips, in training and measuring, that stops the run",
  },
  shortClips: {
    check: v.picklist(["repeat", "leave-out"]),
    value: "repeat",
    about: "clips with fewer frames than the model takes: repeat some, or leave-out the clip",
  },
} as const;

/** Every setting of a training run; `emotionclip start` has a flag for each. */
export type Settings = { -readonly [K in keyof typeof schema]: v.InferOutput<(typeof schema)[K]["check"]> };

/** The settings of the main job. */
export const defaults = Object.fromEntries(
  Object.entries(schema).map(([name, { value }]) => [name, value]),
) as Settings;

type Checks = { [K in keyof typeof schema]: (typeof schema)[K]["check"] };
const shape = v.strictObject(
  Object.fromEntries(Object.entries(schema).map(([name, { check }]) => [name, check])) as Checks,
);

/**
 * Checks settings; an unknown name or a value out of range is a UsageError that says what is allowed.
 * @param called how the message calls a setting, where a user gave it by another name
 */
export function checkSettings(
  given: Partial<Record<keyof Settings, unknown>>,
  called: (name: keyof Settings) => string = (name) => `settings: ${name}`,
): Settings {
  takes("checkSettings(given: object, called?: function, ...)", arguments);
  const result = v.safeParse(shape, { ...defaults, ...given });
  if (result.success) return result.output;
  const [{ path, message }] = result.issues;
  const { key, value } = path![0];
  if (!(String(key) in schema)) throw new UsageError(`settings: unknown name "${key}"`);
  throw new UsageError(`${called(key as keyof Settings)} is ${JSON.stringify(value)}: ${message}`);
}
