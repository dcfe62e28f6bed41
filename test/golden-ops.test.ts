// Activations, embedding, patches, prompt, losses and the optimiser against the official code's numbers.
import { test } from "uvu";
import * as assert from "uvu/assert";
import { openGpu, parameter, Tape, type Tensor, tensor } from "../engine/index.ts";
import { later } from "../engine/record.ts";
import {
  adamw,
  conv1d,
  cover,
  crossEntropy,
  embedding,
  embedPatches,
  gelu,
  klWeights,
  logits,
  mean,
  mul,
  prompt,
  quickGelu,
  snce,
} from "../kernels/index.ts";
import { agree, deviation, fixture, goldenJson, manifest, type Results, tolerance } from "./golden.ts";

await openGpu();
const known = manifest();

test("gelu and quickGelu: values and slopes are those of torch", async () => {
  const file = "ops/activations.safetensors";
  const of = fixture(file);
  const results: Results = {};
  for (const [name, activation] of Object.entries({ gelu, quickgelu: quickGelu })) {
    const x = parameter(of("x").data);
    using tape = new Tape();
    const y = activation(x);
    results[`${name}.y`] = later(y);
    results[`${name}.dx`] = later(tape.vjp([y], [tensor(of("dy").data)]).get(x));
  }
  await agree(file, results);
});

test("embedding: rows by id, and the table's gradient where ids repeat", async () => {
  const file = "ops/embedding.safetensors";
  const of = fixture(file);
  const results: Results = {};
  {
    const w = parameter(of("w").data, of("w").shape);
    using tape = new Tape();
    const y = embedding(w, tensor(of("ids").data, of("ids").shape, "u32"));
    results.y = later(y);
    results.dw = later(tape.vjp([y], [tensor(of("dy").data, of("dy").shape)]).get(w));
  }
  await agree(file, results);
});

test("patch embedding: the convolution whose stride is its kernel, and its weight's gradient", async () => {
  const file = "ops/patch_embed.safetensors";
  const of = fixture(file);
  const results: Results = {};
  {
    const w = parameter(of("w").data, of("w").shape);
    using tape = new Tape();
    const y = embedPatches(tensor(of("x").data, of("x").shape), w);
    assert.equal(y.shape, of("y").shape);
    results.y = later(y);
    results.dw = later(tape.vjp([y], [tensor(of("dy").data, of("dy").shape)]).get(w));
  }
  await agree(file, results);
});

test("prompt: coverage, subject token, the paper's indicator form, and the positions' gradient", async () => {
  const file = "ops/sap.safetensors";
  const of = fixture(file);
  const results: Results = {};
  {
    const pos = parameter(of("pos").data, of("pos").shape);
    using tape = new Tape();
    const a = cover(tensor(of("mask").data, of("mask").shape), { patch: 8 });
    const token = prompt(a, pos);
    results.a = later(a);
    results.token = later(token);
    results.token_indicator = later(prompt(a, pos, { indicator: true }));
    results.dpos = later(tape.vjp([token], [tensor(of("dy").data, of("dy").shape)]).get(pos));
  }
  await agree(file, results);
});

for (const form of ["code", "paper"] as const)
  for (const beta of [1, 10])
    test(`klWeights: form ${form}, beta ${beta}`, async () => {
      const file = "ops/kl_weights.safetensors";
      const of = fixture(file);
      let weights: Promise<ArrayLike<number>>;
      {
        using tape = new Tape();
        weights = later(klWeights(tensor(of("logits").data, of("logits").shape), { beta, form }));
        void tape;
      }
      const name = `w_${form}_beta${beta}`;
      // Equal rows: the true weight is infinite, any of at least 1e4 removes the negative.
      const removed = (w: number) => (w >= 1e4 ? Number.MAX_VALUE : w);
      const got = Array.from(await weights, removed);
      const { share, at } = deviation(got, Array.from(of(name).data, removed), tolerance(known, file, name));
      assert.ok(share <= 1, `${name}[${at}]: got ${got[at]}, expected ${of(name).data[at]}`);
    });

test("crossEntropy: loss and gradient, also where entries are removed", async () => {
  const file = "ops/cross_entropy.safetensors";
  const of = fixture(file);
  const results: Results = {};
  for (const part of ["a", "b"]) {
    const x = parameter(of(`${part}.logits`).data, of(`${part}.logits`).shape);
    using tape = new Tape();
    const loss = crossEntropy(x, tensor(of("labels").data, of("labels").shape, "u32"));
    results[`${part}.loss`] = later(loss);
    results[`${part}.dlogits`] = later(tape.gradients(loss).get(x));
  }
  await agree(file, results);
});

