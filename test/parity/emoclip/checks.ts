// Checks of EmoCLIP's golden files: the temporal module, the whole model, training, the head for symptoms. Which kind a file is says
// its entry in the manifest.
import { assign, parameter, Tape, type Tensor, tensor } from "../../../engine/index.ts";
import { later } from "../../../engine/record/compute.ts";
import { rootMeanSquare, symptomHead } from "../../../eval/regression/head.ts";
import { attentionRow, mul, ones, sum, zeros } from "../../../kernels/index.ts";
import { allocate, emoClip, Init, named, TemporalModule } from "../../../model/index.ts";
import {
  contrast,
  Learner,
  locked,
  presetLayer,
  type Recipe,
  recipeRates,
  resolveRecipe,
} from "../../../train/index.ts";
import type { StepInputs } from "../../../train/learner.ts";
import type { Check } from "../check.ts";
import type { Verdict } from "../verdict.ts";
import { procedural, proceduralTokens, proceduralVideo } from "./procedural.ts";
import { configOf, forward, GoldenModel, loadInto, losses, reading, texts, type TinySizes } from "./model.ts";

/** Takes files of a kind that the manifest names. */
const ofKind =
  (kind: string): Check["takes"] =>
  (file, folder) =>
    folder.has(file) && folder.entry(file).kind === kind;

interface TemporalEntry {
  readonly config: { d: number; heads: number; dim_head: number; mlp: number; depth: number; B: number; T: number };
}

/** The temporal module alone: the state after every half of a layer, attention weights, gradients. */
export const temporal: Check = {
  takes: ofKind("temporal"),
  async run(verdict) {
    const { folder, file } = verdict;
    const { d, heads, dim_head, mlp, depth, B, T } = (folder.entry(file) as unknown as TemporalEntry).config;
    const sizes = { width: d, layers: depth, heads, headWidth: dim_head, hidden: mlp, positions: 1024 };
    const module = new TemporalModule(sizes, new Init(0));
    const members = [...named(module)];
    const shards = allocate([{ name: "all", members, decay: true }], 0).get("all")!;
    for (const [name, member] of members) {
      assign(member, folder.tensor(file, `weight.${name}`).data as Float32Array);
      verdict.input(`weight.${name}`);
    }
    const x_BTD = parameter(folder.tensor(file, "x").data, [B, T, d]);
    const g_BND = folder.tensor(file, "g");
    verdict.input("x", "g");
    const reads = new Map<string, Promise<ArrayLike<number>>>();
    {
      using tape = new Tape();
      let layer = 0;
      let out = x_BTD;
      for (const { input, qkv, attended, output } of module.passed(x_BTD)) {
        const at = `mid.layer${layer++}`;
        const values = { in: input, after_attn: attended, after_ff: output };
        for (const [name, value] of Object.entries(values)) reads.set(`${at}.${name}`, later(value));
        reads.set(`${at}.attn_probs`, probabilities(qkv, heads));
        out = output;
      }
      reads.set("out", later(out));
      reads.set("out.cls", later(module.forward(x_BTD)));
      const loss = sum(mul(out, tensor(g_BND.data as Float32Array, g_BND.shape)));
      reads.set("loss", later(loss));
      const gradients = tape.gradients(loss);
      reads.set("grad.x", later(gradients.get(x_BTD)));
    }
    for (const [name, read] of reads) await verdict.tensor(name, read);
    for (const shard of shards)
      for (const [i, member] of shard.members.entries()) {
        const [name] = members.find(([, each]) => each === member)!;
        await ofRows(verdict, `grad.${name}`, await shard.part(shard.gradients, i).data());
      }
    for (const shard of shards) shard.free();
  },
};

