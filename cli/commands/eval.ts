// `emotionclip eval <data set>`: the official linear evaluation of a checkpoint, or of features that somebody else computed.
// All files are read and checked before a GPU is opened, and none is opened where the features are known.
import { performance } from "node:perf_hooks";
import { Argument, Command } from "commander";
import { replaceFile } from "../../data/formats/disk.ts";
import {
  type Benchmark,
  benchmarkNames,
  decisionsOf,
  openBenchmark,
  resolveSwitches,
  type SetName,
  setNames,
  type Switches,
  type SwitchOptions,
  switchTable,
} from "../../data/sets/index.ts";
import { FormatError, UsageError } from "../../engine/errors.ts";
import type { GpuOptions } from "../../engine/index.ts";
import { samplesWithoutTargets, targetsOfBenchmark } from "../../eval/probes/benchmark-targets.ts";
import { joinTargets, readFeatureFiles } from "../../eval/features/file.ts";
import { type Labelled, readLabelled } from "../../eval/features/labelled.ts";
import type { TaskResult } from "../../eval/probes/outcome.ts";
import { protocolOf } from "../../eval/probes/own-protocol.ts";
import { type Protocol, splitsOf } from "../../eval/probes/protocol.ts";
import { type EvaluationResult, resultText } from "../../eval/paper/result.ts";
import { scoreInTurns, tasksWithout } from "../../eval/probes/score.ts";
import { type Extracted, extractSplits } from "../../eval/features/splits.ts";
import { evaluationPage } from "../pages/eval-page.ts";
import { batchFlag, CONFIG, maxBad, oneOf, whole, workersFlag } from "../flags.ts";
import { Progress } from "../terminal/progress.ts";
import { checkPlace } from "../pages/page.ts";
import { benchmarkFolder, clipsToMake } from "../data-folder.ts";
import { openPlan } from "../../model/checkpoint/open-model.ts";
import { newestRun } from "../../train/runs/runs.ts";
import { gracefulStop, printStopped } from "../terminal/stop.ts";
import type { StopRequest } from "../../data/threads/long-work.ts";
import { printResult } from "../terminal/streams.ts";
import type { Context } from "../gpu.ts";

interface Flags {
  gpu: GpuOptions;
  checkpoint?: string;
  config?: string;
  data?: string;
  features?: string;
  labels?: string;
  seed: string;
  compat?: string;
  switch?: string[];
  bootstrap: string;
  perClass?: boolean;
  json?: boolean;
  html?: string;
  cache?: string;
  batchSize?: string;
  workers?: string;
  maxBad: number;
}

export function command({ gpu }: Context): Command {
  const switches = switchTable.map(({ name, about }) => `${name} (${Object.keys(about).join(", ")})`).join("; ");
  return new Command()
    .addArgument(
      new Argument("<benchmark>", `one of ${benchmarkNames.join(", ")}; or own: shards with labels of your own`),
    )
    .option(
      "--checkpoint <path>",
      "model to evaluate: .pt, .pth, .safetensors, a run folder; for stage the default is the newest finished run",
    )
    .option(...CONFIG)
    .option("--data <folder>", "the data set in its own layout; for stage the default is the embedded one")
    .option(
      "--features <files>",
      "features of any model instead: train.npy,val.npy in the order of the splits, or one .safetensors",
    )
    .option("--labels <file>", "of own: with --features <file> as encode writes it, its labels in a .csv file")
    .option("--seed <n>", "of own: draws the split test where --labels has no column split", "2022")
    .option("--compat <which>", "official or corrected: all switches at once (default: as each says)")
    .option("--switch <name=value>", `one switch; may be repeated: ${switches}`, (text, all: string[] = []) => [
      ...all,
      text,
    ])
    .option("--bootstrap <n>", "resampled test sets for the 95 % intervals; 0 for none", "1000")
    .option("--per-class", "print every class and confusion matrices")
    .option("--json", "one JSON object instead of text")
    .option("--html <file>", "also write a page of its own, without network")
    .option("--cache <folder>", "where features are kept (default: in the user's cache folder)")
    .option("--batch-size <n>", "samples given to the model at once (default: 64 MB of pixels)")
    .option("--workers <n>", "decoding threads (default: a core is left for the rest)")
    .addOption(maxBad())
    .action((name: string, flags: Flags) => run(name, { ...flags, gpu: gpu() }));
}

