// The work of `emotionclip recognise`: lists and disk first, then texts and clips on one GPU, fold by fold.
import { basename } from "node:path";
import { faceDescriptions } from "../data/faces/descriptions.ts";
import { type FaceSetName, faceSetNames, foldsOf } from "../data/faces/layouts.ts";
import { plainly } from "../data/faces/listed.ts";
import { type FaceSet, openFaceSet, openOwnFaces } from "../data/faces/sets.ts";
import { type FaceSurvey, surveyFaces, surveyNotes } from "../data/faces/survey.ts";
import { quoted } from "../data/formats/json.ts";
import { readNpyFile } from "../data/formats/npy.ts";
import { squareOf } from "../data/pixels/side.ts";
import type { Meter, StopRequest } from "../data/threads/long-work.ts";
import type { Tokenizer } from "../data/tokenizer/clip.ts";
import { FormatError, UsageError } from "../engine/errors.ts";
import { type Matrix, matrix, requireFinite } from "../eval/matrix.ts";
import { KeptFeatures, type ListedFeatures } from "../eval/features/clips.ts";
import { faceClips, viewKey } from "../eval/features/face-clips.ts";
import { foldRows, publishedOn, type RecognitionPage } from "../eval/recognition/page.ts";
import { type FoldScores, recognitionOver } from "../eval/recognition/protocol.ts";
import {
  type Average,
  compoundOf,
  type ZeroShotClass,
  zeroShotClassifier,
  zeroShotLogits,
} from "../eval/zero-shot/zero-shot.ts";
import type { VideoText } from "../model/family.ts";
import { classNumber } from "./face-source.ts";

/** Which clips are recognised, and how they are shown. */
export interface RecognitionRequest {
  readonly set: FaceSetName | "own";
  /** What the page calls it, where it has a name of its own. */
  readonly called?: string;
  readonly data: string;
  readonly split: string;
  readonly folds: readonly number[];
  readonly list?: string;
  readonly root?: string;
  readonly emotions?: "single" | "compound";
  readonly every: number;
  readonly window: "random" | "centre";
  readonly seed: number;
  readonly maxBad: number;
  /** A class: its clips alone are recognised, among the texts of all. */
  readonly only?: string;
  readonly batch?: number;
  /** Where features are kept, if not in the user's cache folder. */
  readonly cache?: string;
}

/** A fold, held against the disk. */
export interface OpenFold {
  readonly fold: number;
  readonly set: FaceSet;
  readonly survey: FaceSurvey;
  /** The number of the class whose clips alone are recognised. */
  readonly only?: number;
}

/** Opens the lists of all folds. Errors: as openFaceSet; FormatError where no clip of a fold is there, or test folds share clips. */
export async function openFolds(request: RecognitionRequest): Promise<OpenFold[]> {
  const { set: name, data, split, list, root, emotions } = request;
  const folds: OpenFold[] = [];
  for (const fold of request.folds) {
    const set =
      name === "own"
        ? await openOwnFaces(list ?? data, root ?? data)
        : await openFaceSet(name, data, { split, fold, list, root, emotions });
    const survey = await surveyFaces(set);
    if (survey.clips.length === 0)
      throw new FormatError(
        `${name} ${split}, fold ${fold}: none of ${set.clips.length} listed clips has frames below ${basename(set.root)}`,
      );
    folds.push(request.only === undefined ? { fold, set, survey } : ofClass(request.only, { fold, set, survey }));
  }
  refuseOverlap(folds);
  return folds;
}

/** A fold with the clips of one class. Errors: UsageError for a class that there is not, FormatError where it has no clip. */
function ofClass(word: string, { fold, set, survey }: OpenFold): OpenFold {
  const only = classNumber("--only", set.name, word, set.classes);
  const clips = survey.clips.filter(({ label }) => label === only);
  if (clips.length === 0)
    throw new FormatError(`--only: no clip of ${set.name} ${set.split}, fold ${fold}, is of ${set.classes[only]}`);
  return { fold, set, survey: { ...survey, clips }, only };
}

/** A clip that is tested in two folds would count twice. */
function refuseOverlap(folds: readonly OpenFold[]): void {
  const seen = new Map<string, number>();
  for (const { fold, set } of folds)
    for (const { id, place } of set.clips) {
      const before = seen.get(id);
      if (before !== undefined) throw new FormatError(`${place}: ${quoted(id)} is tested in fold ${before} as well`);
      seen.set(id, fold);
    }
}

/** Folds that a set has: all, or one of them. */
export function foldsAsked(set: FaceSetName | "own", text: string): number[] {
  const count = set === "own" ? 1 : foldsOf(set);
  if (text === "all") return Array.from({ length: count }, (_, i) => i + 1);
  const fold = Number(text);
  if (Number.isInteger(fold) && fold >= 1 && fold <= count) return [fold];
  throw new UsageError(`--fold: ${quoted(text)} is not all or a number from 1 to ${count}`);
}

