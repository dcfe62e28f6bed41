// `emotionclip recognise`: zero-shot recognition of expressions in face clips, as that field measures it: WAR and UAR, by fold.
import { basename } from "node:path";
import { Command } from "commander";
import { faceSplitsOf } from "../../data/faces/layouts.ts";
import { filesOfFaces } from "../../data/stage/faces/on-disk.ts";
import { UsageError } from "../../engine/errors.ts";
import type { GpuOptions } from "../../engine/index.ts";
import { frameWeightsHash } from "../../eval/features/kept.ts";
import { averaged } from "../../eval/recognition/averaged.ts";
import { recognitionText } from "../../eval/recognition/page.ts";
import { averages } from "../../eval/zero-shot/zero-shot.ts";
import { openPlan, withModel } from "../../model/checkpoint/open-model.ts";
import { tokenizerOf } from "../../model/checkpoint/tokenizer.ts";
import { checkpointStory } from "../chosen-by.ts";
import { classesOf, templatesOf } from "../class-file.ts";
import { testedFaces } from "../data-folder.ts";
import { batchFlag, CONFIG, maxBad, oneOf, idleFlags, whole } from "../flags.ts";
import { weightsAt } from "../embedded-weights.ts";
import type { Context } from "../gpu.ts";
import { tellRemarks } from "../inputs.ts";
import {
  classesInWords,
  foldsAsked,
  openFolds,
  recogniseFiles,
  recognisedSets,
  recogniseWith,
  recognitionPage,
  type RecognitionRequest,
  type Words,
} from "../recognition.ts";
import { Progress } from "../terminal/progress.ts";
import { gracefulStop, printStopped } from "../terminal/stop.ts";
import { printResult, warn } from "../terminal/streams.ts";

interface Flags {
  gpu: GpuOptions;
  data?: string;
  checkpoint?: string;
  config?: string;
  bpe?: string;
  split?: string;
  fold: string;
  list?: string;
  root?: string;
  classes?: string;
  average: string;
  emotions: string;
  templates?: string;
  only?: string;
  every?: string;
  window: "random" | "centre";
  averageFrames?: boolean;
  seed: string;
  features?: string;
  textFeatures?: string;
  projection?: string;
  batchSize?: string;
  maxBad: number;
  cache?: string;
  json?: boolean;
  /** What is to be said of flags that nothing reads. */
  idle: readonly string[];
}

export function command({ gpu }: Context): Command {
  return new Command()
    .argument(
      "<set>",
      `one of ${recognisedSets.slice(0, -1).join(", ")} by its layout; own: a list name,class; or ${embeddedName}: the embedded faces`,
    )
    .option("--data <folder>", `where the data set lies, but for ${embeddedName}; of own: the folder of clips`)
    .option("--checkpoint <path>", "what recognises: .pt, .safetensors, a run's folder")
    .option(...CONFIG)
    .option("--bpe <file>", "the byte-pair table, where the checkpoint's vocabulary needs another than CLIP's")
    .option("--split <split>", "split (default: the one that is tested)")
    .option("--fold <fold>", "all, or one of those that the set has", "all")
    .option("--list <file>", "a list instead of the data set's own: path, frames and label, or name,class")
    .option("--root <folder>", "where frames of listed clips lie; of listed paths only the last parts count")
    .option("--classes <classes>", "a,b,c or a file that says them in words (default: descriptions of our own)")
    .option("--emotions <kind>", "of mafw: single, or compound, whose classes are those of the lists", "single")
    .option("--average <what>", "what several prompts of a class are averaged in: features, or logits", "features")
    .option("--templates <file>", "prompts with {} for the text: a .txt file, or emotion for built-in ones")
    .option("--only <class>", "clips of this class alone, among the texts of all: a model that was trained without it")
    .option("--every <k>", `of a clip every k-th frame is looked at (default: 4, of ${embeddedName} 1)`)
    .option("--window <where>", "which of those: centre, or random as published, drawn from --seed", "centre")
    .option("--average-frames", "of a clip the mean of its frames' features, without what the model has to join them")
    .option("--seed <n>", "of random windows", "2022")
    .option(
      "--features <files>",
      "rows of any model instead, in the order of the list: a .npy file for each fold, between commas",
    )
    .option("--text-features <file>", "with --features: a .npy file of a row for each class")
    .option("--projection <file>", "with --features: a .npy matrix that both go through first, such as Exp-CLIP's head")
    .option("--batch-size <n>", "clips given to the model at once (default: 64 MB of pixels)")
    .option("--cache <folder>", "where features are kept (default: in the user's cache folder)")
    .option("--json", "one JSON object instead of text")
    .addOption(maxBad())
    .action((set: string, flags: Flags, command: Command) => {
      const idle = flags.features === undefined ? [] : idleFlags(command, ofModels, "--checkpoint");
      warn(idle);
      return run(set, { ...flags, idle, gpu: gpu() });
    });
}

/** Flags that say something of a model and of what it is shown. */
const ofModels = [
  ...["config", "bpe", "classes", "templates", "average", "averageFrames"],
  ...["every", "window", "seed", "batchSize", "cache", "maxBad"],
];

/** The set of drawn faces, which is made here where it is missing. */
const embeddedName = "stage-faces";

async function run(name: string, flags: Flags): Promise<void> {
  if (name !== embeddedName) return recognise(name, flags);
  for (const flag of ["data", "list", "root", "split"] as const)
    if (flags[flag] !== undefined) throw new UsageError(`--${flag}: ${embeddedName} has its own`);
  const progress = new Progress({ phases: [["make data", 1]] });
  const data = await testedFaces(progress, gracefulStop());
  progress.end();
  if (data === undefined) return printStopped("the same command makes the data set anew");
  const { list, texts } = filesOfFaces(data);
  await recognise("own", { classes: texts, every: "1", ...given(flags), data, list }, embeddedName);
}

