// Recipe files: what they may say, how they say what is wrong, and that they are data.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { FormatError, UsageError } from "../../engine/errors.ts";
import { recipeText } from "../../cli/pages/recipe-page.ts";
import { readRecipeFile } from "../../cli/recipe-file.ts";
import { resolveRecipe } from "../../train/recipe.ts";
import { presetLayer, recipePresets } from "../../train/recipes/index.ts";
import { refusal } from "../kit/refusal.ts";
import { inTemporary } from "../kit/temporary.ts";

const reading = async (name: string, text: string | Uint8Array) => {
  let found: Awaited<ReturnType<typeof readRecipeFile>> | undefined;
  await inTemporary(async (folder) => {
    writeFileSync(join(folder, name), text);
    found = await readRecipeFile(join(folder, name));
  });
  return found!;
};

test("YAML and JSON say the same, in any of the spellings", async () => {
  const yaml = await reading("a.yaml", "preset: paper\nlr_backbone_gb: 1e-4 # ours\nbatch-size: 32\nlockText: true\n");
  const json = await reading("a.json", '{"preset":"paper","lrBackboneGb":1e-4,"batch_size":32,"lock-text":true}');
  assert.equal(yaml.layer.values, json.layer.values);
  assert.is(yaml.preset, "paper");
  assert.is(yaml.layer.from("lr"), "a.yaml");
  assert.equal(yaml.layer.values, { lrBackboneGb: 1e-4, batch: 32, lockText: true });
});

test("an empty file says nothing", async () => {
  assert.equal((await reading("a.yml", "# nothing yet\n")).layer.values, {});
});

test("what is printed of a recipe is a file that makes it again", async () => {
  for (const preset of recipePresets) {
    const resolved = resolveRecipe([presetLayer(preset)]);
    const { preset: named, layer } = await reading("a.yaml", recipeText({ preset, ...resolved }));
    assert.is(named, preset);
    assert.equal(resolveRecipe([layer]).recipe, resolved.recipe);
  }
});

const refused: readonly [
  name: string,
  text: string | Uint8Array,
  kind: typeof FormatError | typeof UsageError,
  what: RegExp,
][] = [
  ["a.yaml", "lrs: 1\n", UsageError, /^a\.yaml: unknown name "lrs" \(did you mean lr\?\)$/],
  ["a.yaml", "wd-hed: 1\n", UsageError, /unknown name "wd-hed" \(did you mean wd-head\?\)/],
  ["a.yaml", "constructor: 1\n", UsageError, /unknown name "constructor"/],
  ["a.json", '{"__proto__": 1}', UsageError, /unknown name "__proto__"/],
  ["a.yaml", "batch: 4\nbatch-size: 8\n", UsageError, /"batch-size" is given twice, in two spellings/],
  ["a.yaml", "lr: [1, 2]\n", UsageError, /"lr" is a list, expected one value/],
  ["a.yaml", "optimiser:\n  lr: 1\n", UsageError, /unknown name "optimiser"/],
  ["a.yaml", "lr: {a: 1}\n", UsageError, /"lr" is a table, expected one value/],
  ["a.toml", "lr = 1\n", UsageError, /^--config: "a\.toml" is no \.yaml/],
  ["a.yaml", "- lr\n", FormatError, /^a\.yaml: is a list, expected a table/],
  ["a.yaml", "lr: 1\nlr: 2\n", FormatError, /^a\.yaml: line 2: .*unique/],
  ["a.yaml", "lr: !!js/function 'process.exit()'\n", FormatError, /^a\.yaml: line 1: Unresolved tag/],
  ["a.yaml", "a: &x [1]\nlr: *x\n", FormatError, /alias/i],
  ["a.yaml", "lr: 'open\n", FormatError, /^a\.yaml: line/],
  ["a.yaml", "[".repeat(100_000), FormatError, /^a\.yaml: /],
  ["a.yaml", Uint8Array.of(0x6c, 0x72, 0x3a, 0x20, 0xff), FormatError, /^a\.yaml: is not UTF-8/],
  ["a.yaml", " ".repeat(2 ** 20 + 1), FormatError, /^a\.yaml: /],
  ["a.json", '{"lr": 1,}', FormatError, /^a\.json: /],
];
for (const [name, text, kind, what] of refused)
  test(`refused: ${String(text).slice(0, 30).trim().replaceAll("\n", " ⏎ ") || "a large file"}`, async () => {
    const error = await refusal(reading(name, text));
    assert.instance(error, kind);
    assert.match(error.message, what);
    assert.ok(error.message.length < 600, error.message);
  });

test.run();
