// A model's golden folder, made by the float64 reference: any configuration, batch and seed. Same files, names and kinds as the
// official ones; values are computed in float64 from float32 inputs and rounded once.
import { configToJson, EmotionClip, Init, type ModelConfig, named } from "../../model/index.ts";
import { gaussian, uniform } from "../kernels/derive.ts";
import type { GoldenFiles } from "../parity/golden-folder.ts";
import type { GoldenTensor } from "../parity/tensor-file.ts";
import { type Node, normalize, numel, take } from "./autograd.ts";
import { Adam, type Hyper } from "./adam.ts";
import { constant, contrast, divergence, endsOf, type Form, Reference, weights } from "./model.ts";

type Tensors = Map<string, GoldenTensor>;

const f32 = (shape: readonly number[], data: ArrayLike<number>): GoldenTensor => ({
  dtype: "F32",
  shape: [...shape],
  data: Float32Array.from(data),
});
const i32 = (shape: readonly number[], data: ArrayLike<number>): GoldenTensor => ({
  dtype: "I32",
  shape: [...shape],
  data: Int32Array.from(data),
});

/** What a folder is made for. */
export interface Made {
  readonly config: ModelConfig;
  readonly clips: number;
  readonly seed: number;
}

/** The tolerances of the official manifests for the same kinds of values. */
const forwardTolerance = { rtol: 1e-4, atol: 2e-5 };

export class ModelMaker {
  readonly weights: Tensors;
  readonly inputs: Tensors;

  constructor(readonly made: Made) {
    const random = uniform(made.seed);
    this.weights = randomWeights(made.config, random);
    this.inputs = randomInputs(made, random);
  }

  /** The reference with fresh gradients. */
  reference(): Reference {
    const nodes = Array.from(this.weights, ([name, { shape, data }]) => [name, constant(shape, data)] as const);
    return new Reference(this.made.config, new Map(nodes));
  }

