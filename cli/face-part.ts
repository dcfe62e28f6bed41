// Clips of faces as a source of training: which of a set's clips are trained on, and what is said of each.
import { createHash } from "node:crypto";
import { FaceClips } from "../data/faces/clip-set.ts";
import type { FoundClip } from "../data/faces/survey.ts";
import { framesLookedAt } from "../data/faces/window.ts";
import { quoted } from "../data/formats/json.ts";
import { squareOf } from "../data/pixels/side.ts";
import { FormatError, UsageError } from "../engine/errors.ts";
import type { ZeroShotClass } from "../eval/zero-shot/zero-shot.ts";
import { classesOf } from "./class-file.ts";
import type { Say } from "./clips.ts";
import { classNumber, type GivenFaces, type OpenFaces, openFaces, preferenceOf } from "./face-source.ts";
import { classesInWords } from "./recognition.ts";
import { type PartOptions, shownBy, type SourcePart } from "./source-part.ts";

/** Opens the split of a face set that is trained on. Errors: those of its lists; UsageError for captions that there are not. */
export async function facePart(given: GivenFaces, { recipe, shape, say }: PartOptions): Promise<SourcePart> {
  const { frames, colours } = shape;
  const side = squareOf(shape.side, `--train-data: ${given.set}: faces are shown`);
  const opened = await openFaces(given, "train", { ...recipe, prefer: preferenceOf(recipe) }, say);
  const { set, survey, called } = opened;
  const choice = new FaceChoice(survey.clips, called, say);
  choice.leaveOutClass(recipe.leaveOut, set.classes);
  const textsOf = await choice.texts(recipe, opened);
  choice.leaveOutShort(frames, recipe);
  const { every, window, augment, resample: balanced } = recipe;
  const clips = new FaceClips(choice.clips, { root: set.root, how: { every, window, augment }, textsOf, balanced });
  const said = clips.clips.map((clip) => ({ key: clip.id, texts: textsOf(clip) }));
  const captions = said.flatMap(({ texts }) => texts);
  return {
    kind: "clips of faces",
    name: called,
    set: clips,
    view: {
      ...{ frames, side, resize: side, ...shownBy(recipe) },
      ...(colours === "clip" && { numbers: "floats" }),
    },
    found: set.clips.length,
    digest: digestOf(opened, clips.clips, textsOf),
    facts: {
      captions,
      keys: said.flatMap(({ key, texts }) => texts.map(() => key)),
      sentiment: new Float32Array(7 * captions.length),
      ...{ boxed: 0, labelsAreEqual: false, picturesAreEqual: false },
    },
    faces: {
      ...{ set: set.name, fold: set.fold, classes: classCounts(clips.clips, set.classes), leftOut: choice.leftOut },
      ...(recipe.texts === "classes" && {
        texts: Object.fromEntries(clips.clips.map((clip) => [set.classes[clip.label], textsOf(clip)])),
      }),
    },
  };
}

/** Texts of a set's classes: those of a file, which may say more classes than this set has, or our own. */
export async function faceWords(
  called: string,
  classes: readonly string[],
  file: string | null,
  say: Say,
): Promise<ZeroShotClass[]> {
  if (file === null) return classesInWords(classes, undefined);
  const given = await classesOf(file);
  const strange = given.filter(({ name }) => !classes.includes(name));
  if (strange.length === given.length) return classesInWords(classes, given); // which says what is wrong
  if (strange.length > 0)
    say(`${called}: has no class ${strange.map(({ name }) => quoted(name)).join(", ")}, of which ${file} has texts`);
  return classesInWords(
    classes,
    given.filter(({ name }) => classes.includes(name)),
  );
}

export type TextsOf = (clip: FoundClip) => readonly string[];

/** Clips that are left of those that are there, and why the others are not. */
export class FaceChoice {
  readonly leftOut: Record<string, number> = {};

  constructor(
    public clips: readonly FoundClip[],
    private readonly called: string,
    private readonly say: Say,
  ) {}

  leaveOutClass(word: string | null, classes: readonly string[]): void {
    if (word === null) return;
    const label = classNumber("--leave-out", this.called, word, classes);
    this.keep((clip) => clip.label !== label, `of ${classes[label]} (--leave-out)`);
  }

  /** What is said of each clip. Errors: FormatError where no clip is left. */
  async texts(
    { texts, classes: file }: Pick<PartOptions["recipe"], "texts" | "classes">,
    { set }: OpenFaces,
  ): Promise<TextsOf> {
    if (this.clips.length === 0) throw new FormatError(noClip(this.called));
    if (texts === "captions") {
      if (set.clips.every(({ caption }) => caption === undefined))
        throw new UsageError(noCaptions(this.called, set.name));
      this.keep(({ caption }) => caption !== undefined, "without a caption");
      return ({ caption }) => [caption!];
    }
    const words = await faceWords(this.called, set.classes, file, this.say);
    return ({ label }) => words[label].texts;
  }

  leaveOutShort(length: number, { every, shortClips }: PartOptions["recipe"]): void {
    const isWhole = ({ frames }: FoundClip) => framesLookedAt(frames.length, every) >= length;
    const short = this.clips.filter((clip) => !isWhole(clip));
    if (shortClips === "leave-out")
      this.keep(isWhole, `of fewer than ${length} frames, every ${every}. of them (--short-clips)`);
    else if (short.length > 0)
      this.say(
        `${this.called}: ${short.length} of ${this.clips.length} clips have fewer than ${length} frames, every ${every}. of them: ` +
          `${named(short)}; they are mirrored in time (--short-clips leave-out leaves them out)`,
      );
  }

  private keep(isKept: (clip: FoundClip) => boolean, which: string): void {
    const gone = this.clips.filter((clip) => !isKept(clip));
    if (gone.length === 0) return;
    const before = this.clips.length;
    this.clips = this.clips.filter(isKept);
    this.leftOut[which] = gone.length;
    this.say(`${this.called}: ${gone.length} of ${before} clips ${which} are left out: ${named(gone)}`);
    if (this.clips.length === 0) throw new FormatError(noClip(this.called));
  }
}

const noClip = (called: string): string => `${called}: no clip is left to train on`;

const named = (clips: readonly FoundClip[]): string =>
  `${clips
    .slice(0, 3)
    .map(({ id }) => id)
    .join(", ")}${clips.length > 3 ? ", …" : ""}`;

const noCaptions = (called: string, name: string): string =>
  `--texts captions: ${called} has none; ` +
  (name === "own"
    ? "a column caption of the list would say them, and"
    : name === "mafw"
      ? "they are in the lists with_caption, and"
      : "none are published of this set, and") +
  " --texts classes trains on descriptions of the classes";

/** sha256 of which clips these are, by their frames' names, and of what is said of them. */
function digestOf({ set }: OpenFaces, clips: readonly FoundClip[], textsOf: TextsOf): string {
  const hash = createHash("sha256").update(JSON.stringify([set.name, set.split, set.fold]));
  for (const clip of clips) hash.update(JSON.stringify([clip.id, clip.label, clip.frames, textsOf(clip)]));
  return hash.digest("hex");
}

/** Clips of each class, in the order of the classes; those without any are named too. */
export const classCounts = (clips: readonly FoundClip[], classes: readonly string[]): Record<string, number> =>
  Object.fromEntries(classes.map((name, label) => [name, clips.filter((clip) => clip.label === label).length]));
