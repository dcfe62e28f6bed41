// Zero-shot recognition of a whole data set: its features, kept as `emotionclip eval` keeps them, against its classes in words.
import type { SetName } from "../../data/sets/index.ts";
import { quoted } from "../../data/formats/json.ts";
import { reportTexts, type TextsReport } from "../../data/tokenizer/report.ts";
import type { Tokenizer } from "../../data/tokenizer/clip.ts";
import type { Emotion } from "../../data/stage/emotions.ts";
import { emotionTexts } from "../../data/stage/prompts.ts";
import { UsageError } from "../../engine/errors.ts";
import type { Matrix } from "../matrix.ts";
import { anyLabelAccuracy, type Macro, macroAveragePrecision, macroRocAuc } from "../probes/metrics.ts";
import { meanNote, noPositive, oneSided } from "../probes/not-defined.ts";
import type { Protocol, Task } from "../probes/protocol.ts";
import type { Targets } from "../probes/outcome.ts";
import {
  emotionTemplates,
  promptsOf,
  sameClasses,
  scoreZeroShot,
  type ZeroShotClass,
  zeroShotClassifier,
  zeroShotLogits,
  type ZeroShotScore,
  whyUnknown,
} from "./zero-shot.ts";
import { type Extraction, extractSplits, type Extracted } from "../features/splits.ts";
import type { LoadPlan } from "../../model/checkpoint/plan.ts";
import { withModel } from "../../model/checkpoint/open-model.ts";
import type { Meter, StopRequest } from "../../data/threads/long-work.ts";

/** What `--json` prints. */
export interface DataPage {
  readonly benchmark: SetName;
  readonly split: string;
  readonly model: string;
  readonly samples: number;
  /** Samples that could not be read and are not scored. */
  readonly leftOut: number;
  readonly tasks: readonly DataTask[];
  readonly notes: readonly string[];
  /** What becomes of the prompts of all tasks. */
  readonly texts: TextsReport;
}

/** One way in which the samples are labelled. Shares from 0 to 1. */
export interface DataTask {
  readonly task: string;
  readonly classes: readonly ZeroShotClass[];
  readonly templates: readonly string[];
  /** Where a sample has one class. Rows of `confusion` are the true classes. */
  readonly single?: Single;
  /** Where it may have several; `accuracy` asks whether the best-scored class is among them. */
  readonly several?: { readonly mAP: number; readonly AUC: number; readonly accuracy: number };
  /** Of figures that the labels do not define (NaN, in JSON null), or that leave classes out: why. */
  readonly reasons?: Readonly<Record<string, string>>;
}

type Single = Omit<ZeroShotScore, "confusion"> & { readonly confusion: readonly (readonly number[])[] };

/** Classes and templates of the command line, where it has some. */
export interface Prompts {
  readonly classes?: readonly ZeroShotClass[];
  readonly templates?: readonly string[];
}

/** A task with its texts. */
export interface Prompted {
  readonly task: Task;
  readonly classes: readonly ZeroShotClass[];
  readonly templates: readonly string[];
}

/** A split of a data set, the tasks that it is scored by, and the model that scores it. */
export interface DataRequest extends Omit<Extraction, "protocol" | "switchOptions"> {
  readonly split: string;
  readonly protocol: Protocol;
  readonly prompted: readonly Prompted[];
  readonly tokenizer: Tokenizer;
}

/** Scores a split of a data set; undefined when a stop was requested on the way. */
export async function zeroShotData(
  { split, prompted: wanted, tokenizer, protocol: whole, ...rest }: DataRequest,
  progress: Meter,
  stop: StopRequest,
): Promise<DataPage | undefined> {
  const { benchmark, plan } = rest;
  const refusals = wanted.map(({ task, classes }) => ({ task, why: whyUnknown(tokenizer, classes) }));
  const prompted = wanted.filter((_, i) => refusals[i].why === undefined);
  if (prompted.length === 0)
    throw new UsageError(
      `${refusals[0].task.name}: ${refusals[0].why}; --classes <file.json> says them in words that it knows`,
    );
  const protocol = { ...whole, fit: split, on: [] };
  const found = await extractSplits({ ...rest, protocol, switchOptions: {} }, progress, stop);
  if (!found) return undefined;
  const notes = refusals.flatMap(({ task, why }) => (why === undefined ? [] : [`${task.name}: not scored; ${why}`]));
  const classifiers = await classifiersOf(plan, prompted, tokenizer, progress);
  const page = pageOf(prompted, classifiers, found);
  const texts = prompted.flatMap(({ classes, templates }) => classes.flatMap((each) => promptsOf(each, templates)));
  const report = reportTexts(tokenizer, texts, (i) => quoted(texts[i]));
  const leftOut = found.leftOut?.get(split) ?? 0;
  return { benchmark, split, leftOut, ...page, notes: [...page.notes, ...notes], texts: report };
}

/** The classes of each task in words; a task whose classes are not the given ones is left out. */
export function promptedTasks(benchmark: SetName, protocol: Protocol, { classes, templates }: Prompts): Prompted[] {
  const tasks = protocol.tasks.filter(({ target }) => target !== "values");
  if (tasks.length === 0) throw new UsageError(`${benchmark} has no classes, which zero-shot recognition needs`);
  const texts = new Map(classes?.map((each) => [each.name, each]));
  const found = tasks.flatMap((task): Prompted[] => {
    if (!classes) return [builtIn(benchmark, task, templates)];
    if (texts.size !== task.of.length || !task.of.every((name) => texts.has(name))) return [];
    return [{ task, classes: task.of.map((name) => texts.get(name)!), templates: templates ?? ["{}"] }];
  });
  if (found.length > 0) return found;
  const lists = tasks.map(({ name, of }) => `${name}: ${of.join(", ")}`);
  throw new UsageError(`--classes: ${benchmark} has these, and all of them are needed: ${lists.join("; or ")}`);
}

