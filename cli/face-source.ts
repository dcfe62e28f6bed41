// Face sets by their layouts as a recipe names them: "mafw:FOLDER", or "own:LIST.csv" beside the clips that it lists. Held against the
// disk; what is not as listed is said.
import { existsSync } from "node:fs";
import { dirname } from "node:path";
import { foldsOf, type FaceSetName, faceSetNames, faceSplitsOf } from "../data/faces/layouts.ts";
import { numberOf } from "../data/faces/listed.ts";
import { type FaceSet, type FaceSetOptions, openFaceSet, openOwnFaces } from "../data/faces/sets.ts";
import { type FaceSurvey, surveyFaces, surveyNotes } from "../data/faces/survey.ts";
import { quoted } from "../data/formats/json.ts";
import { FormatError, nearest, UsageError } from "../engine/errors.ts";
import type { Recipe } from "../train/recipe.ts";
import type { Say } from "./clips.ts";

/** A face set, and where its folder or list lies. */
export interface GivenFaces {
  readonly set: FaceSetName | "own";
  readonly at: string;
}

const names = [...faceSetNames, "own"] as const;

/** What a source names, if it is a face set. Errors: UsageError for a name that is spelt wrong. */
export function facesIn(source: string): GivenFaces | undefined {
  const [, word, at] = /^([a-z][a-z\d]+):(.*)$/is.exec(source) ?? [];
  if (word === undefined) return undefined;
  const set = names.find((name) => name === word.toLowerCase());
  if (set && at === "") throw new UsageError(`${source}: names no ${set === "own" ? "list" : "folder"}`);
  if (set) return { set, at };
  const near = existsSync(source) ? undefined : nearest(word.toLowerCase(), names);
  if (near) throw new UsageError(`${source}: unknown face set ${word}: (did you mean ${near}:?)`);
  return undefined;
}

/** Of a set that has both: the list of all clips, or that of those with captions. */
type Preference = NonNullable<FaceSetOptions["prefer"]>;

/** The list that is wanted for what is said of its clips. */
export const preferenceOf = ({ texts }: Pick<Recipe, "texts">): Preference =>
  texts === "captions" ? "captions" : "all";

/** A split of a face set, held against the disk. */
export interface OpenFaces {
  readonly set: FaceSet;
  readonly survey: FaceSurvey;
  /** "mafw, fold 4", for messages. */
  readonly called: string;
}

/**
 * Opens the split that is trained on or that is tested. Errors: those of the lists; FormatError where more clips than `maxBad` allows
 * have no frames.
 */
export async function openFaces(
  given: GivenFaces,
  part: "train" | "test",
  { fold, maxBad, prefer }: Pick<Recipe, "fold" | "maxBad"> & { readonly prefer: Preference },
  say: Say,
): Promise<OpenFaces> {
  const set = await listedFaces(given, part, { fold, prefer });
  const called = calledOf(set);
  if (hasNoFolds(given) && fold !== 1) say(`${called}: has no folds; --fold ${fold} says nothing of it`);
  const survey = await surveyFaces(set);
  for (const line of [...set.notes, ...surveyNotes(survey)]) say(`${called}: ${line}`);
  const { missing } = survey;
  if (missing.length > maxBad * set.clips.length)
    throw new FormatError(
      `${called}: ${missing.length} of ${set.clips.length} listed clips have no frames below ${set.root} ` +
        `(${missing.slice(0, 10).join(", ")}${missing.length > 10 ? ", …" : ""}); allowed are ${100 * maxBad} % (--max-bad)`,
    );
  return { set, survey, called };
}

/** The list alone. */
export function listedFaces(
  { set, at }: GivenFaces,
  part: "train" | "test",
  { fold, prefer }: Pick<Recipe, "fold"> & { readonly prefer: Preference },
): Promise<FaceSet> {
  if (!existsSync(at)) throw new FormatError(`${set}:${at}: no such ${set === "own" ? "list" : "folder"}`);
  if (set === "own") return openOwnFaces(at, dirname(at), { split: part });
  const splits = faceSplitsOf(set);
  const split = part === "train" ? splits[0] : splits.at(-1)!;
  return openFaceSet(set, at, { split, fold: foldsOf(set) === 1 ? 1 : fold, prefer });
}

const hasNoFolds = ({ set }: GivenFaces): boolean => set === "own" || foldsOf(set) === 1;

/** The number of a class that a flag names. Errors: UsageError for a class that there is not. */
export function classNumber(flag: string, called: string, word: string, classes: readonly string[]): number {
  const label = numberOf(word.toLowerCase(), classes);
  if (label >= 0) return label;
  const near = nearest(word.toLowerCase(), classes);
  throw new UsageError(
    `${flag}: ${called} has no class ${quoted(word)}${near ? ` (did you mean ${near}?)` : `; it has ${classes.join(", ")}`}`,
  );
}

/** "dfew test, fold 1": a split in words. */
const calledOf = ({ name, split, fold }: FaceSet): string =>
  `${name} ${split}${name !== "own" && foldsOf(name as FaceSetName) > 1 ? `, fold ${fold}` : ""}`;
