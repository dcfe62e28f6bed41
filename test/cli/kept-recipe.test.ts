// What `--cache-features` makes of a recipe, by what of the model is frozen and who chose what.
import { test } from "uvu";
import * as assert from "uvu/assert";
import { keptLines, keptRecipe } from "../../cli/kept-recipe.ts";
import { UsageError } from "../../engine/errors.ts";
import { emoClip, emoClipB32, emotionClip } from "../../model/index.ts";
import type { Family } from "../../model/family.ts";
import { locked } from "../../train/locks.ts";
import { type Layer, resolveRecipe } from "../../train/recipe.ts";
import { tiny } from "../train/synthetic.ts";

const flags = (values: Layer["values"]): Layer => ({ values, from: (name) => `--${name}` });
const drafted = (values: Layer["values"], family = emotionClip as Family, config: object = tiny) => {
  const resolved = resolveRecipe([flags({ cacheFeatures: true, ...values })]);
  return keptRecipe(resolved, { family: locked(family, resolved.recipe), config: config as typeof tiny });
};

test("a preset's random crop becomes the centre where the frame tower is frozen, and it is said", () => {
  const made = drafted({ lockImage: true });
  assert.is(made.recipe.crop, "centre");
  assert.is(made.from.crop, "follows --cacheFeatures");
  assert.match(keptLines(made)[0], /crop is centre/);
  assert.is(made.recipe.sampling, "random");
});

test("a family whose towers are frozen by itself needs no lock", () => {
  assert.is(drafted({}, emoClip as Family, emoClipB32).recipe.crop, "centre");
});

test("where texts alone are kept, crops stay random, and nothing is said", () => {
  const made = drafted({ lockText: true });
  assert.is(made.recipe.crop, "random");
  assert.equal(keptLines(made), []);
  assert.is(drafted({ lockText: true, crop: "random" }).recipe.crop, "random");
});

test("random crops that somebody chose, and a model of which all trains, are refused", () => {
  const refused = (values: Layer["values"], message: RegExp) =>
    assert.throws(
      () => drafted(values),
      (error: Error) => error instanceof UsageError && message.test(error.message),
    );
  refused(
    { lockImage: true, crop: "random" },
    /crop random \(--crop\): with cache-features .*with crop centre, its features are kept/s,
  );
  refused({ lockImage: true, augment: true }, /augment true \(--augment\): with cache-features/);
  refused({}, /no tower of EmotionCLIP is frozen as a whole.*--lock-image/s);
  refused({ lockLayers: 1 }, /no tower of EmotionCLIP is frozen as a whole/);
  assert.is(drafted({ lockImage: true, crop: "centre" }).from.crop, "--crop");
});

test("without the flag a recipe stays as it is", () => {
  const resolved = resolveRecipe([flags({})]);
  assert.is(keptRecipe(resolved, { family: emotionClip as Family, config: tiny }), resolved);
});

test.run();
