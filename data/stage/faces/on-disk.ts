// The drawn faces on disk, as a set of face clips is: a folder of frames for each clip, and a list of path, class, nothing and caption
// between tabs. Made once, seeded; afterwards it is read like anybody's.
import { existsSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { commitFolder, makeFolder, removeLeftovers, writeNew } from "../../formats/disk.ts";
import { encodeJpeg } from "../../pixels/jpeg.ts";
import { inOrder, range } from "../../threads/in-order.ts";
import { lockOnceFree } from "../../threads/lock-once-free.ts";
import { type Meter, orStopped, type StopRequest, unlessStopped } from "../../threads/long-work.ts";
import { drawFaceClip, drawPicture, type FacePlan, faceSide, faceSizes, type FaceSplit, planFace } from "./clip.ts";
import { expressionTexts } from "./words.ts";

/** Seed of the embedded faces: everyone trains on the same clips. */
const facesSeed = 2022;

/** Changes with every change of what is drawn or said, so that clips of an older version are not trained on. */
export const facesVersion = 2;

/** Clips that are drawn and coded at the same time. */
const ahead = 8;

/** Quality at which the drawn lines survive 4:4:4 coding. */
const quality = 90;

/** The list of a split, and what its classes are in words, beside the folders of its clips. */
const listName = "clips.txt";
const textsName = "classes.json";

/** Paths of list and texts of a split in its folder. */
export const filesOfFaces = (folder: string) => ({ list: join(folder, listName), texts: join(folder, textsName) });

/** Where a split of the embedded faces lies, and how many clips it has. */
export interface FacesPlace {
  readonly folder: string;
  readonly split: FaceSplit;
  readonly clips: number;
}

/** The place of a split below a folder, with all its clips. */
export const facesPlace = (folder: string, split: FaceSplit): FacesPlace => ({
  folder: join(folder, split),
  split,
  clips: faceSizes[split],
});

/** Clips that are still to be made. */
export const missingFaces = ({ folder, clips }: FacesPlace): number => (existsSync(folder) ? 0 : clips);

/**
 * Makes the split where it is missing; returns its folder, or undefined when a stop was requested on the way. It appears whole. Of two
 * who want it at once one makes it, and the other waits.
 */
export async function ensureFaces(place: FacesPlace, progress: Meter, stop: StopRequest): Promise<string | undefined> {
  const { folder } = place;
  if (missingFaces(place) === 0) return folder;
  await makeFolder(dirname(folder));
  const lock = await lockOnceFree(dirname(folder), progress, stop);
  if (!lock) return undefined;
  try {
    if (missingFaces(place) === 0) return folder;
    await removeLeftovers(dirname(folder), `${basename(folder)}.tmp-`);
    return await orStopped(drawn(place, progress, stop));
  } finally {
    await lock.release();
  }
}

async function drawn({ folder, split, clips }: FacesPlace, progress: Meter, stop: StopRequest): Promise<string> {
  progress.start("make data", clips);
  await commitFolder(folder, async (temporary) => {
    const lines: string[] = [];
    const plans = inOrder(range(0, clips), ahead, (index) => writeClip(temporary, split, index));
    for await (const { key, expression, caption } of unlessStopped(plans, stop)) {
      lines.push(`${key}\t${expression}\t-\t${caption}\n`);
      progress.at(lines.length, split);
    }
    await writeNew(filesOfFaces(temporary).texts, `${JSON.stringify(expressionTexts, undefined, 2)}\n`);
    await writeNew(filesOfFaces(temporary).list, lines.join(""));
  });
  return folder;
}

async function writeClip(folder: string, split: FaceSplit, index: number): Promise<FacePlan> {
  const plan = planFace(facesSeed, split, index);
  const pictures = split === "pictures" ? [drawPicture(plan)] : drawFaceClip(plan);
  const path = join(folder, plan.key);
  await makeFolder(path);
  for (const [t, data] of pictures.entries())
    await writeNew(join(path, `${t}.jpg`), await encodeJpeg({ data, width: faceSide, height: faceSide }, quality));
  return plan;
}
