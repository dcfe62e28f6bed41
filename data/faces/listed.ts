// The lines of a list as clips of a data set: which folder each is, and of which class.
import { existsSync } from "node:fs";
import { join, posix } from "node:path";
import { FormatError, nearest } from "../../engine/errors.ts";
import { quoted } from "../formats/json.ts";
import type { FaceLayout } from "./layouts.ts";
import type { FaceLine, FaceList } from "./list.ts";

/** Words for classes that folders and lists have besides. */
const synonyms: Readonly<Record<string, string>> = {
  happy: "happiness",
  sad: "sadness",
  angry: "anger",
  surprised: "surprise",
  disgusted: "disgust",
  fearful: "fear",
};

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

/** The clips of a list, and what was decided, left out or renamed, in sentences. */
export interface ListedClips {
  readonly clips: readonly FaceClip[];
  readonly notes: readonly string[];
}

/** What a list comes to below `root`; `list` is what messages call it. Errors: FormatError that names the line. */
export function clipsOf(
  { clips, form, notes }: FaceList,
  { classes, numbered, parts }: Pick<FaceLayout, "classes" | "numbered" | "parts">,
  root: string,
  list: string,
): ListedClips {
  const said = [`list ${list}: ${form}`, ...notes];
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
    seen.set(folder, listed.place.replace(/^.*?: /, ""));
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
  if (made.length === 0) throw new FormatError(`${list}: no clip has a single class`);
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
  const at = numberOf(label, classes);
  if (at >= 0) return at;
  if (label.includes("_") && label.split("_").every((word) => numberOf(word, classes) >= 0)) return undefined;
  const near = nearest(label, classes);
  throw new FormatError(
    `${place}: unknown class ${quoted(label.slice(0, 80))}${near ? `, did you mean ${near}?` : `; known: ${classes.join(", ")}`}`,
  );
}

/** The place of a word among classes, or of that which it is another word for; -1 where it is none. */
export function numberOf(word: string, classes: readonly string[]): number {
  const at = classes.indexOf(word);
  return at >= 0 ? at : classes.indexOf(plainly(word));
}

/** The usual name of a class that has others: "happy" is happiness. */
export const plainly = (word: string): string => (Object.hasOwn(synonyms, word) ? synonyms[word] : word);