/** The map of attention of every head: qkv_BNC -> p_BHNN. */
async function probabilities(qkv: Tensor, heads: number): Promise<Float32Array> {
  const [B, N] = qkv.shape;
  const rows = await Promise.all(Array.from({ length: N }, (_, row) => later(attentionRow(qkv, { heads, row }))));
  const all = new Float32Array(B * heads * N * N);
  for (const [n, p_BHN] of rows.entries())
    for (let bh = 0; bh < B * heads; bh++) for (let m = 0; m < N; m++) all[(bh * N + n) * N + m] = p_BHN[bh * N + m];
  return all;
}

/**
 * Compares with a tensor of the file; of the table of positions the file may have the first rows alone, under another name. All
 * further rows of a gradient are exactly 0.
 */
async function ofRows(verdict: Verdict, name: string, got: ArrayLike<number>): Promise<void> {
  const tensors = verdict.folder.tensors(verdict.file);
  const found = tensors.names.find(
    (each) => each === name || (/pos_embedding$/.test(name) && each.startsWith(`${name}.`)),
  );
  if (!found) return verdict.fail(`${name} is not in the file`);
  const count = tensors.shape(found).reduce((product, size) => product * size, 1);
  const first = Array.prototype.slice.call(got, 0, count);
  await verdict.tensor(found, first);
  if (name.startsWith("grad."))
    verdict.same(
      `${name} behind them`,
      Array.prototype.slice.call(got, count).every((value) => value === 0),
      true,
    );
}

interface WholeEntry {
  readonly config: TinySizes;
  readonly run: { readonly B: number; readonly T: number };
}

/** The whole model: features, logits, the loss, and the gradient of everything that has one in the file. */
export const whole: Check = {
  takes: ofKind("vclip"),
  async run(verdict) {
    const { folder, file } = verdict;
    const { config, run } = folder.entry(file) as unknown as WholeEntry;
    const tensors = folder.tensors(file);
    const trains = (name: string) => tensors.names.some((each) => each.startsWith(`grad.${name}`));
    const golden = new GoldenModel(configOf(config, run.T), trains);
    for (const name of golden.load(folder, file, "weight.")) verdict.fail(`${name} has no weight in the file`);
    verdict.input(...tensors.names.filter((name) => name.startsWith("weight.")), "video", "tokens");
    const video = tensors.tensor("video");
    const hasLoss = tensors.has("loss");
    let reads: Map<string, Promise<ArrayLike<number>>>;
    {
      using tape = new Tape();
      const { tokens, ends } = texts(tensors.tensor("tokens").data, config.ctx);
      const values = forward(golden.model, tensor(video.data as Float32Array, video.shape), tokens, ends);
      reads = reading(values);
      if (hasLoss) {
        const halves = losses(values.logits_per_image);
        const loss = contrast(values.video_features_norm, values.text_features_norm, golden.model.logit_scale);
        tape.gradients(loss);
        for (const [name, read] of reading({ ...halves, loss })) reads.set(name, read);
      }
    }
    for (const [name, read] of reads) await verdict.tensor(name, read);
    if (hasLoss)
      for (const [name, gradient] of golden.gradients()) await ofRows(verdict, `grad.${name}`, await gradient.data());
    golden.free();
  },
};

interface TrainEntry {
  readonly config: TinySizes;
  readonly run: {
    readonly lr: number;
    readonly wd: number;
    readonly milestones: readonly number[];
    readonly gamma: number;
    readonly epochs: number;
    readonly supervised: boolean;
    readonly finetune: boolean;
    readonly B: number;
    readonly T: number;
    readonly steps: number;
    readonly opt: "SGD" | "Adam";
  };
  readonly lr_per_epoch_per_group: readonly (readonly number[])[];
}

