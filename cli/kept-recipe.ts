// `--cache-features`: what a recipe must be for the features of its frozen towers to be kept, and where its batches then come from.
import type { BadSampleRule } from "../data/bad-samples.ts";
import { FeatureBatches } from "../data/features/batches.ts";
import { UsageError } from "../engine/errors.ts";
import { frozenTowersOf } from "../train/frozen-towers.ts";
import type { ClipSpan } from "../train/peers.ts";
import type { KeptTowers } from "../train/kept-towers.ts";
import { isOwn, type Recipe, type Resolved } from "../train/recipe.ts";
import type { ClipSource, OpenBatches } from "./train-source.ts";
import type { Draft } from "./training-model.ts";

/**
 * The recipe with what follows from keeping features: a frame that goes through its tower once looks the same in every showing. Errors: UsageError where no
 * tower is frozen as a whole, or where somebody chose what cannot be.
 */
export function keptRecipe(resolved: Resolved, { family, config }: Pick<Draft, "family" | "config">): Resolved {
  const { recipe, from } = resolved;
  if (!recipe.cacheFeatures) return resolved;
  const { image, text } = frozenTowersOf(family, config);
  if (!image && !text)
    throw new UsageError(
      `cache-features (${from.cacheFeatures}): no tower of ${family.name} is frozen as a whole, so nothing stays the same from epoch to epoch\n` +
        "  --lock-image freezes the frame tower, --lock-text that of texts",
    );
  if (!image) return resolved;
  const others = (["crop", "augment"] as const).filter((name) => recipe[name] !== still[name]);
  const chosen = others.find((name) => isOwn(from[name]));
  if (chosen)
    throw new UsageError(
      `${chosen} ${recipe[chosen]} (${from[chosen]}): with cache-features (${from.cacheFeatures}) a frame goes through the frozen tower once, so it looks the same in every showing\n` +
        `  without ${chosen}, or with ${chosen} ${still[chosen]}, its features are kept; without cache-features it may change`,
    );
  const source = `follows ${from.cacheFeatures}`;
  const cleared = Object.fromEntries(others.map((name) => [name, still[name]]));
  const sources = Object.fromEntries(others.map((name) => [name, source]));
  return { recipe: { ...recipe, ...cleared }, from: { ...from, ...sources } };
}

/** What changes the pixels of a frame from showing to showing, and what it is where a frame is shown once. */
const still = { crop: "centre", augment: false } as const;

/** What is to be said of it. */
export function keptLines({ recipe, from }: Resolved): string[] {
  const changed = (["crop", "augment"] as const).filter((name) => from[name].startsWith("follows "));
  if (!recipe.cacheFeatures || changed.length === 0) return [];
  const now = changed.map((name) => `${name} is ${recipe[name]}`).join(", ");
  return [`features of frames are kept (${from.cacheFeatures}), so a frame looks the same in every showing: ${now}`];
}

/** Batches of pixels and captions, or of what is kept of them. */
export function openBatches(
  source: ClipSource,
  recipe: Recipe,
  rule: BadSampleRule,
  kept: KeptTowers | undefined,
  part?: ClipSpan,
): OpenBatches {
  const { batch, seed, together } = recipe;
  const clips = kept?.towers.image
    ? new FeatureBatches({ ...source, rows: () => kept.frames }, { batch, seed, together, ...rule })
    : source.open(recipe, rule, part);
  return kept?.towers.text ? withCaptions(clips, kept) : clips;
}

/** The same batches with the kept rows of their captions. */
const withCaptions = (clips: OpenBatches, kept: KeptTowers): OpenBatches => ({
  stepsPerEpoch: clips.stepsPerEpoch,
  async *batches(from, until) {
    for await (const batch of clips.batches(from, until)) {
      const texts = kept.captions.of(batch.captions);
      yield texts ? { ...batch, texts } : batch;
    }
  },
  close: () => clips.close(),
});