async function run(name: string, flags: Flags): Promise<void> {
  if (name === "stage" && flags.features === undefined) flags.checkpoint ??= await newestRun("runs");
  await checkPlace(flags.html);
  const options = await optionsOf(name, flags);
  const { protocol, switches, benchmark } = options;
  const began = performance.now();
  const stop = flags.features === undefined ? gracefulStop() : undefined; // with files there is nothing to finish
  const found = options.labelled ?? (await extractedFrom(options, flags, stop));
  if (!found) return;
  const extracted = performance.now();
  const { source, notes } = found;
  const leftOut = "leftOut" in found ? found.leftOut : undefined;
  const parts = "parts" in found ? found.parts : [{ protocol, splits: found.splits }];
  const [{ splits }] = parts;
  const isStopped = () => stop?.requested !== undefined;
  const tasks: TaskResult[] = [];
  for (const part of parts) {
    const scored = await scoreInTurns(
      part.protocol,
      part.splits,
      { switches, resamples: options.resamples },
      isStopped,
    );
    if (!scored) return printStopped("the features are kept, the same command only fits the probes");
    tasks.push(...scored);
  }
  const lacking =
    "parts" in found
      ? []
      : tasksWithout(protocol, splits).filter((task) => !tasks.some((result) => result.task === task.name));
  const missing = protocol.on.filter((split) => !splits.some((each) => each.name === split));
  const result: EvaluationResult = {
    benchmark,
    source,
    splits: splits.map(({ name, features: { shape } }) => {
      return { name, samples: shape[0], width: shape[1], leftOut: leftOut?.get(name) ?? 0 };
    }),
    decisions: decisionsOf(benchmark, switches),
    notes: [
      ...notes,
      ...lacking.map((task) => `${task.name}: no targets${flags.data ? "" : "; --data <folder> gives them"}`),
      ...missing.map((split) => `split ${split}: no features`),
    ],
    tasks,
    seconds: { features: (extracted - began) / 1000, probes: (performance.now() - extracted) / 1000 },
  };
  if (flags.html) await replaceFile(flags.html, evaluationPage(result, protocol));
  printResult(flags.json, result, () => resultText(result, protocol, flags.perClass));
}

/** Undefined when a stop was requested on the way. */
const extractedFrom = (options: EvalOptions, flags: Flags, stop: StopRequest | undefined) =>
  stop ? fromModel(options, flags, stop) : fromFiles(flags.features!, options, flags.data);

/** Flags, checked, and features with labels of one's own. */
interface EvalOptions {
  readonly benchmark: SetName;
  readonly labelled: Labelled | undefined;
  readonly protocol: Protocol;
  readonly switches: Switches;
  readonly switchOptions: SwitchOptions;
  readonly resamples: number;
  readonly batch: number | undefined;
  readonly workers: number;
  readonly maxBad: number;
}

async function optionsOf(name: string, flags: Flags): Promise<EvalOptions> {
  const benchmark = oneOf("data set", name, setNames);
  checkLabels(benchmark, flags);
  if (flags.features !== undefined && flags.checkpoint !== undefined)
    throw new UsageError("--features and --checkpoint: one of them says where the features come from");
  if (flags.features === undefined && flags.checkpoint === undefined)
    throw new UsageError("--checkpoint <path> is needed, or --features <files>; see emotionclip eval --help");
  const switchOptions = { compat: flags.compat as SwitchOptions["compat"], switches: switchesOf(flags.switch ?? []) };
  const checked = {
    benchmark,
    switchOptions,
    switches: resolveSwitches(switchOptions),
    resamples: whole("bootstrap", flags.bootstrap, 0, 1e6),
    batch: flags.batchSize === undefined ? undefined : batchFlag(flags.batchSize),
    workers: workersFlag(flags.workers),
    maxBad: flags.maxBad,
  };
  const seed = whole("seed", flags.seed, 0, 2 ** 32 - 1);
  const labelled = flags.labels === undefined ? undefined : await readLabelled(flags.features!, flags.labels, seed);
  return { ...checked, labelled, protocol: labelled?.protocol ?? (await protocolOf(benchmark, flags.data)) };
}

