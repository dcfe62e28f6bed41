// Where a recipe's clips come from: one source or several, shown by their factors.
import { createHash } from "node:crypto";
import type { BadSampleRule } from "../data/bad-samples.ts";
import { epochLength } from "../data/sampling.ts";
import { type Held, heldBy, Loader } from "../data/shards/loader.ts";
import { pathsOf } from "../data/sources/paths.ts";
import { Several, sharesOfPart } from "../data/sources/several.ts";
import type { View } from "../data/pixels/view.ts";
import type { ClipSet } from "../data/shards/batch.ts";
import { UsageError } from "../engine/errors.ts";
import type { Batches } from "../train/loop.ts";
import type { ClipSpan } from "../train/peers.ts";
import type { Recipe } from "../train/recipe.ts";
import { vanishing } from "../train/vanishing.ts";
import type { Say } from "./clips.ts";
import { facePart } from "./face-part.ts";
import { facesIn } from "./face-source.ts";
import { type ClipShape, type FaceFacts, openParts, type PartOptions, type SourcePart } from "./source-part.ts";

/** Batches by their number, and an end to what makes them. */
export type OpenBatches = Batches & { close(): Promise<void> };

/** What one of several sources gives. */
export interface SourceShare {
  readonly name: string;
  readonly kind: SourcePart["kind"];
  readonly found: number;
  readonly trained: number;
  readonly factor: number;
  /** Showings of its clips in an epoch. */
  readonly perEpoch: number;
  /** Of clips of faces: what was chosen of the set. */
  readonly faces?: FaceFacts;
}

/** The clips of a training, before a picture is decoded. */
export interface ClipSource {
  /** "shards", "plain tars", "official layout", or several of them. */
  readonly kind: string;
  /** As the recipe names it. */
  readonly folder: string;
  readonly shares: readonly SourceShare[];
  /** Samples, how many there were before filters, and how many an epoch shows. */
  readonly samples: number;
  readonly found: number;
  readonly perEpoch: number;
  /** sha256 of which clips these are. */
  readonly digest: string;
  /** Captions, all of them or many spread over the set, and a name for each. */
  readonly captions: readonly string[];
  readonly keyOf: (i: number) => string;
  /** What is to be said before training on them. */
  readonly warnings: readonly string[];
  /** The clips by number, and how they are shown. */
  readonly set: ClipSet;
  readonly view: View;
  /** What the loader will hold in memory at most. */
  readonly held: Held;
  /** `part` of every batch, where others have the rest. */
  open(recipe: Recipe, rule: BadSampleRule, part?: ClipSpan): OpenBatches;
}

/** Opens what a recipe trains on. Errors: UsageError for what is no source, FormatError for one that is missing or damaged. */
export async function openSource(recipe: Recipe, given: string, shape: ClipShape, say: Say): Promise<ClipSource> {
  const parts: Weighted[] = [];
  for (const { text, factor } of sourcesOf(given, recipe.trainDataUpsamplingFactors))
    for (const part of await partsOf(text, { recipe, shape, say }))
      parts.push({ ...part, name: freeName(part.name, parts), factor });
  const set = new Several(parts);
  const { view } = parts[0];
  refuseOthers(parts);
  const facts = joined(parts);
  return {
    kind: [...new Set(parts.map(({ kind }) => kind))].join(" and "),
    folder: given,
    shares: parts.map((part) => shareOf(part, recipe)),
    samples: set.samples,
    found: parts.reduce((sum, { found }) => sum + found, 0),
    perEpoch: epochLength(set.shares, recipe.together),
    digest: digestOfParts(parts),
    captions: facts.captions,
    keyOf: (i) => facts.keys[i],
    warnings: vanishing(facts, recipe),
    ...{ set, view },
    held: heldBy({ ...view, batch: recipe.batch, workers: recipe.workers }),
    open: ({ batch, seed, together, workers }, rule, part) =>
      new Loader(set, { ...view, order: "shuffled", batch, seed, together, workers, part, ...rule }),
  };
}

async function partsOf(text: string, options: PartOptions): Promise<SourcePart[]> {
  const faces = facesIn(text);
  return faces ? [await facePart(faces, options)] : openParts(pathsOf(text), options);
}

