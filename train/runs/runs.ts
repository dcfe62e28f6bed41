// Finished runs on disk as the tables compare them: each folder with a config.json and a results.json, one or two levels below.
import { existsSync } from "node:fs";
import { readdir, stat } from "node:fs/promises";
import { basename, join } from "node:path";
import { createHash } from "node:crypto";
import * as v from "valibot";
import { orMissing } from "../../data/formats/cause.ts";
import { subjects } from "../../model/emotionclip/config.ts";
import { parseJson } from "../../data/formats/json.ts";
import { readRegular } from "../../data/formats/regular.ts";
import { FormatError } from "../../engine/errors.ts";
import { type RecipeName, recipeNames, recipeSchema } from "../recipe.ts";

/** What a tower is before its first update: seeded values, those of a file, or those that stay as they are. */
export type TowerState = "random" | "pretrained" | "frozen";

/** One finished training at the reduced setting. */
export interface RunSummary {
  readonly folder: string;
  readonly subject: "sap" | "saam" | "none";
  readonly beta: number;
  readonly head: string;
  readonly text: TowerState;
  readonly frames: TowerState;
  readonly seed: number;
  /** Everything else that decides a result, in words: runs are compared only where it is the same. */
  readonly setting: string;
  /** Figures of merit by name, as fractions. */
  readonly figures: readonly (readonly [name: string, value: number, note?: string])[];
  /** The data of a run on clips of one's own, in words; absent for the embedded set, the only one that the paper's rows compare. */
  readonly own?: string;
}

/** Settings that a comparison varies, or that do not change what is learnt. */
const free: readonly RecipeName[] = [
  "model", // told by its sizes
  "pretrained",
  "freshImage",
  "freshText",
  "freshHead",
  "lockImage",
  "lockText",
  "trainData",
  "valData",
  "steps",
  "batch",
  "seed",
  "subject",
  "beta",
  "head",
  "workers",
  "checkpointEvery",
  "keep",
  "best",
  "evalEvery",
  "maxBad",
  "micro",
  "cacheFeatures",
];

const most = 2 ** 20;

/**
 * All finished runs below `folder` that measured something, in the order of their names; none where there is no such folder. Of those
 * whose model has no temporal head the paper's tables have no row: they are counted and named to `say`.
 */
export async function finishedRuns(folder: string, say: (line: string) => void = () => {}): Promise<RunSummary[]> {
  const found: RunSummary[] = [];
  const without: string[] = [];
  for (const path of await foldersBelow(folder, 2)) {
    if (!existsSync(join(path, "results.json")) || !existsSync(join(path, "config.json"))) continue;
    const run = await readRun(path);
    if (run === undefined) without.push(path);
    else if (run.figures.length > 0) found.push(run);
  }
  if (without.length > 0)
    say(
      `${folder}: ${without.length} finished run${without.length > 1 ? "s" : ""} of a model without a temporal head, ` +
        `passed over: ${without.slice(0, 3).join(", ")}${without.length > 3 ? ", …" : ""}`,
    );
  return found;
}

/** The run below `folder` that was finished last; undefined without any. */
export async function newestRun(folder: string): Promise<string | undefined> {
  let newest: { path: string; at: number } | undefined;
  for (const path of await foldersBelow(folder, 1)) {
    const found = await stat(join(path, "results.json")).catch(() => undefined);
    if (!found || !existsSync(join(path, "checkpoint.safetensors"))) continue;
    if (!newest || found.mtimeMs > newest.at) newest = { path, at: found.mtimeMs };
  }
  return newest?.path;
}

/** Folders in a folder by name, so many levels down; none where it is missing. */
export async function foldersBelow(folder: string, depth: number): Promise<string[]> {
  const entries = (await readdir(folder, { withFileTypes: true }).catch(orMissing(folder))) ?? [];
  const paths = entries.filter((entry) => entry.isDirectory()).map(({ name }) => join(folder, name));
  paths.sort();
  if (depth === 1) return paths;
  const inner = await Promise.all(paths.map((path) => foldersBelow(path, depth - 1)));
  return paths.flatMap((path, i) => [path, ...inner[i]]);
}

