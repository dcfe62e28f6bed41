// Which model a training begins with, where a name and a file both say something of it.
import { mkdirSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { type Draft, draftModel } from "../../cli/training-model.ts";
import { draftRecipe } from "../../cli/training-plan.ts";
import { openWeights } from "../../data/formats/weights.ts";
import { UsageError } from "../../engine/errors.ts";
import { planLoad } from "../../model/checkpoint/plan.ts";
import { metadataOf } from "../../model/families.ts";
import {
  emoClip,
  emoClipB32,
  type EmoClipConfig,
  emotionClip,
  EmotionClip,
  Init,
  type ModelConfig,
  named,
  vitB32,
} from "../../model/index.ts";
import { type Resolved, resolveRecipe } from "../../train/recipe.ts";
import { type PresetName, presetLayer } from "../../train/recipes/index.ts";
import { goldenPath } from "../kit/golden.ts";
import { refusal } from "../kit/refusal.ts";
import { inTemporary } from "../kit/temporary.ts";

const scalars: [string, readonly number[]][] = ["input_resolution", "context_length", "vocab_size"].map((n) => [n, []]);

type Shapes = readonly (readonly [name: string, shape: readonly number[]])[];

/** CLIP's ViT-B/32 of full size. */
function sparseClip(path: string, more: Shapes): void {
  const clip = Array.from(named(new EmotionClip(vitB32, new Init(0))), ([name, { shape }]) => [name, shape] as const);
  const backbone = clip.flatMap(([name, shape]) =>
    name.startsWith("backbone.") ? [[name.slice(9), shape] as const] : [],
  );
  sparseFile(path, [...backbone, ["logit_scale", []] as const, ...more]);
}

/** A file of zeros, none of them on the disk. */
function sparseFile(path: string, tensors: Shapes, metadata?: object): void {
  let end = 0;
  const entries = tensors.map(([name, shape]) => {
    const from = end;
    end += 4 * shape.reduce((n, size) => n * size, 1);
    return [name, { dtype: "F32", shape, data_offsets: [from, end] }];
  });
  const told = metadata && { __metadata__: metadata };
  const header = Buffer.from(JSON.stringify({ ...told, ...Object.fromEntries(entries) }));
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
    found = { activation: (config as ModelConfig).activation, notes: weights!.report.notes };
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

/** The draft of these values, with what `more` writes into a folder of its own. */
async function drafted(values: object, files: (root: string) => object = () => ({}), preset: PresetName = "paper") {
  let found: Omit<Draft, "close"> & Resolved;
  await inTemporary(async (root) => {
    mkdirSync(root, { recursive: true });
    const own = { values: { ...values, ...files(root) }, from: (name: string) => `--${name}` };
    const { draft, ...rest } = await draftRecipe([presetLayer(preset), own]);
    await draft.close();
    found = { ...draft, ...rest };
  });
  return found!;
}

const small: EmoClipConfig = {
  embed: 16,
  vision: { image: 32, patch: 16, width: 16, layers: 1, heads: 2, mlp: 64 },
  text: { context: 77, vocabulary: 49408, width: 16, layers: 1, heads: 2 },
  temporal: { frames: 4, positions: 64, layers: 1, heads: 2, headWidth: 12, hidden: 16 },
  activation: "quickGelu",
};

const smallFile = (root: string) => {
  const model = join(root, "small.json");
  writeFileSync(model, JSON.stringify(small));
  return { model };
};

const clipFile = (root: string) => {
  const pretrained = join(root, "weights.safetensors");
  sparseClip(pretrained, scalars);
  return { pretrained };
};

test("a model of another family is drafted from its name or its file, with what its data needs", async () => {
  const named = await drafted({ model: "emoclip-vit-b-32" });
  assert.is(named.family.name, "EmoCLIP");
  assert.equal(named.config, emoClipB32);
  assert.equal([named.takes.frames, named.takes.side, named.takes.vocabulary], [32, 224, 49408]);
  const own = await drafted({}, smallFile);
  assert.equal([own.family.name, JSON.stringify(own.config), own.takes.frames], ["EmoCLIP", JSON.stringify(small), 4]);
});

test("CLIP alone begins a model of the family that is named; what it lacks is new", async () => {
  const { family, weights, takes } = await drafted({ model: "EmoCLIP-ViT-B-32" }, clipFile);
  assert.equal([family.name, takes.frames], ["EmoCLIP", 32]);
  assert.is(weights!.report.kind, "OpenAI CLIP");
  assert.ok(weights!.report.fresh.length > 0 && weights!.report.fresh.every((name) => name.startsWith("temporal.")));
  const unnamed = await drafted({}, clipFile);
  assert.is(unnamed.family.name, "EmotionCLIP");
});

/** What files of CLIP do not tell. */
const temporal = { frames: 3, positions: 8, layers: 1, heads: 2, headWidth: 6, hidden: 16 };
const told = { temporal, vision: { heads: 2 }, text: { heads: 2 } };

for (const [file, kind, activation] of [
  ["openai_clip.pth", "OpenAI CLIP", "quickGelu"],
  ["openclip_backbone.pth", "OpenCLIP backbone", "gelu"],
  ["openclip_training.pt", "OpenCLIP training checkpoint", "gelu"],
] as const)
  test(`${kind} begins an EmoCLIP of a configuration that says the rest`, async () => {
    const { family, weights, config } = await drafted(
      { pretrained: goldenPath(`emotionclip/checkpoints/${file}`) },
      (root) => {
        writeFileSync(join(root, "rest.json"), JSON.stringify(told));
        return { model: join(root, "rest.json") };
      },
    );
    assert.equal([family.name, weights!.report.kind, weights!.report.missing], ["EmoCLIP", kind, []]);
    assert.ok(weights!.report.fresh.every((name) => name.startsWith("temporal.")));
    assert.is((config as EmoClipConfig).activation, activation);
  });

test("the configuration beside weights of CLIP tells towers of either family", async () => {
  const towers = vitB32.vision;
  const beside = { embed: 512, vision: towers, text: vitB32.text, activation: "gelu" } as const;
  const stored = { family: emotionClip, config: { ...vitB32, ...beside } };
  await inTemporary(async (root) => {
    mkdirSync(root, { recursive: true });
    const file = await openWeights(clipFile(root).pretrained);
    const plan = await planLoad(file, { family: emoClip, config: { temporal: { frames: 8 } } }, stored);
    await file.close();
    const { activation, temporal } = plan.config as unknown as EmoClipConfig;
    assert.equal([activation, temporal.frames, temporal.headWidth], ["gelu", 8, 2048]);
  });
});

test("weights of another family than the recipe's model are refused with both and what to do", async () => {
  const foreign = (root: string) => {
    const model = join(root, "small.json");
    writeFileSync(model, JSON.stringify(small));
    return { model, ...trained(root) };
  };
  const { family, weights } = await drafted({}, foreign);
  assert.equal([family.name, weights!.report.fresh], ["EmoCLIP", []]);
  const error = await refusal(drafted({}, trained));
  assert.instance(error, UsageError);
  assert.match(
    error.message,
    /trained.safetensors: EmoCLIP of this program, but the recipe's model ViT-B-32 \(preset paper: .*\) is one of EmotionCLIP; .*--model EmoCLIP-ViT-B-32/,
  );
});

/** A file of the small model as a run leaves it. */
function trained(root: string) {
  const pretrained = join(root, "trained.safetensors");
  const { family, config } = { family: emoClip, config: small };
  const shapes = Array.from(named(emoClip.build(small, new Init(0))), ([name, { shape }]) => [name, shape] as const);
  sparseFile(pretrained, shapes, metadataOf({ family, config }));
  return { pretrained };
}

test("what a family leaves nothing to choose of is refused on purpose alone", async () => {
  const { recipe, from } = await drafted({}, smallFile);
  assert.equal([recipe.subject, recipe.dropout, recipe.head], ["none", 0, "transformer"]);
  assert.is(from.subject, "a model of EmoCLIP has no such choice");
  await drafted({ subject: "none" }, smallFile);
  for (const values of [{ subject: "sap" }, { dropout: 0.1 }, { head: "mean" }]) {
    const error = await refusal(drafted(values, smallFile));
    assert.match(error.message, /^--\w+: \w+ .* but a model of EmoCLIP has no such choice; leave it out/);
  }
  const kept = await drafted({ subject: "saam", head: "mean" });
  assert.equal([kept.recipe.subject, kept.recipe.head], ["saam", "mean"]);
});

test.run();