/** What people on the stage say in an emotion; elsewhere the names of the classes in prompts for emotions. */
function builtIn(benchmark: SetName, task: Task, templates: readonly string[] | undefined): Prompted {
  if (benchmark === "stage" && task.target === "label") {
    const classes = task.of.map((name) => ({ name, texts: emotionTexts[name as Emotion] }));
    return { task, classes, templates: templates ?? ["{}"] };
  }
  const classes = task.of.map((name) => ({ name, texts: [name] }));
  return { task, classes, templates: templates ?? emotionTemplates };
}

async function classifiersOf(
  plan: LoadPlan,
  prompted: readonly Prompted[],
  tokenizer: Tokenizer,
  progress: Meter,
): Promise<Matrix[]> {
  progress.start("texts", prompted.length);
  return withModel(plan, async (model) => {
    const made: Matrix[] = [];
    for (const { classes, templates } of prompted) {
      made.push(await zeroShotClassifier(model, tokenizer, classes, templates));
      progress.at(made.length);
    }
    return made;
  });
}

function pageOf(
  prompted: readonly Prompted[],
  classifiers: readonly Matrix[],
  { splits: [{ features, targets }], source, notes }: Extracted,
): Omit<DataPage, "benchmark" | "split" | "leftOut" | "texts"> {
  const said = [...notes];
  const tasks = prompted.flatMap(({ task, classes, templates }, i): DataTask[] => {
    const twins = sameClasses(classifiers[i]);
    const about = { task: task.name, classes, templates };
    const scores = scoresOf(task, zeroShotLogits(features, classifiers[i]), targets);
    if (!twins && scores) return [{ ...about, ...scores }];
    const names = twins?.map((c) => quoted(classes[c].name)).join(" and ");
    said.push(`${task.name}: not scored; ${names ? `${names} are the same to this model` : "samples have no label"}`);
    return [];
  });
  return { model: source, samples: features.shape[0], tasks, notes: said };
}

function scoresOf(
  { target, of, leavesOut }: Task,
  logits: Matrix,
  { label, labels }: Targets,
): Pick<DataTask, "single" | "several" | "reasons"> | undefined {
  if (target === "label") return label && { single: inRows(scoreZeroShot(logits, label)) };
  if (!labels) return undefined;
  const [ap, auc] = [macroAveragePrecision(labels, logits), macroRocAuc(labels, logits)];
  const note = ({ undefinedClasses }: Macro, why: string) => meanNote(of, undefinedClasses, why);
  const [mAP, AUC] = [ap, auc].map(({ mean, meanDefined }) => (leavesOut ? meanDefined : mean));
  const reasons = {
    ...(ap.undefinedClasses.length > 0 && leavesOut && { mAP: note(ap, noPositive)! }),
    ...(auc.undefinedClasses.length > 0 && { AUC: note(auc, oneSided)! }),
  };
  return {
    several: { mAP, AUC, accuracy: anyLabelAccuracy(labels, logits) },
    ...(Object.keys(reasons).length > 0 && { reasons }),
  };
}

function inRows({ confusion: { data, shape }, ...shares }: ZeroShotScore): Single {
  const C = shape[1];
  return { ...shares, confusion: Array.from({ length: C }, (_, c) => Array.from(data.subarray(c * C, (c + 1) * C))) };
}

/** The page as text: figures, recall of each class, and who is taken for whom. */
export function dataText({ benchmark, split, model, samples, tasks, notes }: DataPage): string {
  const blocks = tasks.map(({ task, classes, templates, single, several, reasons = {} }) => {
    const head = `${task}: ${classes.length} classes, ${templates.length} ${templates.length === 1 ? "template" : "templates"}`;
    if (several) {
      const { mAP, AUC, accuracy } = several;
      const said = Object.entries(reasons).map(([figure, why]) => `  ${figure}: ${why}`);
      return [head, `  mAP ${percent(mAP)}  AUC ${percent(AUC)}  accuracy ${percent(accuracy)}`, ...said].join("\n");
    }
    const { top1, top5, war, uar } = single!;
    const figures = `  top-1 ${percent(top1)}  top-5 ${percent(top5)}  WAR ${percent(war)}  UAR ${percent(uar)}`;
    return [head, figures, ...confusionLines(classes, single!)].join("\n");
  });
  return [`${benchmark} ${split}, ${samples} samples, ${model}`, ...blocks, ...notes].join("\n\n").concat("\n");
}

/** Recall of each class, and what its samples were recognised as. */
function confusionLines(classes: readonly ZeroShotClass[], { recall, confusion }: Single): string[] {
  const width = Math.max(...classes.map(({ name }) => name.length));
  const rows = classes.map(({ name }, c) => {
    const counts = confusion[c].map((n) => String(n).padStart(5)).join("");
    const share = confusion[c].some((n) => n > 0) ? percent(recall[c]) : "-";
    return `  ${name.padEnd(width)}${share.padStart(9)} ${counts}`;
  });
  return [`  ${"true".padEnd(width)}${"recall".padStart(9)}   recognised as each, in this order`, ...rows];
}

const percent = (share: number) => (Number.isNaN(share) ? "not defined" : `${(100 * share).toFixed(2)} %`);
