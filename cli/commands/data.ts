// `emotionclip data`: looks over shards without training, and makes the index of shards from elsewhere.
import { Command } from "commander";
import { checkSplit, indexShards, type SplitReport, splitsIn } from "../../data/shards/check.ts";
import { isFolder } from "../../data/footage/files.ts";
import { readIndex } from "../../data/shards/index-file.ts";
import { survey } from "../../data/shards/survey.ts";
import { FormatError, UsageError } from "../../engine/errors.ts";
import { defaults } from "../../train/settings.ts";
import { vanishing } from "../../train/vanishing.ts";
import { Progress } from "../terminal/progress.ts";
import { checkFaces, faceCheckText } from "../face-check.ts";
import { facesIn } from "../face-source.ts";
import { whole } from "../flags.ts";
import { print, printResult } from "../terminal/streams.ts";

export function command(): Command {
  const check = new Command("check")
    .description(
      "compare shards with their index, and read every clip; exit 3 where something is wrong (of faces it counts what is)",
    )
    .argument(
      "<folder>",
      "shards with <split>-index.json; or faces as dfew:FOLDER, whose lists are held against the disk",
    )
    .option("--split <split>", "one split (default: all)")
    .option("--fold <n>", "of faces: one fold (default: all)", (text) => whole("fold", text, 1, 5))
    .option("--decode", "also decode every frame")
    .option("--json", "one JSON object instead of text")
    .action(checkFolder);
  const index = new Command("index")
    .description("write <split>-index.json for the tar files <split>-*.tar of a folder")
    .argument("<folder>", "the tar files")
    .argument("<split>", "their split: train, test")
    .option(
      "--categories <names>",
      "names of the categories that the clips carry, a,b,c (default: those of the index that is there)",
    )
    .action(makeIndex);
  return new Command().addCommand(check).addCommand(index);
}

/** What `data check --json` prints. */
export interface DataCheck {
  readonly folder: string;
  readonly decoded: boolean;
  readonly splits: readonly (SplitReport & { readonly warnings: readonly string[] })[];
}

interface CheckFlags {
  split?: string;
  fold?: number;
  decode?: boolean;
  json?: boolean;
}

/** Of faces both splits are read, and no picture decoded but a few. */
function foldOf({ split, decode, fold }: CheckFlags): number | undefined {
  if (split !== undefined || decode)
    throw new UsageError("--split and --decode say something of shards, not of faces (dfew:FOLDER)");
  return fold;
}

async function checkFolder(folder: string, flags: CheckFlags): Promise<void> {
  const faces = facesIn(folder);
  if (faces) return printResult(flags.json, await checkFaces(faces, foldOf(flags)), faceCheckText);
  if (!(await isFolder(folder))) throw new UsageError(`${folder}: is not a folder`);
  if (flags.fold !== undefined) throw new UsageError("--fold says something of faces (dfew:FOLDER), not of shards");
  const { split, decode = false } = flags;
  const names = split === undefined ? splitsIn(folder) : [split];
  const phases = names.flatMap((name): [string, number][] => [
    [`sha256 of ${name}`, 5],
    [`clips of ${name}`, decode ? 30 : 2],
  ]);
  const progress = new Progress({ phases });
  const splits: DataCheck["splits"][number][] = [];
  for (const name of names) {
    const start = (phase: string, total: number) => progress.start(phase, total);
    const { report, set } = await checkSplit(folder, name, { decode, start, at: (done) => progress.at(done) });
    splits.push({ ...report, warnings: vanishing(survey(set), defaults) });
  }
  progress.end();
  printResult(flags.json, { folder, decoded: decode, splits } satisfies DataCheck, page);
  const wrong = splits.reduce((sum, { faults, bad }) => sum + faults.length + bad.length, 0);
  if (wrong > 0) throw new FormatError(`${folder}: ${wrong} ${wrong === 1 ? "fault" : "faults"}`);
}

/** Lines of a kind that the page shows. */
const SHOWN = 20;

function page({ splits, decoded }: DataCheck): string {
  return splits.map((split) => [head(split, decoded), ...details(split)].join("\n")).join("\n");
}

function head({ split, shards, bytes, samples, frames: [least, most] }: SplitReport, decoded: boolean): string {
  const frames = least === most ? `${most}` : `${least} to ${most}`;
  const depth = decoded ? "every frame decoded" : "frames not decoded (--decode)";
  return `${split}: ${shards} shards, ${(bytes / 1e6).toFixed(1)} MB, ${samples} clips of ${frames} frames; ${depth}`;
}

function details({ faults, bad, samples, unlisted, warnings }: DataCheck["splits"][number]): string[] {
  const listed = (lines: readonly string[]) => [
    ...lines.slice(0, SHOWN).map((line) => `    ${line}`),
    ...(lines.length > SHOWN ? [`    … and ${lines.length - SHOWN} more (--json lists all)`] : []),
  ];
  return [
    ...(faults.length > 0 ? [`  not as the index says: ${faults.length}`, ...listed(faults)] : []),
    ...(bad.length > 0 ? [`  bad clips: ${bad.length} of ${samples}`, ...listed(bad.map(({ reason }) => reason))] : []),
    ...(faults.length + bad.length === 0 ? ["  all is as the index says"] : []),
    ...(unlisted.length > 0 ? [`  not in the index, and read by nobody: ${unlisted.join(", ")}`] : []),
    ...warnings.map((warning) => `  warning: ${warning}`),
  ];
}

async function makeIndex(folder: string, split: string, { categories }: { categories?: string }): Promise<void> {
  if (!(await isFolder(folder))) throw new UsageError(`${folder}: is not a folder`);
  const names = categories?.split(",").map((name) => name.trim()) ?? categoriesBefore(folder, split);
  const { samples, shards } = await indexShards(folder, split, names);
  print(`${split}-index.json: ${samples} clips in ${shards.length} tar files`);
}

/** The categories of the index that is replaced; none where there is none that can be read. */
function categoriesBefore(folder: string, split: string): readonly string[] {
  try {
    return readIndex(folder, split).categories;
  } catch (error) {
    if (error instanceof FormatError) return [];
    throw error;
  }
}
