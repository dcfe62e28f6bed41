// The data sets of expression recognition in video, a split at a time: by their layouts, or one's own by a list.
import { existsSync, readdirSync, statSync } from "node:fs";
import { basename, join, relative, resolve } from "node:path";
import { FormatError, UsageError } from "../../engine/errors.ts";
import { folderInside } from "../formats/inside.ts";
import { quoted } from "../formats/json.ts";
import { type FaceSetName, layouts } from "./layouts.ts";
import { type FaceList, type FaceLine, readFaceLines } from "./list.ts";
import { clipsOf, type ListedClips } from "./listed.ts";

/** A split of a data set of faces, as its list has it. */
export interface FaceSet extends ListedClips {
  readonly name: string;
  readonly split: string;
  readonly fold: number;
  readonly classes: readonly string[];
  readonly root: string;
}

/** What is read of a data set. */
export interface FaceSetOptions {
  readonly split: string;
  /** From 1; of sets without folds only 1. */
  readonly fold?: number;
  /** A list instead of the data set's own. */
  readonly list?: string;
  /** Of a data set that has both: the list of all clips (unless given), or that of those with captions. */
  readonly prefer?: "all" | "captions";
  /** Of a data set that has both: clips of one emotion (unless given), or of several, whose classes are those of all its lists. */
  readonly emotions?: "single" | "compound";
  /** Where the frames of listed clips lie, instead of the data set's own place. */
  readonly root?: string;
}

/**
 * Reads the list of a split, and holds it against that of the other split where both are the data set's own. Errors: UsageError for a
 * fold or split that there is not, FormatError that names list and line, also of a clip that is in both.
 */
export async function openFaceSet(name: FaceSetName, folder: string, options: FaceSetOptions): Promise<FaceSet> {
  const set = await openSplit(name, folder, options);
  if (options.list !== undefined) return set;
  for (const split of layouts[name].splits) {
    if (split === options.split || listOf(name, folder, { ...options, split }) === undefined) continue;
    const other = await openSplit(name, folder, { ...options, split });
    refuseShared(...(layouts[name].splits[0] === split ? ([other, set] as const) : ([set, other] as const)));
  }
  return set;
}

async function openSplit(name: FaceSetName, folder: string, options: FaceSetOptions): Promise<FaceSet> {
  const layout = layouts[name];
  const { split, fold = 1 } = options;
  checkPart(name, split, fold);
  const root = options.root ?? join(folder, layout.frames);
  const list = options.list ?? listOf(name, folder, options);
  const known = layout.lists(split, fold, "all", options.emotions);
  if (list === undefined && known.length > 0)
    throw new FormatError(`${name}: none of ${known.join(", ")} is there; --list names another`);
  const found = list === undefined ? walked(root, split) : await readFaceLines(list);
  const areCompound = options.emotions === "compound" && list !== undefined;
  const classes = areCompound ? await compounds(name, folder, list) : layout.classes;
  const how = { ...layout, classes, numbered: areCompound ? [] : layout.numbered };
  return {
    name,
    split,
    fold,
    classes,
    root,
    ...clipsOf(found, how, root, list === undefined ? split : relative(folder, list)),
  };
}

function checkPart(name: FaceSetName, split: string, fold: number): void {
  const { folds, splits } = layouts[name];
  if (!Number.isInteger(fold) || fold < 1 || fold > folds)
    throw new UsageError(`fold is ${fold}; ${name} has ${folds === 1 ? "no folds" : `1 to ${folds}`}`);
  if (!splits.includes(split))
    throw new UsageError(`unknown split ${quoted(split)} of ${name}; known: ${splits.join(", ")}`);
}

/** The data set's own list of a split, where it is there. */
function listOf(
  name: FaceSetName,
  folder: string,
  { split, fold = 1, prefer = "all", emotions }: Pick<FaceSetOptions, "split" | "fold" | "prefer" | "emotions">,
): string | undefined {
  const { lists } = layouts[name];
  return lists(split, fold, prefer, emotions)
    .map((each) => join(folder, each))
    .find((each) => existsSync(each));
}

/** The classes of all lists of compound emotions that are there, and of this one, as these have them. */
async function compounds(name: FaceSetName, folder: string, list: string): Promise<string[]> {
  const { folds, splits } = layouts[name];
  const all = new Set([list]);
  for (let fold = 1; fold <= folds; fold++)
    for (const split of splits) all.add(listOf(name, folder, { split, fold, emotions: "compound" }) ?? list);
  const words = new Set<string>();
  for (const path of all)
    for (const { label, place } of (await readFaceLines(path)).clips) {
      if (typeof label === "number")
        throw new FormatError(`${place}: the class is the number ${label}, expected words, such as anger_disgust`);
      words.add(label);
    }
  return [...words].sort();
}

/** Refuses two splits that share a clip: what is tested would have been trained on. Errors: FormatError that names clip and lines. */
export function refuseShared(train: FaceSet, test: FaceSet): void {
  if (resolve(train.root) !== resolve(test.root)) return;
  const trained = new Map(train.clips.map(({ id, place }) => [id, place]));
  const shared = test.clips.filter(({ id }) => trained.has(id));
  if (shared.length === 0) return;
  const [{ id, place }] = shared;
  throw new FormatError(
    `${place}: ${quoted(id)} is tested, and trained on as well (${trained.get(id)}); ${shared.length} of ${test.clips.length} clips are`,
  );
}

/** A data set of one's own: a list name,class below a folder of folders. Classes are in alphabetical order. */
export async function openOwnFaces(
  list: string,
  root: string,
  { split = "test" }: { readonly split?: string } = {},
): Promise<FaceSet> {
  const found = await readFaceLines(list);
  const words = found.clips.map(({ label, place }) => {
    if (typeof label === "number")
      throw new FormatError(`${place}: the class is the number ${label}, expected its name`);
    return label;
  });
  const classes = [...new Set(words)].sort();
  const layout = { classes, numbered: classes, parts: 1 };
  return { name: "own", split, fold: 1, classes, root, ...clipsOf(found, layout, root, basename(list)) };
}

/** Folders of a split, class and clip below one another, as a list. */
function walked(root: string, split: string): FaceList {
  const at = folderInside(root, split, split);
  const folders = (path: string) =>
    readdirSync(path)
      .filter((name) => !name.startsWith(".") && statSync(join(path, name)).isDirectory())
      .sort();
  const clips = folders(at).flatMap((name) =>
    folders(join(at, name)).map(
      (clip): FaceLine => ({
        path: `${split}/${name}/${clip}`,
        label: name.toLowerCase(),
        place: `${split}/${name}/${clip}`,
      }),
    ),
  );
  if (clips.length === 0) throw new FormatError(`${split}: has no folders class/clip`);
  return { clips, form: "folders class/clip", notes: [] };
}
