// Features that somebody else computed: .npy files, one per split, or one .safetensors file. They are checked as a whole before
// anything is fitted; every refusal names file, row and column.

import { basename } from "node:path";
import { quoted } from "../../data/formats/json.ts";
import { type NpyArray, npyLimits, readNpyFile } from "../../data/formats/npy.ts";
import { FormatError, nearest, UsageError } from "../../engine/errors.ts";
import { takes } from "../../engine/takes.ts";
import { SafetensorsFile } from "../../data/formats/safetensors.ts";
import { type Matrix, matrix } from "../matrix.ts";
import { type Protocol, splitsOf, type Target, type Task } from "../probes/protocol.ts";
import type { SplitFeatures, Targets } from "../probes/outcome.ts";

/** A file's part of a split. Targets may be missing: they then come from the data set itself. */
export interface FileSplit {
  readonly name: string;
  readonly file: string;
  readonly features: Matrix;
  readonly targets: Targets;
}

/**
 * Reads what `--features` names: `train.npy,val.npy` in the protocol's order of splits, `val=x.npy,train=y.npy` in any, or one
 * `x.safetensors`. A .npy file holds the features [N, D], alone or followed by the targets as in the official cache; targets of
 * several numbers per sample that are neither 0 nor 1 are values. A safetensors file names its tensors `<split>.features`,
 * `<split>.labels` [N, C], `<split>.label` [N], `<split>.values` [N, V].
 */
export async function readFeatureFiles(text: string, protocol: Protocol): Promise<FileSplit[]> {
  takes("readFeatureFiles(text: text, protocol: { fit: text, on: text[], tasks: object[], ... }, ...)", arguments);
  const names = text.split(",").map((name) => name.trim());
  if (names.some((name) => name === "")) throw new UsageError(`--features: an empty name in ${quoted(text)}`);
  if (names.length === 1 && names[0].endsWith(".safetensors")) return readSafetensors(names[0], protocol);
  const known = splitsOf(protocol);
  const places = names.map((name, i) => placeOf(name, i, names, known));
  const seen = new Set<string>();
  for (const { split } of places) {
    if (seen.has(split)) throw new UsageError(`--features: the split ${split} twice`);
    seen.add(split);
  }
  return places.map(({ split, path }) => readNpySplit(split, path, protocol));
}

function placeOf(text: string, i: number, all: readonly string[], known: readonly string[]) {
  const named = /^([a-z]+)=(.+)$/.exec(text);
  if (named) {
    const [, split, path] = named;
    if (known.includes(split)) return { split, path };
    const near = nearest(split, known);
    throw new UsageError(
      `--features: unknown split ${quoted(split)}${near ? ` (did you mean ${near}?)` : ""}; known: ${known.join(", ")}`,
    );
  }
  if (all.length > known.length)
    throw new UsageError(
      `--features: ${all.length} files, but the protocol has ${known.length} splits: ${known.join(", ")}`,
    );
  return { split: known[i], path: text };
}

function readNpySplit(name: string, path: string, protocol: Protocol): FileSplit {
  const file = basename(path);
  if (path.endsWith(".safetensors"))
    throw new UsageError(
      `--features: a .safetensors file holds all splits and stands alone, found with others: ${quoted(file)}`,
    );
  const [features, ...rest] = readNpyFile(path);
  if (rest.length > protocol.tasks.length)
    throw new FormatError(
      `${file}: ${rest.length + 1} arrays; features and targets are at most ${protocol.tasks.length + 1}`,
    );
  const checked = checkFeatures(features, file, "features");
  const targets: Partial<Record<Target, Matrix>> = {};
  for (const array of rest) {
    const kind = kindOf(array, protocol, file);
    if (targets[kind.target]) throw new FormatError(`${file}: two arrays of ${kind.target}`);
    targets[kind.target] = checkTarget(array, kind, checked, file, "targets");
  }
  return { name, file, features: checked, targets: targetsOf(targets) };
}

/** The task that an array of targets without a name is for: by its width and its values. */
function kindOf({ shape, data }: NpyArray, { tasks }: Protocol, file: string): Task {
  const width = shape.length === 1 ? 1 : shape[1];
  const fits = tasks.filter(({ target, of }) => (target === "label" ? width === 1 : width === of.length));
  const isBinary = !data.some((v) => v !== 0 && v !== 1);
  const found = fits.find(({ target }) => target === "label" || (target === "labels") === isBinary) ?? fits[0];
  if (found) return found;
  const allowed = tasks.map(({ target, of }) => (target === "label" ? "[N]" : `[N, ${of.length}]`)).join(" or ");
  throw new FormatError(`${file}: targets have shape [${shape.join(", ")}]; ${allowed} is expected`);
}

async function readSafetensors(path: string, protocol: Protocol): Promise<FileSplit[]> {
  const file = basename(path);
  const opened = await SafetensorsFile.open(path);
  try {
    const known = splitsOf(protocol);
    const byTarget = new Map(protocol.tasks.map((task) => [task.target as string, task]));
    for (const name of opened.tensors.keys()) checkName(name, known, [...byTarget.keys()], file);
    const splits: FileSplit[] = [];
    for (const split of known) {
      const array = await arrayOf(opened, `${split}.features`);
      if (!array) {
        const orphan = [...opened.tensors.keys()].find((name) => name.startsWith(`${split}.`));
        if (orphan) throw new FormatError(`${file}: has ${quoted(orphan)}, but no ${quoted(`${split}.features`)}`);
        continue;
      }
      const features = checkFeatures(array, file, `${split}.features`);
      const targets: Partial<Record<Target, Matrix>> = {};
      for (const task of byTarget.values()) {
        const name = `${split}.${task.target}`;
        const found = await arrayOf(opened, name);
        if (found) targets[task.target] = checkTarget(found, task, features, file, name);
      }
      splits.push({ name: split, file, features, targets: targetsOf(targets) });
    }
    return splits;
  } finally {
    await opened.close();
  }
}