/** A batch has frames of one kind. Errors: UsageError that names two sources whose frames are resized, or handed on, by other rules. */
function refuseOthers(parts: readonly SourcePart[]): void {
  const ruleOf = ({ view: { resize, numbers = "bytes" } }: SourcePart) => `${resize} ${numbers}`;
  const other = parts.find((part) => ruleOf(part) !== ruleOf(parts[0]));
  if (!other) return;
  const shards = [parts[0], other].some(({ kind }) => kind === "clips of faces")
    ? "shards of the faces (emotionclip shards dfew:FOLDER) go with other shards"
    : "make shards of the official layout (emotionclip shards)";
  throw new UsageError(
    `--train-data: ${parts[0].name} is ${parts[0].kind}, ${other.name} ${other.kind}: their frames are resized by other rules at this side; ${shards}`,
  );
}

/** The name, with a number where another part has it already. */
function freeName(name: string, parts: readonly SourcePart[]): string {
  const same = parts.filter((part) => part.name === name || part.name.startsWith(`${name} (`)).length;
  return same === 0 ? name : `${name} (${same + 1})`;
}

type Weighted = SourcePart & { readonly factor: number };

const shareOf = ({ name, kind, found, set, factor, faces }: Weighted, { together }: Recipe): SourceShare => ({
  ...{
    name,
    kind,
    found,
    trained: set.samples,
    factor,
    perEpoch: epochLength(sharesOfPart({ set, factor }), together),
  },
  ...(faces && { faces }),
});

/** What an epoch shows of each of several sources. */
export const shareLines = (shares: readonly SourceShare[]): string[] => {
  const all = shares.reduce((sum, { perEpoch }) => sum + perEpoch, 0);
  const several = shares.map(
    ({ name, kind, trained, factor, perEpoch }) =>
      `${name} (${kind}): ${trained} clips times ${factor}, ${((100 * perEpoch) / all).toFixed(1)} % of an epoch`,
  );
  return [...(shares.length > 1 ? several : []), ...shares.flatMap(classLines)];
};

/** How many clips of each class are trained on. */
const classLines = ({ name, faces }: SourceShare): string[] =>
  faces
    ? [
        `${name}: ${Object.entries(faces.classes)
          .map(([word, count]) => `${word} ${count}`)
          .join(", ")}`,
      ]
    : [];

/** Sources as open_clip writes them: separated by ::, and their factors likewise. */
function sourcesOf(given: string, factors: string | null): { text: string; factor: number }[] {
  const texts = given.split("::");
  const numbers = factors?.split("::") ?? texts.map(() => "1");
  if (texts.includes("")) throw new UsageError(`--train-data: "${given}" names an empty source`);
  if (numbers.length !== texts.length)
    throw new UsageError(
      `--train-data-upsampling-factors: ${numbers.length} factors for ${texts.length} sources; each has one, separated by ::`,
    );
  return texts.map((text, i) => ({ text, factor: factorOf(numbers[i]) }));
}

function factorOf(text: string): number {
  const factor = Number(text);
  if (/^(\d+\.?\d*|\.\d+)$/.test(text.trim()) && factor > 0 && factor <= 1000) return factor;
  throw new UsageError(
    `--train-data-upsampling-factors: "${text.slice(0, 40)}" is not a number above 0, at most 1000: 2 shows a source twice an epoch, 0.5 every other`,
  );
}

/** Of one source its own; of several all of theirs with their factors. */
const digestOfParts = (parts: readonly Weighted[]): string =>
  parts.length === 1
    ? parts[0].digest
    : createHash("sha256")
        .update(parts.map(({ digest, factor }) => `${digest} ${factor}`).join("\n"))
        .digest("hex");

/** What the clips of all parts say. */
function joined(parts: readonly SourcePart[]): SourcePart["facts"] {
  if (parts.length === 1) return parts[0].facts;
  const all = parts.map(({ facts }) => facts);
  return {
    captions: all.flatMap(({ captions }) => captions),
    keys: parts.flatMap(({ name, facts }) => facts.keys.map((key) => `${name}: ${key}`)),
    sentiment: Float32Array.from(all.flatMap(({ sentiment }) => [...sentiment])),
    boxed: all.reduce((sum, { boxed }) => sum + boxed, 0),
    ...{ labelsAreEqual: false, picturesAreEqual: false },
  };
}
