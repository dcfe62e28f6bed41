// `emotionclip regress`: scores of clips from frozen features of any model, read on people that nothing was fitted on.
import { basename } from "node:path";
import { Command } from "commander";
import { replaceFile } from "../../data/formats/disk.ts";
import type { StopRequest } from "../../data/threads/long-work.ts";
import { FormatError, UsageError } from "../../engine/errors.ts";
import { type GpuOptions, openGpu } from "../../engine/index.ts";
import { takeRows } from "../../eval/matrix.ts";
import { usualHead } from "../../eval/regression/head.ts";
import { usualPenalties } from "../../eval/regression/linear.ts";
import { type RegressionPage, regressionText } from "../../eval/regression/page.ts";
import { heldOutBy, type HeldOutBy, type HeldOut, heldOutParts, usualParts } from "../../eval/regression/parts.ts";
import {
  type ModelName,
  models,
  regress,
  type RegressionOptions,
  type ScoredRows,
} from "../../eval/regression/protocol.ts";
import { readScores, type ScoreFile } from "../../eval/regression/scores-file.ts";
import { openPlan } from "../../model/checkpoint/open-model.ts";
import { batchFlag, CONFIG, maxBad, oneOf, real, idleFlags, whole } from "../flags.ts";
import type { Context } from "../gpu.ts";
import { tellRemarks } from "../inputs.ts";
import { type FoundRows, predictionsCsv, rowsFromClips, rowsFromFile } from "../regression.ts";
import { Progress } from "../terminal/progress.ts";
import { gracefulStop, printStopped } from "../terminal/stop.ts";
import { printResult, warn } from "../terminal/streams.ts";

interface Flags {
  gpu: GpuOptions;
  checkpoint?: string;
  config?: string;
  features?: string;
  clips?: string;
  by?: string;
  groups: string;
  seed: string;
  models: string;
  penalties: string;
  steps: string;
  lr: string;
  decay: string;
  every: string;
  batchSize?: string;
  cache?: string;
  maxBad: number;
  out?: string;
  json?: boolean;
}

export function command({ gpu }: Context): Command {
  return new Command()
    .argument("<scores>", "a .csv of a row a clip: path or id, subject, fold or split; all other columns are scores")
    .option("--checkpoint <path>", "the model whose features are taken: .pt, .safetensors, a run's folder")
    .option(...CONFIG)
    .option("--features <file>", "features of any model instead, as encode writes them: .npy or .safetensors")
    .option("--clips <folder>", "what relative paths lie below (default: the folder of the scores)")
    .option("--by <what>", `what is held out in turn: ${heldOutBy.join(", ")} (default: as there are columns)`)
    .option("--groups <k>", "with --by groups: so many groups of whole subjects, drawn by --seed", "5")
    .option("--seed <n>", "of groups, and of the head's initial values", String(usualHead.seed))
    .option("--models <names>", "of these, between commas", models.join(","))
    .option("--penalties <numbers>", "of ridge, one of them chosen within what is fitted on", usualPenalties.join(","))
    .option("--steps <n>", "updates of the head, each on all rows that it is fitted on", String(usualHead.steps))
    .option("--lr <rate>", "of the head's Adam", String(usualHead.lr))
    .option("--decay <weight>", "of the head's weights, in the gradient", String(usualHead.decay))
    .option("--every <k>", "of a folder of frames every k-th is looked at", "4")
    .option("--batch-size <n>", "clips given to the model at once (default: 64 MB of pixels)")
    .option("--cache <folder>", "where features are kept (default: in the user's cache folder)")
    .option("--out <file>", "also write truth and predictions of every row, as .csv")
    .option("--json", "one JSON object instead of text")
    .addOption(maxBad())
    .action((path: string, flags: Flags, command: Command) => {
      const idle = flags.features === undefined ? [] : idleFlags(command, ofClips, "--checkpoint");
      return run(path, { ...flags, gpu: gpu() }, idle);
    });
}

/** Flags that say something of how clips become features. */
const ofClips = ["clips", "config", "every", "batchSize", "cache", "maxBad"];

async function run(path: string, flags: Flags, idle: readonly string[]): Promise<void> {
  const { features, checkpoint } = flags;
  if ((features === undefined) === (checkpoint === undefined))
    throw new UsageError("regress: either --checkpoint or --features says where features come from");
  const asked = optionsOf(flags);
  const table = readScores(path);
  const by =
    flags.by === undefined ? usualParts({ file: table.file, ...table.told }) : oneOf("--by", flags.by, heldOutBy);
  const progress = new Progress({
    phases: [
      ["features", 60],
      ["fits", 20],
    ],
  });
  const stop = gracefulStop();
  try {
    const found = await rowsOf(path, table, flags, progress, stop);
    if (!found) return printStopped("the same command goes on from the batches that are done");
    const scored = scoredOf(table, found);
    const told = toldOf(table, found.rows);
    const parts = heldOutParts(told, by, { groups: asked.groups, seed: asked.head.seed });
    progress.start("fits", parts.length * asked.models.length);
    const fits = await withGpu(asked.models.includes("head") ? flags.gpu : undefined, () =>
      regress(scored, parts, {
        ...asked,
        at: (done) => progress.at(done),
        isStopped: () => stop.requested !== undefined,
      }),
    );
    progress.end();
    if (!fits) return printStopped("the features are kept, the same command only fits");
    if (flags.out !== undefined) await replaceFile(flags.out, predictionsCsv(table, found.rows, fits.results));
    const notes = [...idle, ...table.notes, ...found.notes, ...aboutParts(told, by), ...fits.notes];
    warn([...notes, ...found.bad.slice(0, 10).map((reason) => `left out: ${reason}`)]);
    const page: RegressionPage = {
      file: table.file,
      features: `features of ${basename(features ?? checkpoint!)}`,
      rows: found.rows.length,
      width: scored.features.shape[1],
      subjects: scored.subjects ? new Set(scored.subjects).size : null,
      scores: table.names,
      choices: choicesOf(by, parts, told, asked, flags),
      models: fits.results.map(({ predicted: _, ...rest }) => rest),
      bad: found.bad,
      notes,
    };
    printResult(flags.json, page, regressionText);
  } finally {
    progress.end();
  }
}