const configShape = v.object({
  seed: v.number(),
  subject: v.picklist(subjects),
  beta: v.number(),
  steps: v.number(),
  batch: v.number(),
  data: v.string(),
  model: v.looseObject({ head: v.optional(v.looseObject({ kind: v.string() })) }),
});
/** Figures of merit as files hold them, with a note where they have one: what is no number is null there. */
export const figureRows = v.array(
  v.tuple([
    v.string(),
    v.pipe(
      v.nullable(v.number()),
      v.transform((value) => value ?? Number.NaN),
    ),
    v.optional(v.string()),
  ]),
);

/** What a run was trained and measured on, as results.json tells it. */
export interface RunData {
  /** Name of a set that everybody has; null for anybody's own. */
  readonly set: "stage" | null;
  /** Its folder's name. */
  readonly name: string;
  readonly train: number;
  readonly test: number;
  /** Number of label categories, 0 for clips without labels. */
  readonly categories: number;
}

const runDataShape = v.looseObject({
  set: v.nullable(v.literal("stage")),
  name: v.string(),
  train: v.number(),
  test: v.number(),
  categories: v.number(),
});
const resultsShape = v.object({
  before: figureRows,
  after: figureRows,
  seconds: v.number(),
  data: v.optional(runDataShape),
});

/** A finished run; undefined for one whose model has no temporal head. */
async function readRun(folder: string): Promise<RunSummary | undefined> {
  const readHere = <S extends v.GenericSchema>(name: string, shape: S) =>
    read(join(folder, name), shape, `${folder}: ${name}`);
  const settings = await readHere("config.json", v.record(v.string(), v.unknown()));
  const { seed, subject, beta, steps, batch, data, model } = await readHere("config.json", configShape);
  const { after, data: about } = await readHere("results.json", resultsShape);
  const { head } = model;
  if (head === undefined) return undefined;
  const others = recipeNames
    .filter((name) => !free.includes(name))
    .filter((name) => (settings[name] ?? recipeSchema[name].value) !== recipeSchema[name].value)
    .map((name) => `${name} ${settings[name]}`);
  return {
    folder,
    subject,
    beta,
    head: head.kind,
    text: towerState(settings, settings.freshText, settings.lockText),
    frames: towerState(settings, settings.freshImage, settings.lockImage),
    seed,
    setting: [`${steps} steps of ${batch} on ${basename(data)}`, ...others, `model ${sizesOf(model, head)}`].join(", "),
    figures: after,
    ...ownName(about, basename(data)),
  };
}

/** What a tower began as; one that is locked at seeded values counts as frozen too. */
function towerState({ pretrained }: Record<string, unknown>, fresh: unknown, locked: unknown): TowerState {
  if (locked === true) return "frozen";
  return pretrained == null || fresh === true ? "random" : "pretrained";
}

/** Runs of version 0.1 tell only their folder: that of the embedded set is called v2-seed2022. */
function ownName(about: RunData | undefined, folder: string): { own?: string } {
  if (about ? about.set === "stage" : /^v\d+-seed\d+$/.test(folder)) return {};
  if (!about) return { own: folder };
  const { name, train, test, categories } = about;
  return { own: `${name}: ${train} clips to train on, ${test} held out, ${categories || "no"} categories` };
}

/** Six digits of the model's configuration without what a comparison varies. */
function sizesOf(model: Record<string, unknown>, head: Record<string, unknown>): string {
  const { subject: _, saam: __, ...rest } = model;
  const text = JSON.stringify({ ...rest, head: { ...head, kind: undefined } });
  return createHash("sha256").update(text).digest("hex").slice(0, 6);
}

/** A JSON file of the given shape; anything else is a FormatError that names the file, as `name`, and the place. */
export async function read<S extends v.GenericSchema>(
  path: string,
  shape: S,
  name = basename(path),
): Promise<v.InferOutput<S>> {
  const result = v.safeParse(shape, plain(parseJson(await readRegular(path, most, name), name, most)));
  if (result.success) return result.output;
  const [issue] = result.issues;
  throw new FormatError(`${name}: ${v.getDotPath(issue) ?? "content"}: ${issue.message}`);
}

/** Objects with a prototype, which the schemas expect; parseJson has refused duplicate keys. */
const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value));
