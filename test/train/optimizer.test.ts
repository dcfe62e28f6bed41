// The update as training makes it, over several steps, against AdamW in f64: which step it is, and which groups decay.
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Trainer } from "../../train/trainer.ts";
import { sharedGpu } from "../kernels/derive.ts";
import { settings as usual, syntheticBatch, tiny, tokenizer } from "./synthetic.ts";

await sharedGpu();

/** Large steps and a decay that a gain of 1 feels: 5e-3 a step. */
const lr = 0.01;
const settings = { ...usual, beta1: 0.9, beta2: 0.95, decay: 0.5, clip: 0.7 };
const eps = 1e-6;

/** Loshchilov & Hutter 2019, Algorithm 2, on one flat group. */
class Reference {
  readonly #m: Float64Array;
  readonly #v: Float64Array;

  constructor(
    readonly p: Float64Array,
    readonly decay: number,
  ) {
    this.#m = new Float64Array(p.length);
    this.#v = new Float64Array(p.length);
  }

  step(t: number, gradients: ArrayLike<number>, factor: number): void {
    const { beta1, beta2 } = settings;
    for (let i = 0; i < this.p.length; i++) {
      const g = factor * gradients[i];
      this.#m[i] = beta1 * this.#m[i] + (1 - beta1) * g;
      this.#v[i] = beta2 * this.#v[i] + (1 - beta2) * g * g;
      const mean = this.#m[i] / (1 - beta1 ** t);
      const root = Math.sqrt(this.#v[i] / (1 - beta2 ** t));
      this.p[i] -= lr * this.decay * this.p[i] + (lr * mean) / (root + eps);
    }
  }
}

test("three updates are those of AdamW from step 1: weights decay, gains, biases and the logit scale do not", async () => {
  const trainer = new Trainer(tiny, tokenizer, settings);
  const read = async (kind: "parameters" | "gradients") => {
    const found = new Map<string, Float64Array[]>();
    for (const [name, shards] of trainer.shards) {
      const data = await Promise.all(shards.map((shard) => shard[kind].data()));
      found.set(
        name,
        data.map((each) => Float64Array.from(each)),
      );
    }
    return found;
  };
  const references = new Map(
    [...(await read("parameters"))].map(([name, shards]) => {
      const decay = name.endsWith("_rest") ? settings.decay : 0;
      return [name, shards.map((p) => new Reference(p, decay))];
    }),
  );
  assert.ok(["frame_gb", "frame_rest", "text_gb", "text_rest", "logit_scale"].every((name) => references.has(name)));
  for (let step = 1; step <= 3; step++) {
    await trainer.update(step, syntheticBatch(step), lr);
    const gradients = await read("gradients");
    const norm = Math.hypot(...[...gradients.values()].flat().map((g) => Math.hypot(...g)));
    const factor = Math.min(1, settings.clip / norm);
    const found = await read("parameters");
    for (const [name, shards] of references)
      for (const [s, reference] of shards.entries()) {
        reference.step(step, gradients.get(name)![s], factor);
        const got = found.get(name)![s];
        // a step moves by up to lr; f32 holds a parameter of size 4 to 2e-7, and m̂/√v̂ to some 1e-6
        const at = got.findIndex((p, i) => !(Math.abs(p - reference.p[i]) <= 1e-3 * lr));
        assert.is(at, -1, `step ${step}, ${name}[${at}]: got ${got[at]}, expected ${reference.p[at]}`);
      }
  }
});

test.run();
