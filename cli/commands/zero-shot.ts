// `emotionclip zero-shot`: clips or pictures scored against classes that are only described in words.
import { basename } from "node:path";
import { Argument, Command } from "commander";
import { benchmarkSplits, setNames } from "../../data/sets/index.ts";
import { quoted } from "../../data/formats/json.ts";
import { UsageError } from "../../engine/errors.ts";
import { encodeImages, encodeVideos } from "../../eval/features/encode.ts";
import { reportLines, type TextsReport } from "../../data/tokenizer/report.ts";
import type { Matrix } from "../../eval/matrix.ts";
import { tokenizerOf } from "../../model/checkpoint/tokenizer.ts";
import {
  probabilities,
  promptsOf,
  rankedClasses,
  reportPrompts,
  type ZeroShotClass,
  zeroShotClassifier,
  zeroShotLogits,
} from "../../eval/zero-shot/zero-shot.ts";
import type { VideoText } from "../../model/family.ts";
import {
  type InputFlags,
  openInputs,
  tellRemarks,
  type VisualKind,
  visualKinds,
  warnOfOddities,
  withInputs,
} from "../inputs.ts";
import { openPlan, withModel } from "../../model/checkpoint/open-model.ts";
import { classesOf, refuseTwins, refuseUnknown, templatesOf } from "../class-file.ts";
import { Progress } from "../terminal/progress.ts";
import { benchmarkFolder, clipsToMake } from "../data-folder.ts";
import { gracefulStop, printStopped } from "../terminal/stop.ts";
import { type DataPage, dataText, promptedTasks, type Prompts, zeroShotData } from "../../eval/zero-shot/data.ts";
import { protocolOf } from "../../eval/probes/own-protocol.ts";
import { splitsOf } from "../../eval/probes/protocol.ts";
import { maxBad, oneOf, workersFlag } from "../flags.ts";
import { printResult, warn } from "../terminal/streams.ts";
import type { Context } from "../gpu.ts";

const kinds = [...visualKinds, "benchmark"] as const;

interface Flags extends InputFlags {
  data?: string;
  split?: string;
  cache?: string;
  workers?: string;
  maxBad: number;
  classes?: string;
  templates?: string;
}

export function command({ gpu }: Context): Command {
  const made = new Command()
    .addArgument(
      new Argument("<kind>", "video files, folders of frames, single images, or the benchmark of a name").choices(
        kinds,
      ),
    )
    .argument("<inputs...>", `each is scored by itself; of a benchmark, one of ${setNames.join(", ")}`)
    .option(
      "--classes <classes>",
      "a,b,c, or a file: .txt of a class each line, .json or .yaml of class: text or [texts]; a benchmark has its own",
    )
    .option(
      "--templates <file>",
      "prompts with {} for the class: a .txt file of one each line, or emotion for built-in ones (default: {} alone)",
    )
    .option("--data <folder>", "where a benchmark lies; for stage the default is the embedded one")
    .option("--split <split>", "split of a benchmark (default: its last)")
    .option("--cache <folder>", "where features of a benchmark are kept (default: in the user's cache folder)")
    .option("--workers <n>", "decoding threads for a benchmark (default: a core is left for the rest)")
    .addOption(maxBad());
  return withInputs(made).action((kind: VisualKind | "benchmark", given: string[], flags: Flags) =>
    run(kind, given, { ...flags, gpu: gpu() }),
  );
}

/** What `--json` prints. */
export interface ZeroShotPage {
  readonly checkpoint: string;
  readonly kind: VisualKind;
  readonly templates: readonly string[];
  readonly classes: readonly ZeroShotClass[];
  /** Inputs that have boxes, none of which lies in a frame; and clips that are too short for the model, so that frames count twice. */
  readonly unseen: readonly string[];
  readonly short: readonly string[];
  /** What becomes of the prompts. */
  readonly texts: TextsReport;
  /** What was dropped, resized or started fresh when the model was loaded. */
  readonly notes: readonly string[];
  /** Classes of each input, best first. */
  readonly inputs: readonly {
    readonly id: string;
    readonly ranking: readonly { readonly class: string; readonly probability: number; readonly logit: number }[];
  }[];
}

async function run(kind: VisualKind | "benchmark", given: string[], flags: Flags): Promise<void> {
  const prompts = {
    classes: flags.classes === undefined ? undefined : await classesOf(flags.classes),
    templates: flags.templates === undefined ? undefined : await templatesOf(flags.templates),
  };
  if (kind === "benchmark") return scoreBenchmark(given, flags, prompts);
  const { classes, templates = ["{}"] } = prompts;
  if (!classes) throw new UsageError("--classes: what the inputs are scored against is needed");
  const page = await scoreInputs(kind, given, flags, classes, templates);
  printResult(flags.json, page, text);
}

