// The data sets of expression recognition in video: their classes, where their lists and frames lie, and how a line becomes a clip.
import { existsSync, readdirSync, statSync } from "node:fs";
import { join, posix } from "node:path";
import { FormatError, nearest, UsageError } from "../../engine/errors.ts";
import { folderInside } from "../formats/inside.ts";
import { quoted } from "../formats/json.ts";
import { type FaceList, type FaceLine, readFaceLines } from "./list.ts";

/** In the order of their numbers, of AFEW, DFEW and FERV39k. */
const seven = ["happiness", "sadness", "neutral", "anger", "surprise", "disgust", "fear"] as const;

/** As EmoCLIP's official code numbers MAFW. */
const eleven = [
  "anger",
  "disgust",
  "fear",
  "happiness",
  "neutral",
  "sadness",
  "surprise",
  "contempt",
  "anxiety",
  "helplessness",
  "disappointment",
] as const;

/** As the published lists `path frames label` number MAFW, which is another order. */
const elevenInLists = [...seven, "contempt", "anxiety", "helplessness", "disappointment"] as const;

/** Words for classes that folders and lists have besides. */
const synonyms: Readonly<Record<string, string>> = {
  happy: "happiness",
  sad: "sadness",
  angry: "anger",
  surprised: "surprise",
  disgusted: "disgust",
  fearful: "fear",
};

interface Layout {
  readonly classes: readonly string[];
  /** What a class number of a list stands for. */
  readonly numbered: readonly string[];
  readonly folds: number;
  readonly splits: readonly string[];
  /** Below the data set's folder, the first of these that is there; none where folders are the list. */
  lists(split: string, fold: number): readonly string[];
  /** Below the data set's folder, where frames lie, and how many last parts of a listed path name a clip there. */
  readonly frames: string;
  readonly parts: number;
}

const layouts = {
  dfew: {
    classes: seven,
    numbered: seven,
    folds: 5,
    splits: ["train", "test"],
    lists: (split, fold) => [`DFEW_set_${fold}_${split}.txt`, `EmoLabel_DataSplit/DFEW_set_${fold}_${split}.txt`],
    frames: "DFEW_Frame_Face",
    parts: 1,
  },
  ferv39k: {
    classes: seven,
    numbered: seven,
    folds: 1,
    splits: ["train", "test"],
    lists: (split) => [`${split}_image.txt`, `4_setups/All_scenes/${split}_image.txt`],
    frames: "2_ClipsforFaceCrop",
    parts: 3,
  },
  mafw: {
    classes: eleven,
    numbered: elevenInLists,
    folds: 5,
    splits: ["train", "test"],
    lists: (split, fold) =>
      ["with_caption_new", "with_caption", "no_caption_new", "no_caption"].map(
        (kind) => `Train_Test_Set/single/${kind}/set_${fold}/${split}.txt`,
      ),
    frames: "data/faces",
    parts: 1,
  },
  afew: {
    classes: seven,
    numbered: seven,
    folds: 1,
    splits: ["train", "validation"],
    lists: () => [],
    frames: "AFEW_Face",
    parts: 3,
  },
} satisfies Readonly<Record<string, Layout>>;

/** Names of the data sets whose layout is known. */
export type FaceSetName = keyof typeof layouts;
export const faceSetNames = Object.keys(layouts) as readonly FaceSetName[];

/** Folds and splits of a data set. */
export const foldsOf = (name: FaceSetName): number => layouts[name].folds;
export const faceSplitsOf = (name: FaceSetName): readonly string[] => layouts[name].splits;

/** A clip of faces: a folder of frames below `root`, its class, and what is said of it. */
export interface FaceClip {
  readonly id: string;
  readonly folder: string;
  readonly label: number;
  /** Frames that the list counts. */
  readonly listed?: number;
  readonly caption?: string;
  readonly place: string;
}

/** A split of a data set of faces, as its list has it. */
export interface FaceSet {
  readonly name: string;
  readonly split: string;
  readonly fold: number;
  readonly classes: readonly string[];
  readonly root: string;
  readonly clips: readonly FaceClip[];
  /** What was decided, left out or renamed, in sentences. */
  readonly notes: readonly string[];
}

/** What is read of a data set. */
export interface FaceSetOptions {
  readonly split: string;
  /** From 1; of sets without folds only 1. */
  readonly fold?: number;
  /** A list instead of the data set's own. */
  readonly list?: string;
  /** Where the frames of listed clips lie, instead of the data set's own place. */
  readonly root?: string;
}

/** Reads the list of a split. Errors: UsageError for a fold or split that there is not, FormatError that names list and line. */
export async function openFaceSet(name: FaceSetName, folder: string, options: FaceSetOptions): Promise<FaceSet> {
  const layout: Layout = layouts[name];
  const { split, fold = 1 } = options;
  if (!Number.isInteger(fold) || fold < 1 || fold > layout.folds)
    throw new UsageError(`fold is ${fold}; ${name} has ${layout.folds === 1 ? "no folds" : `1 to ${layout.folds}`}`);
  if (!layout.splits.includes(split))
    throw new UsageError(`unknown split ${quoted(split)} of ${name}; known: ${layout.splits.join(", ")}`);
  const root = options.root ?? join(folder, layout.frames);
  const list =
    options.list ??
    layout
      .lists(split, fold)
      .map((each) => join(folder, each))
      .find((each) => existsSync(each));
  if (list === undefined && layout.lists(split, fold).length > 0)
    throw new FormatError(`${name}: none of ${layout.lists(split, fold).join(", ")} is there; --list names another`);
  const found = list === undefined ? walked(root, split) : await readFaceLines(list);
  return { name, split, fold, classes: layout.classes, root, ...clipsOf(found, layout, root) };
}

