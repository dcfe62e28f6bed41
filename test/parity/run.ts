// All checks over a folder: one result for each file that the manifest lists.
import { type Check, isTensors } from "./check.ts";
import { weightFacts, weightFeatures, weightFiles } from "./checkpoints.ts";
import { classTables, dataFolders, dataTensors, dataValues } from "./data.ts";
import type { Folder } from "./folder.ts";
import { downstream, officialSize, temporal, training, whole } from "./emoclip/checks.ts";
import { figures, names, pictures, sampling, tokens, turns } from "./emoclip/tables.ts";
import { imageResize, integerRules, maskResize } from "./images.ts";
import { lossTensors, lossValues } from "./loss.ts";
import { metricTensors, metricValues, npyFiles } from "./metrics.ts";
import { config, drawnValues, inputs, intermediates, saamTower, variants, weights, zeroShot } from "./model.ts";
import { ops, saamAttention } from "./ops.ts";
import { modelConfigs, paperTables, positions, stateDict } from "./tables.ts";
import { texts } from "./texts.ts";
import { frameFiles, trainingFolders } from "./training-set.ts";
import { adamwSettings, gradients, schedules, sequence, steps } from "./training.ts";
import { Verdict } from "./verdict.ts";

/** In order: the first that takes a file decides it. */
const checks: readonly Check[] = [
  ...[
    config,
    weights,
    inputs,
    drawnValues,
    intermediates,
    lossTensors,
    lossValues,
    gradients,
    adamwSettings,
    steps,
    sequence,
  ],
  ...[variants, zeroShot, saamTower, saamAttention],
  ...[schedules, metricTensors, metricValues, npyFiles],
  ...[imageResize, maskResize, integerRules],
  ...[weightFiles, weightFacts, weightFeatures, texts],
  ...[dataFolders, dataValues, dataTensors, classTables, trainingFolders, frameFiles],
  ...[modelConfigs, stateDict, positions, paperTables],
  ...[temporal, whole, training, downstream, officialSize, sampling, figures, tokens, names, pictures, turns],
  ops,
];

/** What became of a file. `none`: nothing here knows how to check it. */
export interface Result {
  readonly file: string;
  readonly outcome: "pass" | "fail" | "none";
  readonly comparisons: number;
  /** The worst deviation as a share of its tolerance, and where. */
  readonly worst?: { readonly share: number; readonly name: string; readonly at: number };
  readonly failures: readonly string[];
  /** Tensors of the file that nothing was compared with, and other remarks. */
  readonly notes: readonly string[];
}

/** Checks one file; whatever goes wrong is its failure. */
export async function checkFile(folder: Folder, file: string): Promise<Result> {
  const verdict = new Verdict(folder, file);
  const damage = folder.damage(file);
  if (damage) return resultOf(verdict, [damage]);
  let check: Check | undefined;
  try {
    check = checks.find(({ takes }) => takes(file, folder));
    await check?.run(verdict);
  } catch (error) {
    return resultOf(verdict, [messageOf(error)]);
  }
  if (!check) return { ...resultOf(verdict, []), outcome: "none", notes: [describe(folder, file)] };
  if (verdict.comparisons === 0) verdict.fail("nothing was compared");
  return resultOf(verdict, []);
}

function resultOf(verdict: Verdict, more: readonly string[]): Result {
  const { file, comparisons, worst, notes } = verdict;
  const failures = [...verdict.failures, ...more];
  const left = failures.length === 0 ? verdict.left : [];
  const remarks = left.length ? [`without a check: ${left.join(", ")}`] : [];
  return {
    file,
    outcome: failures.length ? "fail" : "pass",
    comparisons,
    ...(worst && { worst: { share: worst.share, name: worst.name, at: worst.at } }),
    failures,
    notes: [...notes, ...remarks],
  };
}

const messageOf = (error: unknown): string =>
  error instanceof Error ? `${error.name}: ${error.message}` : String(error);

function describe(folder: Folder, file: string): string {
  const { kind, desc = "no description" } = folder.entry(file);
  const held = isTensors(file) ? ` (${folder.tensors(file).names.slice(0, 6).join(", ")} …)` : "";
  return `no check: ${kind}, ${desc.slice(0, 100)}${held}`;
}
