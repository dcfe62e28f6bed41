// Where a data set lies: the folder that was given, or that of the embedded one, which is made where it is missing.
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { SetName } from "../data/sets/index.ts";
import type { FaceSplit } from "../data/stage/faces/clip.ts";
import { stageSizes } from "../data/stage/index.ts";
import { ensureFaces, filesOfFaces, facesPlace, facesVersion, missingFaces } from "../data/stage/faces/on-disk.ts";
import { ensureStage, missingClips, type StagePlace, stageSeed, stageVersion } from "../data/stage/on-disk.ts";
import type { Meter, StopRequest } from "../data/threads/long-work.ts";
import { UsageError } from "../engine/errors.ts";
import { cacheFolder } from "../engine/index.ts";

/** In a clone beside its source; an installed package is not written to, so there in the user's cache folder. */
function stageFolder(name: string): string {
  const source = join(dirname(dirname(fileURLToPath(import.meta.url))), "data", "stage");
  const base = existsSync(join(source, "index.ts")) ? join(source, "shards") : join(cacheFolder(), "stage");
  return join(base, name);
}

const version = `v${stageVersion}-seed${stageSeed}`;
const embedded: StagePlace = { folder: stageFolder(version), sizes: stageSizes };
const tiny: StagePlace = { folder: stageFolder(`${version}-tiny`), sizes: { train: 48, val: 2, test: 2 } };
const faces = stageFolder(`faces-v${facesVersion}`);

/** A data set that is made where it is missing. */
interface Embedded {
  /** As a source of training clips. */
  readonly source: string;
  missing(): number;
  /** Undefined when a stop was requested meanwhile. */
  ensure(progress: Meter, stop: StopRequest): Promise<string | undefined>;
}

const ofShards = (place: StagePlace): Embedded => ({
  source: place.folder,
  missing: () => missingClips(place),
  ensure: (progress, stop) => ensureStage(place, progress, stop),
});

const ofFaces = (split: FaceSplit): Embedded => {
  const place = facesPlace(faces, split);
  return {
    source: `own:${filesOfFaces(place.folder).list}`,
    missing: () => missingFaces(place),
    ensure: (progress, stop) => ensureFaces(place, progress, stop),
  };
};

/** The embedded sets by the name that a recipe has for them. */
const embeddedSets: Readonly<Record<string, Embedded>> = {
  stage: ofShards(embedded),
  tiny: ofShards(tiny),
  "stage-faces": ofFaces("train"),
  "stage-pictures": ofFaces("pictures"),
};

const embeddedNamed = (source: string): Embedded | undefined =>
  Object.hasOwn(embeddedSets, source) ? embeddedSets[source] : undefined;

/** Where a recipe's sources lie, separated by :: as it names them, and how many clips are still to be made there. */
export function trainingPlace(given: string): { readonly folder: string; readonly missing: number } {
  const places = given.split("::").map((source) => {
    const set = embeddedNamed(source);
    return { folder: set?.source ?? source, missing: set?.missing() ?? 0 };
  });
  return {
    folder: places.map(({ folder }) => folder).join("::"),
    missing: places.reduce((sum, { missing }) => sum + missing, 0),
  };
}

/** The same, made where they are missing; undefined when a stop was requested meanwhile. */
export async function trainingFolder(given: string, progress: Meter, stop: StopRequest): Promise<string | undefined> {
  for (const source of given.split("::")) {
    const set = embeddedNamed(source);
    if (set && (await set.ensure(progress, stop)) === undefined) return undefined;
  }
  return trainingPlace(given).folder;
}

/** The embedded faces that are tested, made where they are missing; undefined when a stop was requested meanwhile. */
export const testedFaces = (progress: Meter, stop: StopRequest): Promise<string | undefined> =>
  ensureFaces(facesPlace(faces, "test"), progress, stop);

/** Clips of the embedded data set that are still to be made where no other folder is given. */
export const clipsToMake = (given: string | undefined): number => (given === undefined ? missingClips(embedded) : 0);

/** Shards to train from; undefined when a stop was requested while the embedded ones were made. */
export const shardFolder = async (given: string | undefined, progress: Meter, stop: StopRequest) =>
  given ?? ensureStage(embedded, progress, stop);

/** The data set `name`, likewise; only the embedded one needs no folder. */
export async function benchmarkFolder(
  name: SetName,
  given: string | undefined,
  progress: Meter,
  stop: StopRequest,
): Promise<string | undefined> {
  if (given === undefined && name !== "stage") throw new UsageError(`--data <folder> is needed: where ${name} lies`);
  return shardFolder(given, progress, stop);
}