/** Several official steps, by the learner and the rates that `train` takes: the losses, the rates, and every parameter that moved. */
export const training: Check = {
  takes: ofKind("train"),
  async run(verdict) {
    const { folder, file } = verdict;
    const { config, run, lr_per_epoch_per_group: rates } = folder.entry(file) as unknown as TrainEntry;
    const tensors = folder.tensors(file);
    const recipe = recipeOf(run);
    const learner = new Learner(configOf(config, run.T), recipe, locked(emoClip, recipe));
    const parameters = new Map(named(learner.model));
    loadInto(parameters, folder, file, "init.");
    const at = recipeRates(recipe, learner.groups, run.steps);
    const moving = learner.groups.flatMap(({ members }) => members.map(([name]) => name));
    const final = (name: string) => tensors.names.some((each) => each.startsWith(`final.${name}`));
    verdict.same("what trains", moving.sort(), [...parameters.keys()].filter(final).sort());
    const losses: number[] = [];
    for (let step = 1; step <= recipe.steps; step++) {
      const epoch = Math.floor((step - 1) / run.steps);
      const lr = at(step - 1);
      const perGroup = learner.groups.map(({ name }) => (typeof lr === "number" ? lr : lr[name]));
      verdict.compare(`lr of epoch ${epoch}`, perGroup.slice(0, rates[epoch].length), rates[epoch], {
        rtol: 1e-12,
        atol: 0,
      });
      losses.push((await learner.record(step, lr, inputsOf(verdict, (step - 1) % run.steps)).loss)[0]);
    }
    await verdict.tensor("losses", losses);
    for (const [name, parameter] of parameters)
      if (final(name)) await ofRows(verdict, `final.${name}`, await parameter.data());
    verdict.input(...tensors.names.filter((name) => /^(init|video|tokens|labels|class_tokens)/.test(name)));
    learner.free();
  },
};

/** The recipe of a golden run: a preset, and what the run has otherwise. */
function recipeOf({ lr, wd, milestones, gamma, epochs, steps, B, opt, finetune }: TrainEntry["run"]): Recipe {
  const own = {
    ...{ lr, decay: wd, stepGamma: gamma, milestones: milestones.join(), epochs, batch: B },
    ...{ optimizer: opt.toLowerCase(), ...(finetune && { lrBackboneRest: 1e-3 * lr }) },
  };
  const layers = [presetLayer(finetune ? "emoclip-finetune" : "emoclip"), { values: own, from: () => "golden run" }];
  return { ...resolveRecipe(layers).recipe, steps: epochs * steps };
}

/** Batch `i` of a golden run. */
function inputsOf(verdict: Verdict, i: number): StepInputs {
  const { folder, file } = verdict;
  const { config, run } = folder.entry(file) as unknown as TrainEntry;
  const video = folder.tensor(file, `video.${i}`);
  return {
    clips() {
      const ids = run.supervised ? classTokens(verdict, i) : folder.tensor(file, `tokens.${i}`).data;
      const { tokens, ends } = texts(ids, config.ctx);
      const frames_BT3SS = tensor(video.data as Float32Array, video.shape);
      return { video: { frames_BT3SS, mask_BTSS: zeros([1]) }, text: { tokens_BW: tokens, ends_B: ends } };
    },
    sentiment: () => zeros([run.B, 7]),
  };
}

/** The description of each clip's class. */
function classTokens({ folder, file }: Verdict, i: number): number[] {
  const { data, shape } = folder.tensor(file, "class_tokens");
  const labels = folder.tensor(file, `labels.${i}`).data;
  return Array.from(labels).flatMap((label) => Array.from(data.slice(label * shape[1], (label + 1) * shape[1])));
}