/** Features and labels of one's own come together, and without a data set. */
function checkLabels(benchmark: SetName, { features, labels, data }: Flags): void {
  if (benchmark !== "own") {
    if (labels !== undefined)
      throw new UsageError(`--labels: ${benchmark} has its own; emotionclip eval own takes yours`);
    return;
  }
  if (labels !== undefined && features === undefined)
    throw new UsageError("--labels needs --features <file>, whose rows they are of");
  if (labels === undefined && features !== undefined)
    throw new UsageError("--features of own data need --labels <file.csv>, a row of labels for each row");
  if (labels !== undefined && data !== undefined)
    throw new UsageError("--data and --labels: one of them says what is known of the samples");
}

function switchesOf(words: readonly string[]): Partial<Switches> {
  const pairs = words.map((word) => {
    const at = word.indexOf("=");
    if (at < 1) throw new UsageError(`--switch: "${word}" is not name=value`);
    return [word.slice(0, at), word.slice(at + 1)];
  });
  return Object.fromEntries(pairs) as Partial<Switches>; // names and values are checked by resolveSwitches
}

/** Features from files; targets that they lack come from the data set. */
async function fromFiles(text: string, options: EvalOptions, data: string | undefined): Promise<Extracted> {
  const files = await readFeatureFiles(text, options.protocol);
  const opened: Benchmark[] = [];
  if (data !== undefined)
    for (const { name } of files)
      opened.push(await openBenchmark(options.benchmark, data, { ...options.switchOptions, split: name }));
  for (const split of opened) refuseUnknownTargets(split);
  const targets = new Map(opened.map((split) => [split.split, targetsOfBenchmark(split)]));
  return {
    splits: joinTargets(files, targets, options.protocol),
    source: `features from ${[...new Set(files.map(({ file }) => file))].join(", ")}`,
    notes: opened.flatMap(({ notes }) => notes),
  };
}

/** Rows of features cannot be matched with targets that nobody can read. */
function refuseUnknownTargets(benchmark: Benchmark): void {
  const unknown = samplesWithoutTargets(benchmark);
  const [first] = unknown;
  if (first?.source.kind === "faulty")
    throw new FormatError(
      `${benchmark.split}: the targets of ${unknown.length} samples cannot be read, the first: ${first.source.reason}`,
    );
}

/** Features of a checkpoint, from the cache or the GPU; undefined when a stop was requested on the way. */
async function fromModel(options: EvalOptions, flags: Flags, stop: StopRequest): Promise<Extracted | undefined> {
  const { checkpoint = "", config, cache } = flags;
  const phases = splitsOf(options.protocol).map((split): [string, number] => [`features of ${split}`, 60]);
  const missing = options.benchmark === "stage" ? clipsToMake(flags.data) : 0;
  const makes: [string, number][] = missing > 0 ? [["make data", 0.02 * missing]] : [];
  const { plan, close } = await openPlan({ checkpoint, config, gpu: flags.gpu });
  const progress = new Progress({ phases: [...makes, ...phases] });
  try {
    const data = await benchmarkFolder(options.benchmark, flags.data, progress, stop);
    const extraction = data !== undefined && { ...options, plan, checkpoint, data, cache };
    const found = extraction ? await extractSplits(extraction, progress, stop) : undefined;
    if (!found) printStopped("the same command goes on from the batches that are done");
    return found;
  } finally {
    progress.end();
    await close();
  }
}