/** Names that the command takes. */
export const recognisedSets = [...faceSetNames, "own"] as const;

/** The set's classes in words: those given, each by its name, or our own descriptions. */
export function classesInWords(of: readonly string[], given: readonly ZeroShotClass[] | undefined): ZeroShotClass[] {
  if (!given) {
    const own = of.map((name) => composed(name, ours));
    const lacking = of.filter((_, c) => !own[c]);
    if (lacking.length > 0)
      throw new UsageError(
        `--classes: there is no text of ours for ${lacking.map((name) => quoted(name)).join(", ")}; a file says them in words`,
      );
    return own.map((each) => each!);
  }
  const known = new Map(given.map((each) => [each.name, each]));
  const found = of.map((name) => composed(name, (word) => known.get(word)));
  const lacking = of.filter((_, c) => !found[c]);
  const used = new Set(of.flatMap((name) => [name, ...name.split("_")]));
  const isPart = ({ texts }: ZeroShotClass) => given.some(({ of: parts }) => parts?.includes(texts));
  const strange = given.filter((each) => !used.has(each.name) && !isPart(each));
  if (lacking.length + strange.length > 0)
    throw new UsageError(
      `--classes: the set has ${of.join(", ")}; ` +
        [
          ...(lacking.length > 0 ? [`no text for ${lacking.join(", ")}`] : []),
          ...(strange.length > 0 ? [`${strange.map(({ name }) => quoted(name)).join(", ")} are none of them`] : []),
        ].join("; "),
    );
  return found.map((each) => each!);
}

/** A class of our own words. */
function ours(word: string): ZeroShotClass | undefined {
  const name = plainly(word);
  return Object.hasOwn(faceDescriptions, name) ? { name: word, texts: [faceDescriptions[name]] } : undefined;
}

/** A class by its name; one that is not known, and is called a_b, is the mean of a and b. */
function composed(name: string, known: (word: string) => ZeroShotClass | undefined): ZeroShotClass | undefined {
  const whole = known(name);
  const words = name.split("_");
  if (whole || words.length === 1) return whole;
  const parts = words.flatMap((word) => known(word) ?? []);
  return parts.length === words.length ? compoundOf(name, parts) : undefined;
}

/** Texts and templates of the classes. */
export interface Words {
  readonly classes: readonly ZeroShotClass[];
  readonly templates: readonly string[];
  readonly average: Average;
}

/** A model that recognises, the hash of what its features depend on, and who hears of the work. */
export interface Recogniser {
  readonly model: VideoText;
  readonly hash: string;
  readonly tokenizer: Tokenizer;
  readonly progress: Meter;
  readonly stop: StopRequest;
}

/** Recognises the clips of all folds with a model; features are kept, and undefined comes where a stop was asked for. */
export async function recogniseWith(
  recogniser: Recogniser,
  folds: readonly OpenFold[],
  request: RecognitionRequest,
  { classes, templates, average }: Words,
): Promise<{ scores: FoldScores[]; bad: string[] } | undefined> {
  const { model, tokenizer, progress } = recogniser;
  const classifier = await zeroShotClassifier(model, tokenizer, classes, templates, { average });
  progress.start(
    "clips",
    folds.reduce((sum, { survey }) => sum + survey.clips.length, 0),
  );
  const scores: FoldScores[] = [];
  const bad: string[] = [];
  let before = 0;
  for (const { fold, set, survey } of folds) {
    const at = (done: number) => progress.at(before + done);
    const found = await featuresOfFold(recogniser, { fold, set, survey }, request, at);
    if (!found) return undefined;
    const labels = Int32Array.from(found.kept, (i) => survey.clips[i].label);
    const ids = found.kept.map((i) => survey.clips[i].id);
    scores.push({ fold, scores_NC: zeroShotLogits(found.features, classifier), labels, ids });
    bad.push(...found.bad.map(({ reason }) => reason));
    before += survey.clips.length;
  }
  return { scores, bad };
}