for (const [name, decay] of [
  ["wd0", 0],
  ["wd0.1", 0.1],
] as const)
  test(`adamw: five steps with decay ${decay}`, async () => {
    const file = "ops/adamw.safetensors";
    const of = fixture(file);
    const [p, m, v] = [of("p0").data, new Float32Array(37), new Float32Array(37)].map((data) => parameter(data));
    const want = of(`p_${name}`).data;
    const allowed = tolerance(known, file, `p_${name}`);
    for (let k = 0; k < 5; k++) {
      let now: Promise<ArrayLike<number>>;
      {
        using tape = new Tape();
        const g = tensor(of("grads").data.slice(37 * k, 37 * k + 37));
        const attrs = { step: k + 1, lr: of("lr").data[k], beta1: 0.98, beta2: 0.9, eps: 1e-6, decay };
        adamw(p, g, m, v, tensor([1], []), attrs);
        now = later(p);
        void tape;
      }
      const { share, at } = deviation(await now, want.subarray(37 * k, 37 * k + 37), allowed);
      assert.ok(share <= 1, `p[${at}] after step ${k + 1} is ${share} times its tolerance away`);
    }
    await agree(file, {
      [`exp_avg_${name}`]: Promise.resolve(await m.data()),
      [`exp_avg_sq_${name}`]: Promise.resolve(await v.data()),
    });
  });

/** The tiny model's loss from its features, with the parts that the fixtures hold. */
function tinyLoss(sentiment: string, beta: number, form: "code" | "paper") {
  const forward = fixture("tiny/forward.safetensors");
  const inputs = fixture("tiny/inputs.safetensors");
  const as = (name: string): Tensor => parameter(forward(name).data, forward(name).shape);
  const [video, text, scale] = [as("video_features"), as("text_features"), as("logit_scale_exp")];
  using tape = new Tape();
  const w = klWeights(tensor(inputs(sentiment).data, inputs(sentiment).shape), { beta, form });
  const loss = snce(logits(video, text, scale), w);
  const found = tape.gradients(loss);
  const gradients = {
    video_features: later(found.get(video)),
    text_features: later(found.get(text)),
    logit_scale_exp: later(found.get(scale)),
  };
  return { loss: later(loss), gradients };
}

interface Losses {
  beta: Record<string, Record<"code" | "paper", number>>;
  dup: Record<string, Record<"code" | "paper", number>>;
  clip_loss: number;
}

for (const [kind, sentiment] of [
  ["beta", "sentiment"],
  ["dup", "sentiment_dup"],
] as const)
  for (const form of ["code", "paper"] as const)
    test(`snce: the tiny model's losses, ${sentiment}, form ${form}`, async () => {
      const losses = goldenJson<Losses>("emotionclip/tiny/loss.json");
      for (const [beta, want] of Object.entries(losses[kind])) {
        const [got] = await tinyLoss(sentiment, Number(beta), form).loss;
        // The rounding of logits of size 10, which the loss is a difference of.
        assert.ok(Math.abs(got - want[form]) <= 2e-6 + 1e-5 * want[form], `beta ${beta}: ${got}, not ${want[form]}`);
      }
    });

for (const [part, sentiment, beta] of [
  ["beta10", "sentiment", 10],
  ["dup_beta10", "sentiment_dup", 10],
  ["beta0", "sentiment", 0],
] as const)
  test(`snce: the tiny model's gradients at features and scale, ${part}`, async () => {
    const { gradients } = tinyLoss(sentiment, beta, "code");
    const named = Object.entries(gradients).map(([name, data]) => [`grad_${name}_${part}`, data]);
    await agree("tiny/loss.safetensors", Object.fromEntries(named));
  });

test("snce: a batch of one has no loss", async () => {
  let loss: Promise<ArrayLike<number>>;
  {
    using tape = new Tape();
    loss = later(snce(tensor([17.3], [1, 1]), klWeights(tensor([1, 2, 3], [1, 3]))));
    void tape;
  }
  assert.is((await loss)[0], 0);
});

test("mean and conv1d over frames: the other two temporal heads", async () => {
  const file = "tiny/variants.safetensors";
  const [of, forward] = [fixture(file), fixture("tiny/forward.safetensors")];
  const results: Results = {};
  {
    using tape = new Tape();
    const frames = tensor(forward("frame_features").data, forward("frame_features").shape);
    const weight = of("conv_1d.fusion_layer.weight");
    results["mean.video_features_raw"] = later(mean(frames, 1));
    results["conv_1d.video_features_raw"] = later(mean(conv1d(frames, tensor(weight.data, weight.shape)), 1));
    void tape;
  }
  await agree(file, results);
});

test("a product with a number is the product with a tensor of it", async () => {
  let both: Promise<ArrayLike<number>>[];
  {
    using tape = new Tape();
    const x = tensor([1, -2, 3.5]);
    both = [later(mul(x, 2.5)), later(mul(x, tensor([2.5], [])))];
    void tape;
  }
  const [a, b] = await Promise.all(both);
  assert.equal(Array.from(a), Array.from(b));
});

test.run();
