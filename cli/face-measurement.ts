// What `train` measures on clips of faces: zero-shot recognition by the texts of their classes, WAR and UAR, on the window in the middle.
import { FaceClips } from "../data/faces/clip-set.ts";
import { numberOf } from "../data/faces/listed.ts";
import { refuseShared } from "../data/faces/sets.ts";
import { Loader } from "../data/shards/loader.ts";
import { orStopped, type StopRequest, unlessStopped } from "../data/threads/long-work.ts";
import { quoted } from "../data/formats/json.ts";
import { squareOf } from "../data/pixels/side.ts";
import { HealthError } from "../engine/errors.ts";
import { featureRows, videoFeatures } from "../eval/features/encode.ts";
import { joinRows } from "../eval/matrix.ts";
import type { NotedRow } from "../eval/probes/probe-table.ts";
import { recognition } from "../eval/recognition/figures.ts";
import { firstLargest } from "../eval/recognition/protocol.ts";
import { reportPrompts, type ZeroShotClass, zeroShotClassifier, zeroShotLogits } from "../eval/zero-shot/zero-shot.ts";
import { reportLines } from "../data/tokenizer/report.ts";
import type { Takes } from "../model/family.ts";
import type { Recipe } from "../train/recipe.ts";
import type { Trainer } from "../train/trainer.ts";
import { once, type Say } from "./clips.ts";
import { trainingPlace } from "./data-folder.ts";
import { faceWords } from "./face-part.ts";
import { facesIn, type GivenFaces, listedFaces, type OpenFaces, openFaces, preferenceOf } from "./face-source.ts";
import { leftOut, type Measurement } from "./measure.ts";

/** What of a recipe decides such a measurement. */
export type FaceMeasure = Pick<
  Recipe,
  "trainData" | "fold" | "every" | "texts" | "classes" | "leaveOut" | "maxBad" | "workers"
>;

/** Clips of a batch of a measurement; of 32 frames in floats each has 19 MB. */
const AT_ONCE = 8;

/** Opens the clips that are tested. Errors: those of the lists; FormatError where some of them are trained on. */
export async function faceMeasurement(
  given: GivenFaces,
  recipe: FaceMeasure,
  takes: Takes,
  hear: Say,
): Promise<Measurement> {
  const say = once(hear);
  const side = squareOf(takes.side, `--val-data: ${given.set}: faces are shown`);
  const opened = await openFaces(given, "test", { ...recipe, prefer: "all" }, say);
  await refuseTrained(opened, recipe);
  const { set, called } = opened;
  const words = await faceWords(called, set.classes, recipe.classes, say);
  const apart = recipe.leaveOut === null ? -1 : numberOf(recipe.leaveOut.toLowerCase(), set.classes);
  if (apart < 0 && recipe.leaveOut !== null)
    say(`${called}: has no class ${quoted(recipe.leaveOut)} (--leave-out), so its recall is not measured`);
  return async (trainer, stop, tell) => {
    const found = await orStopped(scored(trainer, side, opened, words, recipe, { stop, tell, say }));
    if (!found) return undefined;
    const { war, uar, classes } = recognition(found.labels, found.predicted, words.length);
    const note = `${called}: ${found.labels.length} clips`;
    const rows: NotedRow[] = [
      ["WAR", war, note],
      ["UAR", uar, note],
    ];
    return apart < 0 ? rows : [...rows, [`recall ${set.classes[apart]}`, classes[apart].recall, note]];
  };
}

/** A clip that is trained on must not be tested. */
async function refuseTrained({ set }: OpenFaces, recipe: FaceMeasure): Promise<void> {
  for (const source of trainingPlace(recipe.trainData).folder.split("::")) {
    const given = facesIn(source);
    if (given?.set === set.name)
      refuseShared(await listedFaces(given, "train", { ...recipe, prefer: preferenceOf(recipe) }), set);
  }
}

interface Hearers {
  readonly stop: StopRequest;
  /** Of this measurement, and of all of them. */
  readonly tell: Say;
  readonly say: Say;
}

/** The true classes of the clips that could be read, and those that the model tells. */
async function scored(
  { model, tokenizer }: Trainer,
  side: number,
  { set, survey, called }: OpenFaces,
  words: readonly ZeroShotClass[],
  { every, maxBad, workers }: FaceMeasure,
  { stop, tell, say }: Hearers,
): Promise<{ labels: Int32Array; predicted: Int32Array }> {
  const { frames, colours } = model.takes;
  for (const line of reportLines(reportPrompts(tokenizer, words, ["{}"]), tokenizer, "texts of classes"))
    say(`${called}: ${line}`);
  const classifier = await zeroShotClassifier(model, tokenizer, words, ["{}"]);
  const how = { every, window: "centre", augment: false } as const;
  const clips = new FaceClips(survey.clips, { root: set.root, how, textsOf: () => [""] });
  const loader = new Loader(clips, {
    ...{ frames, side, resize: side, sampling: "uniform", crop: "centre", order: "stored", seed: 0 },
    ...{ batch: AT_ONCE, workers, maxBad, onBad: leftOut(tell) },
    ...(colours === "clip" && { numbers: "floats" }),
  });
  const rows: Float32Array[] = [];
  const labels: number[] = [];
  try {
    const batches = unlessStopped(loader.batches(0, loader.stepsPerEpoch), stop);
    for await (const { batch, rows: some } of featureRows(batches, (each) => [videoFeatures(model, each)])) {
      rows.push(some[0]);
      labels.push(...Array.from(batch.indices, (i) => clips.clips[i].label));
    }
  } finally {
    await loader.close();
  }
  if (labels.length === 0) throw new HealthError(`${called}: none of ${clips.samples} clips could be read`);
  const features = joinRows(rows, labels.length, model.embed);
  return {
    labels: Int32Array.from(labels),
    predicted: firstLargest(zeroShotLogits(features, classifier)),
  };
}