  #input(name: string): ArrayLike<number> {
    return this.inputs.get(name)!.data;
  }

  forward(reference: Reference): Map<string, Node> {
    return reference.forward({
      video: this.#input("video"),
      mask: this.#input("video_mask"),
      text: this.#input("text"),
    });
  }

  /** SNCE of the whole model; `backward` on it fills every parameter's gradient. */
  loss(reference: Reference, beta: number, form: Form = "code"): Node {
    const w = weights(this.#input("sentiment"), this.made.clips, beta, form);
    return contrast(this.forward(reference).get("logits")!, w).loss;
  }

  /** Gradient of every parameter. */
  gradients(beta: number): Tensors {
    const reference = this.reference();
    this.loss(reference, beta).backward();
    return new Map(Array.from(reference.parameters, ([name, { shape, grad }]) => [name, f32(shape, grad)]));
  }

  async write(files: GoldenFiles, at: string, hyper: Hyper): Promise<void> {
    const { config, clips } = this.made;
    files.json(`${at}/config.json`, configToJson(config));
    await files.tensors(`${at}/model.safetensors`, this.weights, undefined);
    await files.tensors(`${at}/inputs.safetensors`, this.inputs, undefined);
    const seen = this.forward(this.reference());
    const { context } = config.text;
    const forward: Tensors = new Map(Array.from(seen, ([name, { shape, data }]) => [name, f32(shape, data)]));
    forward.set("frame_features", f32([clips, config.head.frames, config.embed], seen.get("frame_features")!.data));
    forward.set("eot_index", i32([clips], endsOf(this.#input("text"), context)));
    await files.tensors(`${at}/forward.safetensors`, forward, forwardTolerance);
    await this.#losses(files, at, seen);
    for (const [name, beta] of Object.entries({ snce_beta10: 10, clip: 0 }))
      await files.tensors(
        `${at}/grad_${name}.safetensors`,
        this.gradients(beta),
        gradientTolerance(this.gradients(beta)),
      );
    await this.#training(files, at, hyper);
    await this.#classifier(files, at, seen);
    await this.#variants(files, at, seen);
  }

  async #losses(files: GoldenFiles, at: string, seen: ReadonlyMap<string, Node>): Promise<void> {
    const B = this.made.clips;
    const values = (sentiment: string, beta: number) => {
      const found: Record<string, number> = {};
      for (const form of ["code", "paper"] as const) {
        const w = weights(this.#input(sentiment), B, beta, form);
        const { loss, ...directions } = contrast(seen.get("logits")!, w);
        found[form] = loss.data[0];
        for (const [name, node] of Object.entries(directions)) found[`${form}_${name}`] = node.data[0];
      }
      return found;
    };
    const betas = (sentiment: string) =>
      Object.fromEntries([0, 0.1, 1, 10, 100].map((beta) => [String(beta), values(sentiment, beta)]));
    files.json(`${at}/loss.json`, {
      beta: betas("sentiment"),
      dup: betas("sentiment_dup"),
      clip_loss: values("sentiment", 0).code,
    });
    const logits = seen.get("logits")!.data;
    const w = weights(this.#input("sentiment"), B, 10, "code");
    const tensors: Tensors = new Map([
      ["kl_ij", f32([B, B], divergence(this.#input("sentiment"), B))],
      ["weight_paper_beta1", f32([B, B], weights(this.#input("sentiment"), B, 1, "paper"))],
      ["weight_code_dup_beta10", f32([B, B], weights(this.#input("sentiment_dup"), B, 10, "code"))],
      [
        "logits_v2t_beta10",
        f32(
          [B, B],
          logits.map((l, i) => l - w[i]),
        ),
      ],
      [
        "logits_t2v_beta10",
        f32(
          [B, B],
          logits.map((_, i) => logits[(i % B) * B + Math.floor(i / B)] - w[i]),
        ),
      ],
    ]);
    await files.tensors(`${at}/loss.safetensors`, tensors, { rtol: 1e-3, atol: 2e-5 });
  }

  /** Parameters and moments after steps of AdamW, and the losses on the way. */
  async #training(files: GoldenFiles, at: string, hyper: Hyper): Promise<void> {
    const beta = 1; // leaves small batches a loss to learn from
    const adam = new Adam(this.weights, hyper);
    const losses: number[] = [];
    const lrs: number[][] = [];
    const groups = adam.groups.map(({ name, decay, members }) => ({ name, params: members, weight_decay: decay }));
    for (let step = 1; step <= 3; step++) {
      const reference = new Reference(this.made.config, adam.nodes());
      const loss = this.loss(reference, beta);
      loss.backward();
      losses.push(loss.data[0]);
      lrs.push(adam.step(reference.parameters));
      const after = (of: ReadonlyMap<string, Float64Array>): Tensors =>
        new Map(Array.from(of, ([name, data]) => [name, f32(this.weights.get(name)!.shape, data)]));
      // as in the official manifest: one step to 1e-5, three to 5e-5
      if (step === 1)
        await files.tensors(`${at}/adamw_step1.safetensors`, after(adam.values), { rtol: 1e-5, atol: 1e-5 });
      if (step < 3) continue;
      await files.tensors(`${at}/adamw_step3.safetensors`, after(adam.values), { rtol: 1e-5, atol: 5e-5 });
      await files.tensors(`${at}/adamw_exp_avg3.safetensors`, after(adam.means), gradientTolerance(after(adam.means)));
    }
    files.json(`${at}/adamw.json`, { test_hp: hyper, beta, lrs, losses, groups });
    files.json(`${at}/train3.json`, { hp: hyper, beta, lrs, losses, tolerance: "relative 2e-2 or absolute 2e-3" });
  }

  async #classifier(files: GoldenFiles, at: string, seen: ReadonlyMap<string, Node>): Promise<void> {
    const { config } = this.made;
    const { context, vocabulary } = config.text;
    const [classes, templates] = [3, 2];
    const tokens = texts(uniform(this.made.seed + 1), classes * templates, context, vocabulary);
    const t = normalize(this.reference().text(tokens)).data;
    const mean = Float64Array.from({ length: classes * config.embed }, (_, i) => {
      const [c, e] = [Math.floor(i / config.embed), i % config.embed];
      let sum = 0;
      for (let each = 0; each < templates; each++) sum += t[(c * templates + each) * config.embed + e] / templates;
      return sum;
    });
    const unit = normalize(constant([classes, config.embed], mean)).data;
    const v = seen.get("video_features")!.data;
    const scores = Float64Array.from({ length: this.made.clips * classes }, (_, i) => {
      const [b, c] = [Math.floor(i / classes), i % classes];
      let sum = 0;
      for (let e = 0; e < config.embed; e++) sum += 100 * v[b * config.embed + e] * unit[c * config.embed + e];
      return sum;
    });
    const columns = unit.map((_, i) => unit[(i % classes) * config.embed + Math.floor(i / classes)]);
    const tensors: Tensors = new Map([
      ["tokens", i32([classes, templates, context], tokens)],
      ["classifier", f32([config.embed, classes], columns)],
      ["logits", f32([this.made.clips, classes], scores)],
    ]);
    await files.tensors(`${at}/zeroshot.safetensors`, tensors, { rtol: 1e-4, atol: 1e-4 });
  }

  /** Frames of the first clip without any subject token, and with empty masks. */
  async #variants(files: GoldenFiles, at: string, seen: ReadonlyMap<string, Node>): Promise<void> {
    const { config } = this.made;
    const { embed, vision, head } = config;
    const [T, S] = [head.frames, Number(vision.image)]; // squares
    const video = this.#input("video");
    const frames = Array.from(video).slice(0, T * 3 * S * S);
    const mask = Array.from(this.#input("video_mask")).slice(0, T * S * S);
    const plain: ModelConfig = { ...config, subject: "none" };
    const x = seen.get("frame_features")!;
    const tensors: Tensors = new Map([
      ["vanilla_frame_features", of(new Reference(plain, this.reference().parameters).frames(frames, mask))],
      ["no_mask_frame_features", of(this.reference().frames(frames, mask.fill(0)))],
    ]);
    const clips = take(
      x,
      Array.from({ length: this.made.clips * T }, (_, i) => i),
      embed,
      [this.made.clips, T, embed],
    );
    for (const [name, kind] of Object.entries({ mean: "mean", conv_1d: "conv1d" } as const)) {
      if (kind === "conv1d" && T < 3) continue;
      const w = constant(
        [embed, 1, 3],
        Float32Array.from({ length: 3 * embed }, (_, i) => Math.sin(i)),
      );
      const head = { ...config.head, kind };
      const reference = new Reference({ ...config, head }, new Map([["visual_head.fusion_layer.weight", w]]));
      tensors.set(`${name}.video_features_raw`, of(reference.head(clips)));
      if (kind === "conv1d") tensors.set("conv_1d.fusion_layer.weight", of(w));
    }
    await files.tensors(`${at}/variants.safetensors`, tensors, forwardTolerance);
  }
}

const of = ({ shape, data }: Node): GoldenTensor => f32(shape, data);

/** 1e-3 of each value, and of the largest of each file a hundred-thousandth: what float32 leaves of sums that nearly cancel. */
function gradientTolerance(gradients: Tensors): { rtol: number; atol: number } {
  let largest = 0;
  for (const { data } of gradients.values()) for (const v of data) largest = Math.max(largest, Math.abs(v));
  return { rtol: 1e-3, atol: 1e-6 + 2e-5 * largest };
}

/** Weights without trivial zeros: gains near 1, biases and tables small, matrices that keep the size of what they multiply. */
function randomWeights(config: ModelConfig, random: () => number): Tensors {
  const names = named(new EmotionClip(config, new Init(0)));
  return new Map(
    Array.from(names, ([name, { shape }]) => {
      const isGain = /(ln_\w+|norm\d?)\.weight$/.test(name);
      const spread = shape.length > 1 ? numel(shape.slice(1)) ** -0.5 : 0.2;
      const start = name === "logit_scale" ? 2.3 : isGain ? 1 : 0;
      const data = Float32Array.from({ length: numel(shape) }, () => start + spread * gaussian(random));
      return [name, f32(shape, data)];
    }),
  );
}

function randomInputs({ config, clips: B }: Made, random: () => number): Tensors {
  const { vision, text, head } = config;
  const [T, S] = [head.frames, Number(vision.image)]; // squares
  const normals = (n: number) => Float32Array.from({ length: n }, () => gaussian(random));
  const sentiment = normals(B * 7).map((v) => 3 * v);
  const dup = sentiment.slice();
  dup.copyWithin(7, 0, 7); // two equal rows
  return new Map([
    ["video", f32([B, T, 3, S, S], normals(B * T * 3 * S * S))],
    ["video_mask", f32([B, T, S, S], masks(random, B * T, S))],
    ["text", i32([B, text.context], texts(random, B, text.context, text.vocabulary))],
    ["sentiment", f32([B, 7], sentiment)],
    ["sentiment_dup", f32([B, 7], dup)],
  ]);
}

/** In turn empty, full, a box, soft. */
function masks(random: () => number, N: number, S: number): Float32Array {
  return Float32Array.from({ length: N * S * S }, (_, i) => {
    const [n, y, x] = [Math.floor(i / S / S), Math.floor(i / S) % S, i % S];
    if (n % 4 < 2) return n % 4;
    return n % 4 === 2 ? Number(y > S / 3 && x < (2 * S) / 3) : random();
  });
}

/** Rows of ids in turn short, full, and cut so that the end token is lost; the two largest ids are start and end. */
function texts(random: () => number, rows: number, context: number, vocabulary: number): Int32Array {
  const all = new Int32Array(rows * context);
  for (let row = 0; row < rows; row++) {
    const words = [1 + Math.floor(random() * Math.max(1, context - 3)), context - 2, context][row % 3];
    const ids = Array.from({ length: words }, () => 1 + Math.floor(random() * (vocabulary - 3)));
    all.set([vocabulary - 2, ...ids, vocabulary - 1].slice(0, context), row * context);
  }
  return all;
}
