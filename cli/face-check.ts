// `emotionclip data check dfew:FOLDER`: what a face set's lists have and what of it lies on the disk, before anything is trained or measured.
import { foldsOf } from "../data/faces/layouts.ts";
import { classCounts } from "./face-part.ts";
import { type GivenFaces, listedFaces, openFaces } from "./face-source.ts";

/** What `--json` prints of a split. */
interface FaceSplit {
  readonly split: string;
  readonly fold: number;
  readonly listed: number;
  readonly found: number;
  readonly captions: number;
  readonly missing: readonly string[];
  readonly other: readonly { readonly id: string; readonly listed: number; readonly found: number }[];
  readonly classes: Readonly<Record<string, number>>;
  readonly notes: readonly string[];
}

export interface FaceCheck {
  readonly set: string;
  readonly at: string;
  readonly splits: readonly FaceSplit[];
}

/** Reads both splits of all folds, or of one. Errors: those of the lists. */
export async function checkFaces(given: GivenFaces, fold: number | undefined): Promise<FaceCheck> {
  const splits: FaceSplit[] = [];
  const parts = given.set === "own" ? (["test"] as const) : (["train", "test"] as const);
  for (const each of fold === undefined ? foldsIn(given) : [fold])
    for (const part of parts) splits.push(await checkSplitOf(given, part, each));
  return { set: given.set, at: given.at, splits };
}

const foldsIn = ({ set }: GivenFaces): number[] =>
  Array.from({ length: set === "own" ? 1 : foldsOf(set) }, (_, i) => i + 1);

async function checkSplitOf(given: GivenFaces, part: "train" | "test", fold: number): Promise<FaceSplit> {
  const notes: string[] = [];
  const { set, survey } = await openFaces(given, part, { fold, maxBad: 1, prefer: "all" }, (line) => notes.push(line));
  const { missing, other, clips } = survey;
  const captioned = await listedFaces(given, part, { fold, prefer: "captions" });
  return {
    ...{ split: set.split, fold: set.fold, listed: set.clips.length, found: clips.length },
    captions: captioned.clips.filter(({ caption }) => caption !== undefined).length,
    ...{ missing, other, notes, classes: classCounts(clips, set.classes) },
  };
}

/** The same as text. */
export const faceCheckText = ({ set, splits }: FaceCheck): string =>
  splits
    .map(({ split, fold, listed, found, captions, classes, notes }) =>
      [
        `${set} ${split}, fold ${fold}: ${found} of ${listed} listed clips have frames; captions ${captions}`,
        `  ${Object.entries(classes)
          .map(([name, count]) => `${name} ${count}`)
          .join(", ")}`,
        ...notes.map((note) => `  ${note.replace(/^[^:]*: /, "")}`),
      ].join("\n"),
    )
    .join("\n");