/** The head for symptoms: two layers over the video feature, RMSE over all elements, gradients of head and temporal module. */
export const downstream: Check = {
  takes: ofKind("downstream"),
  async run(verdict) {
    const { folder, file } = verdict;
    const { config, run } = folder.entry(file) as unknown as WholeEntry;
    const tensors = folder.tensors(file);
    const trains = (name: string) => tensors.names.some((each) => each.startsWith(`grad.${name}`));
    const golden = new GoldenModel(configOf(config, run.T), trains);
    golden.load(folder, file, "weight.");
    const head = ["mlp.0.weight", "mlp.0.bias", "mlp.2.weight", "mlp.2.bias"].map((name) => {
      const { data, shape } = tensors.tensor(`weight.${name}`);
      return [name, parameter(data, shape)] as const;
    });
    const [[, w0], [, b0], [, w2], [, b2]] = head;
    const reads = new Map<string, Promise<ArrayLike<number>>>();
    {
      using tape = new Tape();
      const video = tensors.tensor("video");
      const target = tensors.tensor("target");
      const frames = golden.model.encodeFrames(tensor(video.data as Float32Array, video.shape));
      const features = golden.model.temporal.forward(frames);
      const out = symptomHead(features, { 0: { weight: w0, bias: b0 }, 2: { weight: w2, bias: b2 } });
      const wanted = tensor(target.data as Float32Array, target.shape);
      const rmse = rootMeanSquare(out, wanted, ones(target.shape), wanted.numel);
      for (const [name, read] of reading({ features, out, rmse })) reads.set(name, read);
      const gradients = tape.gradients(rmse);
      for (const [name, each] of head) reads.set(`grad.${name}`, later(gradients.get(each)));
    }
    for (const [name, read] of reads) await verdict.tensor(name, read);
    for (const [name, gradient] of golden.gradients())
      if (tensors.has(`grad.${name}`)) await verdict.tensor(`grad.${name}`, gradient.data());
    verdict.input(...tensors.names.filter((name) => /^(weight|video|target)/.test(name)));
    golden.free();
  },
};

/** The official size, with weights that both sides make: features, loss, norms of gradients and samples of them. */
export const officialSize: Check = {
  takes: ofKind("vclip_official_size"),
  async run(verdict) {
    const { folder, file } = verdict;
    const entry = folder.entry(file) as unknown as WholeEntry & { readonly seed: number };
    const { config, run, seed } = entry;
    const golden = new GoldenModel(configOf(config, run.T), (name) => !name.startsWith("backbone."));
    for (const [name, parameter] of golden.parameters) {
      assign(parameter, procedural(name, parameter.shape, seed));
    }
    const tensors = folder.tensors(file);
    const side = config.image;
    const video = proceduralVideo([run.B, run.T, side, config.patch], seed);
    const ids = proceduralTokens(run.B, config.ctx, config.vocab, seed);
    if (tensors.has("tokens")) verdict.same("tokens", [...ids], [...tensors.tensor("tokens").data]);
    let reads: Map<string, Promise<ArrayLike<number>>>;
    {
      using tape = new Tape();
      const { tokens, ends } = texts(ids, config.ctx);
      const values = forward(golden.model, tensor(video, [run.B, run.T, 3, side, side]), tokens, ends);
      const halves = losses(values.logits_per_image);
      const loss = contrast(values.video_features_norm, values.text_features_norm, golden.model.logit_scale);
      tape.gradients(loss);
      reads = reading({ ...values, ...halves, loss });
    }
    for (const [name, read] of reads) if (tensors.has(name)) await verdict.tensor(name, read);
    for (const [name, gradient] of golden.gradients()) {
      const found = tensors.names.find((each) => each === `grad_norm.${name}` || each.startsWith(`grad_norm.${name}.`));
      if (!found) verdict.fail(`grad_norm.${name} is not in the file`);
      else await sampled(verdict, found.slice("grad_norm.".length), await gradient.data());
    }
    golden.free();
  },
};

/** The norm of a gradient, and some of its elements. */
async function sampled(verdict: Verdict, name: string, gradient: ArrayLike<number>): Promise<void> {
  const at = verdict.folder.tensor(verdict.file, `grad_index.${name}`).data;
  verdict.input(`grad_index.${name}`);
  let squares = 0;
  for (let i = 0; i < gradient.length; i++) squares += gradient[i] ** 2;
  await verdict.tensor(`grad_norm.${name}`, [Math.sqrt(squares)]);
  await verdict.tensor(
    `grad_sample.${name}`,
    Array.from(at, (i) => gradient[i]),
  );
}