type Asked = Pick<RegressionOptions, "models" | "penalties" | "head"> & { readonly groups: number };

function optionsOf(flags: Flags): Asked {
  const names = flags.models.split(",").map((name) => oneOf("model", name.trim(), models));
  return {
    models: [...new Set<ModelName>(names)],
    penalties: flags.penalties.split(",").map((text) => real("penalties", text.trim(), 1e-9, 1e12)),
    groups: whole("groups", flags.groups, 2, 1000),
    head: {
      ...usualHead,
      steps: whole("steps", flags.steps, 1, 100_000),
      lr: real("lr", flags.lr, 0, 10),
      decay: real("decay", flags.decay, 0, 10),
      seed: whole("seed", flags.seed, 0, 2 ** 32 - 1),
    },
  };
}

/** Features from a file, or of clips through a model, which is closed then; undefined where a stop was asked for. */
async function rowsOf(
  path: string,
  table: ScoreFile,
  flags: Flags,
  progress: Progress,
  stop: StopRequest,
): Promise<FoundRows | undefined> {
  const { features, checkpoint, config, gpu, clips, cache } = flags;
  if (features !== undefined) return rowsFromFile(features, table);
  const { plan, close } = await openPlan({ checkpoint: checkpoint!, config, gpu });
  try {
    const notes = tellRemarks(plan);
    const every = whole("every", flags.every, 1, 1000);
    const batch = flags.batchSize === undefined ? undefined : batchFlag(flags.batchSize);
    const request = { clips, every, maxBad: flags.maxBad, batch, cache };
    const found = await rowsFromClips(plan, path, table, request, progress, stop);
    return found && { ...found, notes: [...notes, ...found.notes] };
  } finally {
    await close();
  }
}

function scoredOf(table: ScoreFile, { features, rows }: FoundRows): ScoredRows {
  if (rows.length < 3) throw new FormatError(`${table.file}: ${rows.length} rows have features; three are the least`);
  const { subject } = table.told;
  return {
    features,
    scores: takeRows(table.scores, rows),
    names: table.names,
    subjects: subject && rows.map((n) => subject[n]),
  };
}

/** What the table tells of the rows that have features. */
function toldOf({ file, told }: ScoreFile, rows: readonly number[]) {
  const of = (column: readonly string[] | undefined) => column && rows.map((n) => column[n]);
  return { file, subject: of(told.subject), fold: of(told.fold), split: of(told.split) };
}

const aboutParts = ({ subject }: ReturnType<typeof toldOf>, by: HeldOutBy): string[] => [
  ...(subject ? [] : [`no column subject: whether a person is on both sides of a ${by} cannot be told`]),
  ...(subject && new Set(subject).size < 8
    ? [`${new Set(subject).size} subjects are few: figures over them say little of other people`]
    : []),
];

function choicesOf(
  by: HeldOutBy,
  parts: readonly HeldOut[],
  told: ReturnType<typeof toldOf>,
  { penalties, head, models: of, groups }: Asked,
  flags: Flags,
) {
  const how = { subject: "one subject at a time", groups: `${groups} groups of whole subjects, seed ${head.seed}` };
  return {
    "held out":
      by === "subject" || by === "groups"
        ? how[by]
        : `by the column ${by}: ${parts.map(({ name }) => name).join(", ")}`,
    features:
      flags.features === undefined ? `every ${flags.every}. frame of folders, centre; films evenly` : "as given",
    scaling: "features and scores standardised by what is fitted on",
    ...(of.includes("linear") && {
      linear: linearChoice(penalties, told.subject !== undefined),
    }),
    ...(of.includes("head") && {
      head: `Linear ${head.hidden}, ReLU, Linear; Adam, rate ${head.lr}, decay ${head.decay}, ${head.steps} updates on all rows, seed ${head.seed}`,
    }),
  };
}

function linearChoice(penalties: readonly number[], knowsSubjects: boolean): string {
  if (penalties.length === 1) return `ridge, penalty ${penalties[0]}, given`;
  const left = knowsSubjects ? ["subjects", ""] : ["single rows", ", for no subject is known"];
  return `ridge, penalty of ${penalties.join(", ")} by the squared error on ${left[0]} left out of what is fitted on${left[1]}`;
}

/** Does the work with a GPU open, where one is needed. */
async function withGpu<T>(options: GpuOptions | undefined, work: () => Promise<T>): Promise<T> {
  if (options === undefined) return work();
  const gpu = await openGpu(options);
  try {
    return await work();
  } finally {
    gpu.close();
  }
}