async function scoreBenchmark(given: readonly string[], flags: Flags, prompts: Prompts): Promise<void> {
  if (given.length !== 1) throw new UsageError(`${given.length} benchmarks; one at a time`);
  if (flags.boxes.length > 0) throw new UsageError("--boxes: a benchmark has its own");
  const page = await benchmarkPage(given[0], flags, prompts);
  if (!page) printStopped("the same command goes on from the batches that are done");
  else printResult(flags.json, page, dataText);
}

/** Undefined when a stop was requested on the way. */
async function benchmarkPage(name: string, flags: Flags, prompts: Prompts): Promise<DataPage | undefined> {
  const benchmark = oneOf("data set", name, setNames);
  const protocol = await protocolOf(benchmark, flags.data);
  const known = benchmark === "own" ? splitsOf(protocol) : benchmarkSplits(benchmark);
  const split = flags.split === undefined ? protocol.on.at(-1)! : oneOf("split", flags.split, known);
  const prompted = promptedTasks(benchmark, protocol, prompts);
  const workers = workersFlag(flags.workers);
  const { plan, close } = await openPlan(flags);
  tellRemarks(plan); // they are among the page's notes
  const makes: [string, number][] = [["make data", Math.max(1, 0.02 * clipsToMake(flags.data))]];
  const progress = new Progress({ phases: [...makes, [`features of ${split}`, 60], ["texts", 5]] });
  try {
    const tokenizer = await tokenizerOf(plan.file, plan.model.takes, flags.bpe);
    refuseUnknown(tokenizer, prompts.classes ?? []);
    const stop = gracefulStop();
    const data = await benchmarkFolder(benchmark, flags.data, progress, stop);
    if (data === undefined) return undefined;
    const { checkpoint, cache, batchSize: batch, maxBad } = flags;
    const model = { tokenizer, plan, checkpoint };
    const request = { benchmark, protocol, split, prompted, ...model, data, cache, batch, workers, maxBad };
    const page = await zeroShotData(request, progress, stop);
    progress.end();
    if (page) warn(reportLines(page.texts, tokenizer, "prompts"));
    return page;
  } finally {
    progress.end();
    await close();
  }
}

async function scoreInputs(
  kind: VisualKind,
  given: readonly string[],
  flags: Flags,
  classes: readonly ZeroShotClass[],
  templates: readonly string[],
): Promise<ZeroShotPage> {
  const prompts = classes.reduce((sum, each) => sum + promptsOf(each, templates).length, 0);
  const progress = new Progress({
    phases: [
      ["load the model", 5],
      ["texts", 5],
      ["encode", 20],
    ],
  });
  const { plan, close } = await openPlan(flags);
  const notes = tellRemarks(plan);
  try {
    const tokenizer = await tokenizerOf(plan.file, plan.model.takes, flags.bpe);
    refuseUnknown(tokenizer, classes);
    const texts = reportPrompts(tokenizer, classes, templates);
    const { ids, unseen, short, pixels } = await openInputs(kind, given, flags, plan.model.takes);
    const options = { batch: flags.batchSize, at: (done: number) => progress.at(done) };
    const work = async (model: VideoText) => {
      progress.start("texts", prompts);
      const classifier = await zeroShotClassifier(model, tokenizer, classes, templates, options);
      refuseTwins(classes, classifier);
      progress.start("encode", ids.length);
      const features = await (kind === "images" ? encodeImages : encodeVideos)(model, pixels, options);
      const about = { checkpoint: basename(flags.checkpoint), kind, templates, classes, texts, unseen, short, notes };
      return pageOf(about, ids, features, classifier);
    };
    progress.start("load the model", 1);
    const page = await withModel(plan, work, (done, of) => progress.at(done / of));
    progress.end();
    warnOfOddities({ unseen, short }, plan.model.takes);
    warn(reportLines(texts, tokenizer, "prompts"));
    return page;
  } finally {
    progress.end();
    await close();
  }
}

function pageOf(
  about: Omit<ZeroShotPage, "inputs">,
  ids: readonly string[],
  features: Matrix,
  classifier: Matrix,
): ZeroShotPage {
  const logits = zeroShotLogits(features, classifier);
  const shares = probabilities(logits);
  const C = about.classes.length;
  const inputs = ids.map((id, n) => ({
    id,
    ranking: rankedClasses(logits, n).map((c) => ({
      class: about.classes[c].name,
      probability: shares.data[n * C + c],
      logit: logits.data[n * C + c],
    })),
  }));
  return { ...about, inputs };
}

function text({ inputs, classes }: ZeroShotPage): string {
  const width = Math.max(...classes.map(({ name }) => shown(name).length));
  const tables = inputs.map(({ id, ranking }) => {
    const lines = ranking.map(({ class: name, probability, logit }) => {
      const share = `${(100 * probability).toFixed(1)} %`.padStart(8);
      return `  ${shown(name).padEnd(width)}${share}${logit.toFixed(2).padStart(9)}`;
    });
    return [shown(id), ...lines].join("\n");
  });
  return `${tables.join("\n\n")}\n`;
}

/** A name as a terminal may show it. */
const shown = (name: string) => quoted(name).slice(1, -1);