function checkName(name: string, splits: readonly string[], targets: readonly string[], file: string): void {
  const known = splits.flatMap((split) => ["features", ...targets].map((kind) => `${split}.${kind}`));
  if (known.includes(name)) return;
  const near = nearest(name, known);
  throw new FormatError(
    `${file}: unknown tensor ${quoted(name)}${near ? ` (did you mean ${near}?)` : ""}; known: ${known.join(", ")}`,
  );
}

async function arrayOf(opened: SafetensorsFile, name: string): Promise<NpyArray | undefined> {
  const info = opened.tensors.get(name);
  if (!info) return undefined;
  if (info.bytes > npyLimits.bytes)
    throw new FormatError(
      `${basename(opened.path)}: ${quoted(name)} has ${info.bytes} bytes; at most ${npyLimits.bytes} are read`,
    );
  return { shape: info.shape, data: await opened.floats(name) };
}

/** Features [samples, width] of finite numbers; anything else is a FormatError of the file. */
export function checkFeatures({ shape, data }: NpyArray, file: string, what: string): Matrix {
  const [n, d] = shape;
  if (shape.length !== 2 || n === 0 || d === 0)
    throw new FormatError(
      `${file}: ${what} have shape [${shape.join(", ")}]; [samples, width] is expected, both above 0`,
    );
  const wrong = data.findIndex((v: number) => !Number.isFinite(v));
  if (wrong >= 0) throw bad(file, what, wrong, d, data[wrong], "a finite number");
  return matrix(n, d, data);
}

function checkTarget({ shape, data }: NpyArray, task: Task, features: Matrix, file: string, what: string): Matrix {
  const { target, of } = task;
  const [n] = features.shape;
  const width = shape.length === 1 ? 1 : (shape[1] ?? 0);
  const wanted = target === "label" ? 1 : of.length;
  if (shape.length < 1 || shape.length > 2 || shape[0] !== n || width !== wanted) {
    const allowed = target === "label" ? `[${n}]` : `[${n}, ${wanted}]`;
    throw new FormatError(`${file}: ${what} have shape [${shape.join(", ")}]; ${allowed} is expected`);
  }
  const isRight: (v: number) => boolean =
    target === "labels"
      ? (v) => v === 0 || v === 1
      : target === "label"
        ? (v) => Number.isInteger(v) && v >= 0 && v < of.length
        : (v) => Number.isFinite(v);
  const wrong = data.findIndex((v: number) => !isRight(v));
  const allowed =
    target === "labels"
      ? "0 or 1"
      : target === "label"
        ? `a whole number from 0 to ${of.length - 1}`
        : "a finite number";
  if (wrong >= 0) throw bad(file, what, wrong, width, data[wrong], allowed);
  return matrix(n, width, data);
}

const bad = (file: string, what: string, at: number, width: number, value: number, allowed: string) =>
  new FormatError(
    `${file}: ${what}: row ${Math.floor(at / width)}, column ${at % width} is ${value}; ${allowed} is expected`,
  );

const targetsOf = ({ labels, label, values }: Partial<Record<Target, Matrix>>): Targets => ({
  ...(labels && { labels }),
  ...(label && { label: label.data }),
  ...(values && { values }),
});

/**
 * Puts features and targets together: targets from the files win over those of the data set, `known` by split. Refuses other
 * numbers of samples, widths that differ between splits, and splits without any targets.
 */
export function joinTargets(
  files: readonly FileSplit[],
  known: ReadonlyMap<string, Targets>,
  protocol: Protocol,
): SplitFeatures[] {
  takes(
    "joinTargets(files: { name: text, file: text, features: matrix, targets: object, ... }[], " +
      "known: map, protocol: { fit: text, on: text[], tasks: object[], ... }, ...)",
    arguments,
  );
  const [first] = files;
  for (const needed of [protocol.fit])
    if (!files.some(({ name }) => name === needed))
      throw new UsageError(`--features: features of the split ${needed} are missing; probes are fitted on it`);
  if (!files.some(({ name }) => protocol.on.includes(name)))
    throw new UsageError(`--features: features of a split to evaluate on are missing: ${protocol.on.join(" or ")}`);
  return files.map(({ name, file, features, targets }) => {
    const [n, d] = features.shape;
    if (d !== first.features.shape[1])
      throw new FormatError(
        `${file}: features have ${d} columns, but those of ${first.file} have ${first.features.shape[1]}`,
      );
    const own = known.get(name);
    const count = own && samplesOf(own);
    if (count !== undefined && count !== n)
      throw new FormatError(`${file}: features of ${n} samples, but the split ${name} of the data set has ${count}`);
    const joined = { ...own, ...targets };
    if (!protocol.tasks.some(({ target }) => joined[target]))
      throw new UsageError(`${file} holds no targets; --data <folder of the data set> gives them`);
    return { name, features, targets: joined };
  });
}

const samplesOf = ({ labels, label, values }: Targets): number | undefined =>
  labels?.shape[0] ?? label?.length ?? values?.shape[0];