/** A data set of one's own: a list name,class below a folder of folders. Classes are in alphabetical order unless given. */
export async function openOwnFaces(list: string, root: string, classes?: readonly string[]): Promise<FaceSet> {
  const found = await readFaceLines(list);
  const words = found.clips.map(({ label, place }) => {
    if (typeof label === "number")
      throw new FormatError(`${place}: the class is the number ${label}, expected its name`);
    return label.join("_");
  });
  const of = classes ?? [...new Set(words)].sort();
  const layout = { classes: of, numbered: of, parts: 1 };
  return { name: "own", split: "test", fold: 1, classes: of, root, ...clipsOf(found, layout, root) };
}

function clipsOf(
  { clips, form, notes }: FaceList,
  { classes, numbered, parts }: Pick<Layout, "classes" | "numbered" | "parts">,
  root: string,
): Pick<FaceSet, "clips" | "notes"> {
  const said = [`list: ${form}`, ...notes];
  const numbers = clips.flatMap(({ label }) => (typeof label === "number" ? [label] : []));
  const isFromOne = numbers.length > 0 && Math.min(...numbers) >= 1 && Math.max(...numbers) === numbered.length;
  if (isFromOne) said.push(`class numbers are 1 to ${numbered.length}: one is taken off`);
  else if (numbers.length > 0 && !numbers.includes(0))
    said.push(`no clip has class 0, ${numbered[0]}; class numbers are taken to begin there`);
  const depth = depthOf(clips, parts, root);
  if (clips.some(({ path }) => path.startsWith("/") || path.includes(":\\") || partsOf(path).length > depth))
    said.push(
      `of listed paths the last ${depth === 1 ? "part names" : `${depth} parts name`} a clip below ${posix.basename(root)}`,
    );
  let compounds = 0;
  const seen = new Map<string, string>();
  const made = clips.flatMap((listed): FaceClip[] => {
    const label = classOf(listed, classes, numbered, isFromOne);
    if (label === undefined) {
      compounds++;
      return [];
    }
    const folder = partsOf(listed.path).slice(-depth).join("/");
    const before = seen.get(folder);
    if (before !== undefined) throw new FormatError(`${listed.place}: ${quoted(folder)} is in ${before} already`);
    seen.set(folder, listed.place.replace(/^.*: /, ""));
    const { frames, caption, place } = listed;
    return [
      {
        id: folder,
        folder,
        label,
        place,
        ...(frames !== undefined && { listed: frames }),
        ...(caption !== undefined && { caption }),
      },
    ];
  });
  if (compounds > 0) said.push(`${compounds} clips of compound emotions are left out`);
  if (made.length === 0)
    throw new FormatError(`${clips[0].place.replace(/: line .*/, "")}: no clip has a single class`);
  return { clips: made, notes: said };
}

/** Parts of a path, from whatever system; a video's ending is dropped, for its frames lie in a folder of its name. */
const partsOf = (path: string): string[] =>
  path
    .replace(/\.(mp4|avi|mkv|mov)$/i, "")
    .split(/[\\/]+/)
    .filter((part) => part !== "" && part !== ".");

/** How many last parts of listed paths name folders that are there: as the layout has it, else what fits the first clips. */
function depthOf(clips: readonly FaceLine[], parts: number, root: string): number {
  const first = clips.slice(0, 20).map(({ path }) => partsOf(path));
  const fits = (depth: number) =>
    first.filter((each) => existsSync(join(root, ...each.slice(-depth).map(harmless)))).length;
  return [parts, 1, 2, 3, 4].reduce((best, depth) => (fits(depth) > fits(best) ? depth : best));
}

/** Only to ask whether it is there; what is opened goes through `inside`. */
const harmless = (part: string): string => (part === ".." ? "_" : part);

function classOf(
  { label, place }: FaceLine,
  classes: readonly string[],
  numbered: readonly string[],
  isFromOne: boolean,
): number | undefined {
  if (typeof label === "number") {
    const name = numbered[isFromOne ? label - 1 : label];
    if (name === undefined)
      throw new FormatError(`${place}: the class is ${label}, expected 0 to ${numbered.length - 1}`);
    return classes.indexOf(name);
  }
  if (label.length > 1) return undefined;
  const word = synonyms[label[0]] ?? label[0];
  const at = classes.indexOf(word);
  if (at >= 0) return at;
  const near = nearest(word, classes);
  throw new FormatError(
    `${place}: unknown class ${quoted(label[0].slice(0, 80))}${near ? `, did you mean ${near}?` : `; known: ${classes.join(", ")}`}`,
  );
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
        label: [name.toLowerCase()],
        place: `${split}/${name}/${clip}`,
      }),
    ),
  );
  if (clips.length === 0) throw new FormatError(`${split}: has no folders class/clip`);
  return { clips, form: "folders class/clip", notes: [] };
}
