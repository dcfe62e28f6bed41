// The model against a float64 reference of its own: first the reference against the official numbers, then models of any sizes,
// each as a folder of golden files that the program checks.
import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { configFromValue, type ModelConfig } from "../../model/index.ts";
import { sharedGpu } from "../kernels/derive.ts";
import { golden, goldenJson } from "../kit/golden.ts";
import { GoldenFiles } from "../parity/golden-folder.ts";
import { checkFile } from "../parity/run.ts";
import type { Json } from "../../data/formats/json.ts";
import { deviation } from "../parity/verdict.ts";
import type { Hyper } from "./adam.ts";
import { ModelMaker } from "./folder.ts";
import { constant, contrast, Reference, weights } from "./model.ts";
import { inTemporary } from "../kit/temporary.ts";

await sharedGpu();

test("the reference gives the official intermediates, loss and gradients to the rounding of the files", () => {
  const tiny = (file: string) => golden(`emotionclip/tiny/${file}.safetensors`);
  const config = configFromValue(goldenJson<Json>("emotionclip/tiny/config.json"), "config.json");
  const gradients = tiny("grad_snce_beta10");
  const parameters = Array.from(tiny("model"), ([name, { shape, data }]) => [name, constant(shape, data)] as const);
  const reference = new Reference(config, new Map(parameters.filter(([name]) => gradients.has(name))));
  const [video, mask, text, sentiment] = ["video", "video_mask", "text", "sentiment"].map(
    (name) => tiny("inputs").get(name)!.data,
  );
  const seen = reference.forward({ video, mask, text });
  // 2^-24: the files' rounding of float64 to float32
  const rounded = { rtol: 2 ** -24, atol: 1e-12 };
  for (const [name, { data }] of tiny("forward"))
    if (name !== "eot_index") assert.ok(deviation(seen.get(name)!.data, data, rounded).share <= 1, name);
  const B = 6;
  const { loss } = contrast(seen.get("logits")!, weights(sentiment, B, 10, "code"));
  const want = goldenJson<{ beta: Record<string, { code: number }> }>("emotionclip/tiny/loss.json").beta["10.0"].code;
  assert.ok(Math.abs(loss.data[0] - want) < 1e-12, `${loss.data[0]}, not ${want}`);
  loss.backward();
  for (const [name, { data }] of gradients)
    assert.ok(deviation(reference.parameters.get(name)!.grad, data, rounded).share <= 1, name);
});

/**
 * As the test setting of the official files: warm-up ends within the three steps. Adam divides a gradient by its own size, and with
 * it the rounding of one that is nearly zero, as there are many in models this small: eps is well above that rounding (1e-7).
 */
const hyper: Hyper = {
  lr_backbone_gb: 1e-3,
  lr_backbone_rest: 5e-4,
  lr_head_gb: 2e-3,
  lr_head_rest: 1.5e-3,
  lr_min: 1e-6,
  weight_decay_backbone: 0.1,
  weight_decay_head: 0.2,
  adamw_beta1: 0.98,
  adamw_beta2: 0.9,
  adamw_eps: 1e-4,
  warmup_t: 2,
  warmup_by_epoch: false,
  warmup_mode: "auto",
  warmup_init_factor: 0.1,
  max_epochs: 5,
  epoch_len: 2,
};

const whole = (min: number, max: number) => fc.integer({ min, max });

/** Small models of odd sizes: widths that are no multiple of four, patches that leave a remainder, single heads and blocks. */
const models: fc.Arbitrary<ModelConfig> = fc
  .record({
    tower: fc.record({ heads: whole(1, 3), K: whole(2, 9), layers: whole(1, 2), mlp: whole(3, 20) }),
    patch: whole(2, 7),
    grid: whole(1, 3),
    rest: whole(0, 1),
    text: fc.record({ heads: whole(1, 3), K: whole(2, 7), layers: whole(1, 2), context: whole(4, 9) }),
    vocabulary: whole(6, 30),
    head: fc.record({ heads: whole(1, 3), K: whole(2, 6), layers: whole(1, 2), frames: whole(1, 4), ff: whole(3, 17) }),
    kind: fc.constantFrom("transformer", "mean", "conv1d"),
    activation: fc.constantFrom("gelu", "quickGelu"),
    subject: fc.constantFrom("sap", "sap", "saam", "none"),
  })
  .map(
    ({ tower, patch, grid, rest, text, vocabulary, head, kind, activation, subject }): ModelConfig => ({
      embed: head.heads * head.K,
      vision: {
        image: patch * grid + rest,
        patch,
        width: tower.heads * tower.K,
        layers: tower.layers,
        heads: tower.heads,
        mlp: tower.mlp,
      },
      text: { context: text.context, vocabulary, width: text.heads * text.K, layers: text.layers, heads: text.heads },
      head: {
        kind,
        frames: kind === "conv1d" ? head.frames + 2 : head.frames,
        layers: head.layers,
        heads: head.heads,
        feedForward: head.ff,
        dropout: 0.1,
      },
      activation,
      subject,
      ...(subject === "saam" && { saam: { layers: 1, mode: "shift" as const, threshold: 0 } }),
    }),
  );

test("models of any sizes agree with the reference in everything the golden files hold", async () => {
  await fc.assert(
    fc.asyncProperty(models, whole(2, 4), fc.nat(1e6), async (config, clips, seed) => {
      await inTemporary(async (root) => {
        const files = new GoldenFiles(root);
        await new ModelMaker({ config, clips, seed }).write(files, "some model", hyper);
        const folder = files.folder();
        assert.ok(folder.files.length >= 14);
        for (const file of folder.files) {
          const { outcome, failures, notes } = await checkFile(folder, file);
          assert.is(outcome, "pass", `${file}: ${failures.join("\n")}`);
          assert.equal(notes, [], `${file}: ${notes.join("; ")}`);
        }
      });
    }),
    { seed: Number(process.env.SEED ?? 2022), numRuns: Number(process.env.RUNS ?? 5), includeErrorInReport: true },
  );
});

test.run();