/** Features of a fold, from the cache or made now; undefined where a stop was asked for on the way. */
async function featuresOfFold(
  { model, hash, progress, stop }: Recogniser,
  { fold, set, survey }: OpenFold,
  { split, every, window, seed, maxBad, batch, cache }: RecognitionRequest,
  at: (done: number) => void,
): Promise<ListedFeatures | undefined> {
  const { frames: length, colours = "imagenet" } = model.takes;
  const side = squareOf(model.takes.side, "recognise: faces are shown");
  const view = { length, every, side, colours, window, augment: false };
  const clips = survey.clips.map((clip) => ({ root: set.root, clip }));
  const input = viewKey(view, seed);
  const kept = await KeptFeatures.open(
    faceClips(clips, view, seed),
    { benchmark: set.name, split: `${split}-${fold}`, checkpoint: hash, input, width: model.embed },
    { folder: cache, say: (line) => progress.say(line) },
  );
  try {
    at(kept.done);
    if (!kept.isComplete) await kept.fill(model, { batch, maxBad, at, stop });
    return kept.isComplete ? await kept.read(maxBad) : undefined;
  } finally {
    await kept.close();
  }
}

/** Features that somebody else computed: a file a fold, rows in the order of its list, and one row a class. */
export function recogniseFiles(
  folds: readonly OpenFold[],
  { features, texts, projection }: { features: readonly string[]; texts: string; projection?: string },
): FoldScores[] {
  if (features.length !== folds.length)
    throw new UsageError(
      `--features: ${features.length} files for ${folds.length} folds; one for each, between commas`,
    );
  const head = projection === undefined ? undefined : matrixIn(projection);
  const through = (m: Matrix) => (head ? product(m, head) : m);
  const classifier = through(matrixIn(texts));
  return folds.map(({ fold, set, only }, i) => {
    const rows = matrixIn(features[i]);
    if (rows.shape[0] !== set.clips.length)
      throw new FormatError(
        `${basename(features[i])}: ${rows.shape[0]} rows, the list of fold ${fold} has ${set.clips.length} clips`,
      );
    if (classifier.shape[0] !== set.classes.length)
      throw new FormatError(
        `${basename(texts)}: ${classifier.shape[0]} rows, the set has ${set.classes.length} classes`,
      );
    const labels = Int32Array.from(set.clips, ({ label }) => label);
    const scores_NC = zeroShotLogits(through(rows), classifier);
    return only === undefined ? { fold, scores_NC, labels } : { fold, ...rowsOfClass(scores_NC, labels, only) };
  });
}

/** Scores of the clips of one class. */
function rowsOfClass({ data, shape: [, C] }: Matrix, labels: Int32Array, only: number): Omit<FoldScores, "fold"> {
  const rows = [...labels.keys()].filter((i) => labels[i] === only);
  const scores = Float64Array.from(rows.flatMap((i) => [...data.subarray(i * C, (i + 1) * C)]));
  return { scores_NC: matrix(rows.length, C, scores), labels: labels.filter((label) => label === only) };
}

function matrixIn(path: string): Matrix {
  const [{ shape, data }] = readNpyFile(path);
  if (shape.length !== 2) throw new FormatError(`${basename(path)}: has shape [${shape}], expected rows and columns`);
  requireFinite(data, basename(path));
  return matrix(shape[0], shape[1], Float64Array.from(data));
}

/** m head: features through a linear head, as Exp-CLIP has one behind CLIP. */
function product(m: Matrix, head: Matrix): Matrix {
  const [N, E] = m.shape;
  const [rows, K] = head.shape;
  if (rows !== E) throw new FormatError(`--projection: ${rows} rows, features have ${E} numbers`);
  const out = new Float64Array(N * K);
  for (let n = 0; n < N; n++)
    for (let e = 0; e < E; e++) for (let k = 0; k < K; k++) out[n * K + k] += m.data[n * E + e] * head.data[e * K + k];
  return matrix(N, K, out);
}

const ONE_CLASS =
  "one class alone is recognised: UAR is its recall divided by the classes that occur as labels or predictions, as officially; " +
  "published figures of all classes are no measure of it";

/** The page of what was found. */
export function recognitionPage(
  folds: readonly OpenFold[],
  { scores, bad }: { scores: readonly FoldScores[]; bad: readonly string[] },
  request: RecognitionRequest,
  words: Words,
  about: { model: string; choices: RecognitionPage["choices"]; notes: readonly string[] },
): RecognitionPage {
  const result = recognitionOver(scores);
  const notes = folds.flatMap(({ fold, set, survey }) =>
    [...set.notes, ...surveyNotes(survey)].map((note) => (folds.length > 1 ? `fold ${fold}: ${note}` : note)),
  );
  return {
    set: request.called ?? request.set,
    split: request.split,
    model: about.model,
    choices: about.choices,
    classes: words.classes,
    war: result.war,
    uar: result.uar,
    folds: foldRows(result),
    missing: folds.reduce((sum, { survey }) => sum + survey.missing.length, 0),
    bad,
    notes: [...about.notes, ...notes, ...(request.only === undefined ? [] : [ONE_CLASS])],
    published: request.only === undefined ? publishedOn(request.set) : undefined,
  };
}
