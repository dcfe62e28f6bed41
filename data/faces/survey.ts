// A list of face clips held against the disk: which clips are there, with how many frames, and what can be told of the pictures.
import { FormatError } from "../../engine/errors.ts";
import { sizeOfPicture } from "../pixels/image.ts";
import { fileLimits, listNames, readBytes } from "../sets/files.ts";
import type { FaceClip } from "./listed.ts";
import type { FaceSet } from "./sets.ts";

/** A clip that is there, with the names of its frames in order. */
export interface FoundClip extends FaceClip {
  readonly frames: readonly string[];
}

/** What became of a list. */
export interface FaceSurvey {
  readonly clips: readonly FoundClip[];
  /** Clips without a folder or without frames, by id. */
  readonly missing: readonly string[];
  /** Clips with another number of frames than the list says. */
  readonly other: readonly { readonly id: string; readonly listed: number; readonly found: number }[];
  /** Paths of first pictures of some clips that are no pictures; another clip may have such ones too. */
  readonly unreadable: readonly string[];
  /** Sizes of the others, most frequent first. */
  readonly sizes: readonly { readonly width: number; readonly height: number; readonly count: number }[];
}

/** Whether a file of this name in a clip's folder is one of its frames. */
export const isFrame = (name: string): boolean => /\.(jpe?g|png|webp)$/i.test(name);

/** Clips of which a picture is measured. */
const MEASURED = 24;

/** Names of frames sorted as the official code sorts them, by characters. */
export async function surveyFaces({ root, clips }: FaceSet): Promise<FaceSurvey> {
  const found: FoundClip[] = [];
  const missing: string[] = [];
  const other: { id: string; listed: number; found: number }[] = [];
  for (const clip of clips) {
    const frames = framesOf(root, clip);
    if (frames.length === 0) missing.push(clip.id);
    else found.push({ ...clip, frames });
    if (frames.length > 0 && clip.listed !== undefined && clip.listed !== frames.length)
      other.push({ id: clip.id, listed: clip.listed, found: frames.length });
  }
  return { clips: found, missing, other, ...(await sizesOf(root, found)) };
}

function framesOf(root: string, { folder, place }: FaceClip): string[] {
  try {
    return listNames(root, folder, place).filter(isFrame);
  } catch (error) {
    if (error instanceof FormatError) return [];
    throw error;
  }
}

async function sizesOf(root: string, clips: readonly FoundClip[]): Promise<Pick<FaceSurvey, "unreadable" | "sizes">> {
  const step = Math.max(1, Math.floor(clips.length / MEASURED));
  const counts = new Map<string, { width: number; height: number; count: number }>();
  const unreadable: string[] = [];
  for (let i = 0; i < clips.length; i += step) {
    const { folder, frames } = clips[i];
    const name = `${folder}/${frames[0]}`;
    const size = await sizeAt(root, name);
    if (!size) {
      unreadable.push(name);
      continue;
    }
    const { width, height } = size;
    const key = `${width}x${height}`;
    counts.set(key, { width, height, count: (counts.get(key)?.count ?? 0) + 1 });
  }
  return { unreadable, sizes: [...counts.values()].sort((a, b) => b.count - a.count) };
}

/** Undefined of what is no picture: whoever shows the clip counts it, and decides whether it is one too many. */
async function sizeAt(root: string, name: string): Promise<{ width: number; height: number } | undefined> {
  try {
    return await sizeOfPicture(readBytes(root, name, fileLimits.picture), name);
  } catch (error) {
    if (error instanceof FormatError) return undefined;
    throw error;
  }
}

/** What is to be said of a survey, a sentence each: counts, and the first ten names. */
export function surveyNotes({ clips, missing, other, unreadable, sizes }: FaceSurvey): string[] {
  const named = (names: readonly string[]) =>
    names.slice(0, 10).join(", ") + (names.length > 10 ? ` and ${names.length - 10} more` : "");
  const notes: string[] = [];
  if (missing.length > 0)
    notes.push(`${missing.length} of ${missing.length + clips.length} listed clips have no frames: ${named(missing)}`);
  if (other.length > 0)
    notes.push(
      `${other.length} clips have other numbers of frames than listed: ` +
        named(other.map(({ id, listed, found }) => `${id} (${found}, listed ${listed})`)),
    );
  if (unreadable.length > 0)
    notes.push(
      `${unreadable.length} of ${lookedAt(sizes) + unreadable.length} pictures looked at cannot be read: ${named(unreadable)}`,
    );
  if (sizes.length > 0) notes.push(picturesText(sizes));
  return notes;
}

const lookedAt = (sizes: FaceSurvey["sizes"]): number => sizes.reduce((sum, { count }) => sum + count, 0);

function picturesText(sizes: FaceSurvey["sizes"]): string {
  const list = sizes.slice(0, 4).map(({ width, height }) => `${width}x${height}`);
  const square = sizes.every(({ width, height }) => width === height);
  const wide = sizes.some(({ width, height }) => width >= 1.25 * height);
  const cropped =
    square && sizes.length === 1
      ? "all alike and square, as aligned face crops are"
      : square
        ? "square, as face crops are, of several sizes"
        : wide
          ? "wider than high: whole frames rather than face crops, which is what this family of models is shown"
          : "of several shapes, as a detector's boxes are";
  return `pictures of ${lookedAt(sizes)} clips: ${list.join(", ")}${sizes.length > 4 ? ", …" : ""}; ${cropped}`;
}
