// Which model a training begins with, where a name and a file both say something of it.
import { mkdirSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { draftModel } from "../../cli/training-model.ts";
import { EmotionClip, Init, named, vitB32 } from "../../model/index.ts";
import { resolveRecipe } from "../../train/recipe.ts";
import { presetLayer } from "../../train/recipes/index.ts";
import { inTemporary } from "../kit/temporary.ts";

const scalars: [string, readonly number[]][] = ["input_resolution", "context_length", "vocab_size"].map((n) => [n, []]);

/** CLIP's ViT-B/32 of full size, all zeros and none of them on the disk. */
function sparseClip(path: string, more: readonly [string, readonly number[]][]): void {
  const clip = Array.from(named(new EmotionClip(vitB32, new Init(0))), ([name, { shape }]) => [name, shape] as const);
  const backbone = clip.flatMap(([name, shape]) =>
    name.startsWith("backbone.") ? [[name.slice(9), shape] as const] : [],
  );
  let end = 0;
  const entries = [...backbone, ["logit_scale", []] as const, ...more].map(([name, shape]) => {
    const from = end;
    end += 4 * shape.reduce((n, size) => n * size, 1);
    return [name, { dtype: "F32", shape, data_offsets: [from, end] }];
  });
  const header = Buffer.from(JSON.stringify(Object.fromEntries(entries)));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(header.length));
  writeFileSync(path, Buffer.concat([length, header]));
  truncateSync(path, 8 + header.length + end);
}

async function begun(model: string, more: typeof scalars) {
  let found: { activation: string; notes: readonly string[] } | undefined;
  await inTemporary(async (root) => {
    mkdirSync(root, { recursive: true });
    const pretrained = join(root, "weights.safetensors");
    sparseClip(pretrained, more);
    const own = { values: { model, pretrained }, from: () => "--model" };
    const { config, weights, close } = await draftModel(resolveRecipe([presetLayer("paper"), own]));
    await close();
    found = { activation: config.activation, notes: weights!.report.notes };
  });
  return found!;
}

test("a published name does not take from OpenAI's weights the activation that they have", async () => {
  const { activation, notes } = await begun("ViT-B-32", scalars);
  assert.is(activation, "quickGelu");
  assert.match(notes.join("\n"), /quickGelu and not gelu, which ViT-B-32 has otherwise: as the weights tell/);
});

test("where weights tell no activation the name does, and nothing is remarked", async () => {
  for (const [model, expected] of Object.entries({ "ViT-B-32": "gelu", "ViT-B-32-quickgelu": "quickGelu" })) {
    const { activation, notes } = await begun(model, []);
    assert.equal([activation, notes], [expected, []]);
  }
});

test.run();