/** Flags that have a value. */
const given = (flags: Flags): Flags =>
  Object.fromEntries(Object.entries(flags).filter(([, value]) => value !== undefined)) as unknown as Flags;

async function recognise(name: string, flags: Flags, called?: string): Promise<void> {
  const set = oneOf("data set", name, recognisedSets);
  const { features, textFeatures, checkpoint } = flags;
  if (flags.data === undefined) throw new UsageError(`--data <folder> is needed: where ${set} lies`);
  if ((features === undefined) === (checkpoint === undefined))
    throw new UsageError("recognise: either --checkpoint or --features recognises, not both and not neither");
  if ((features === undefined) !== (textFeatures === undefined))
    throw new UsageError("--features and --text-features go together");
  const request: RecognitionRequest = {
    set,
    called,
    data: flags.data,
    split: flags.split ?? (set === "own" ? "test" : faceSplitsOf(set).at(-1)!),
    folds: foldsAsked(set, flags.fold),
    list: flags.list,
    root: flags.root,
    every: whole("every", flags.every ?? "4", 1, 1000),
    window: oneOf("window", flags.window, ["centre", "random"]),
    seed: whole("seed", flags.seed, 0, Number.MAX_SAFE_INTEGER),
    maxBad: flags.maxBad,
    only: flags.only,
    emotions: oneOf("--emotions", flags.emotions, ["single", "compound"]),
    cache: flags.cache,
    ...(flags.batchSize !== undefined && { batch: batchFlag(flags.batchSize) }),
  };
  if (request.emotions === "compound" && set !== "mafw")
    throw new UsageError(`--emotions compound: mafw has lists of them, ${set} has not`);
  if (set === "own" && request.list === undefined) throw new UsageError("--list: own needs a list name,class");
  const folds = await openFolds(request);
  const given = flags.classes === undefined ? undefined : await classesOf(flags.classes);
  const classes = classesInWords(folds[0].set.classes, features === undefined ? given : asNamed(folds[0].set.classes));
  const templates = flags.templates === undefined ? ["{}"] : await templatesOf(flags.templates);
  const words = { classes, templates, average: oneOf("--average", flags.average, averages) };
  const some: Record<string, string> =
    flags.only === undefined ? {} : { clips: `of ${folds[0].set.classes[folds[0].only!]} alone` };
  const chosen = {
    ...some,
    folds: request.folds.map(String),
    frames: `every ${request.every}. frame`,
    window: request.window,
  };
  if (features !== undefined) {
    const scores = recogniseFiles(folds, {
      features: features.split(","),
      texts: textFeatures!,
      projection: flags.projection,
    });
    const about = {
      model: features,
      choices: { ...some, folds: chosen.folds, texts: textFeatures! },
      notes: flags.idle,
    };
    return printResult(flags.json, recognitionPage(folds, { scores, bad: [] }, request, words, about), recognitionText);
  }
  await withCheckpointOf(flags, request, folds, words, chosen);
}

/** Classes that nothing is said of: rows of a file stand for them. */
const asNamed = (of: readonly string[]) => of.map((name) => ({ name, texts: [name] }));

async function withCheckpointOf(
  flags: Flags,
  request: RecognitionRequest,
  folds: Awaited<ReturnType<typeof openFolds>>,
  words: Words,
  chosen: Readonly<Record<string, string | readonly string[]>>,
): Promise<void> {
  const { plan, close } = await openPlan({
    checkpoint: weightsAt(flags.checkpoint!),
    config: flags.config,
    gpu: flags.gpu,
  });
  const notes = tellRemarks(plan);
  const progress = new Progress({
    phases: [
      ["load the model", 5],
      ["clips", 60],
    ],
  });
  const stop = gracefulStop();
  try {
    const tokenizer = await tokenizerOf(plan.file, plan.model.takes, flags.bpe);
    progress.start("load the model", 1);
    const hash = `${await frameWeightsHash(plan)}${flags.averageFrames ? " averaged" : ""}`;
    const found = await withModel(
      plan,
      (model) =>
        recogniseWith(
          { model: flags.averageFrames ? averaged(model) : model, hash, tokenizer, progress, stop },
          folds,
          request,
          words,
        ),
      (done, of) => progress.at(done / of),
    );
    progress.end();
    if (!found) return printStopped("the same command goes on from the batches that are done");
    const { frames } = plan.model.takes;
    const prompts = words.classes.reduce((sum, { texts }) => sum + texts.length, 0) * words.templates.length;
    const choices = {
      ...chosen,
      clip: `${frames} frames${flags.averageFrames ? ", their features averaged" : ""}`,
      ...(request.window === "random" && { seed: request.seed }),
      texts: flags.classes ?? "descriptions of our own",
      averaging:
        prompts > words.classes.length
          ? `mean ${words.average === "logits" ? "logit " : ""}of ${prompts} prompts over ${words.classes.length} classes`
          : "one prompt a class",
      ...(words.classes.some(({ of }) => of) && { compounds: "means of the embeddings of their classes" }),
      ties: "the first class",
      checkpoint: await checkpointStory(weightsAt(flags.checkpoint!)),
    };
    const about = { model: basename(flags.checkpoint!), choices, notes };
    const page = recognitionPage(folds, found, request, words, about);
    warn(page.notes.slice(notes.length).map((note) => `${page.set}: ${note}`));
    printResult(flags.json, page, recognitionText);
  } finally {
    progress.end();
    await close();
  }
}
