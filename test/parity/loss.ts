// Losses of model folders: divergences, weights in both forms, reweighted logits, values for every β, gradients at the features.
import { parameter, Scope, Tape, type Tensor, tensor } from "../../engine/index.ts";
import { later } from "../../engine/record/compute.ts";
import { add, crossEntropy, klWeights, logits, mul, snce, sub, transpose } from "../../kernels/index.ts";
import type { Check } from "./check.ts";
import { inModels, modelOf } from "./model.ts";
import { forward, type ModelFolder, type Reads } from "./model-folder.ts";
import { divergences, removed, weights } from "./ops.ts";
import type { Tolerance } from "./folder.ts";
import type { GoldenTensor } from "./tensor-file.ts";
import type { Verdict } from "./verdict.ts";

type Form = "code" | "paper";

/** What a loss is computed from: unit rows and the scale, as recorded, or else as the model gives them. */
interface Features {
  readonly video_features: GoldenTensor;
  readonly text_features: GoldenTensor;
  readonly logit_scale_exp: GoldenTensor;
}

async function featuresOf(of: ModelFolder): Promise<Features> {
  const recorded = of.file("forward.safetensors");
  const B = of.input("text").shape[0];
  const shapes = { video_features: [B, of.config.embed], text_features: [B, of.config.embed], logit_scale_exp: [] };
  const reads = of.folder.has(recorded) ? undefined : forward(of);
  const found = Object.entries(shapes).map(async ([name, shape]): Promise<[string, GoldenTensor]> => {
    if (!reads) return [name, of.folder.tensor(recorded, name)];
    return [name, { dtype: "F32", shape, data: Float32Array.from(await reads[name]) }];
  });
  return Object.fromEntries(await Promise.all(found)) as unknown as Features;
}

const leaf = ({ data, shape }: GoldenTensor): Tensor => parameter(data, shape);
const constant = ({ data, shape }: GoldenTensor): Tensor => tensor(data, shape, "f32");

/** `_dup` in a name means the sentiment with equal and nearly equal rows. */
const sentimentOf = (of: ModelFolder, dup: string | undefined) => of.input(dup ? "sentiment_dup" : "sentiment");

export const lossTensors: Check = {
  takes: inModels(/^loss\.safetensors$/),
  run: async (verdict) => {
    const of = await modelOf(verdict);
    const features = await featuresOf(of);
    const { names } = verdict.folder.tensors(verdict.file);
    if (names.includes("kl_ij")) await verdict.tensor("kl_ij", divergences(of.input("sentiment")));
    for (const name of names) await lossTensor(verdict, of, features, name);
  },
};

const patterns = {
  weight: /^weight_(code|paper)(_dup)?_beta([\d.e-]+)$/,
  logits: /^logits_(v2t|t2v)(_dup)?_beta([\d.e-]+)$/,
  gradient: /^grad_(video_features|text_features|logit_scale_exp)(_dup)?_beta([\d.e-]+)$/,
};

async function lossTensor(verdict: Verdict, of: ModelFolder, features: Features, name: string): Promise<void> {
  const weight = patterns.weight.exec(name);
  if (weight) {
    const got = await weights(sentimentOf(of, weight[2]), Number(weight[3]), weight[1] as Form);
    const want = verdict.folder.tensor(verdict.file, name);
    const tolerance = verdict.folder.tolerance(verdict.file, name);
    verdict.compare(name, Array.from(got, removed), Array.from(want.data, removed), tolerance);
  }
  const lowered = patterns.logits.exec(name);
  if (lowered) {
    const [, direction, dup, beta] = lowered;
    await verdict.tensor(name, reweighted(features, sentimentOf(of, dup), Number(beta), direction as "v2t" | "t2v"));
  }
  const gradient = patterns.gradient.exec(name);
  if (gradient) {
    const [, at, dup, beta] = gradient;
    const { gradients } = lossOf(features, sentimentOf(of, dup), Number(beta), "code");
    await verdict.tensor(name, gradients[at]);
  }
}

/** Loss and its gradients at the features. */
function lossOf(features: Features, s: GoldenTensor, beta: number, form: Form) {
  const leaves = Object.entries<GoldenTensor>({ ...features }).map(([name, golden]) => [name, leaf(golden)] as const);
  const [video, text, scale] = leaves.map(([, t]) => t);
  using tape = new Tape();
  const loss = snce(logits(video, text, scale), klWeights(constant(s), { beta, form }));
  const found = tape.gradients(loss);
  const gradients: Reads = Object.fromEntries(leaves.map(([name, t]) => [name, later(found.get(t))]));
  return { loss: later(loss), gradients };
}

/** l − w of one direction; the weights of text → video are not transposed. */
function lowered(
  { video_features, text_features, logit_scale_exp }: Features,
  s: GoldenTensor,
  beta: number,
  form: Form,
) {
  const l_BB = logits(constant(video_features), constant(text_features), constant(logit_scale_exp));
  const w_BB = klWeights(constant(s), { beta, form });
  return { v2t: sub(l_BB, w_BB), t2v: sub(transpose(l_BB), w_BB) };
}

function reweighted(features: Features, s: GoldenTensor, beta: number, direction: "v2t" | "t2v") {
  using scope = new Scope();
  void scope;
  return later(lowered(features, s, beta, "code")[direction]);
}

/** Both directions on their own: the cross-entropy of each reweighted matrix. */
function directions(features: Features, s: GoldenTensor, beta: number, form: Form): Reads {
  using scope = new Scope();
  void scope;
  const { v2t, t2v } = lowered(features, s, beta, form);
  const B = s.shape[0];
  const labels = tensor(
    Uint32Array.from({ length: B }, (_, i) => i),
    [B],
    "u32",
  );
  return { video_to_text: later(crossEntropy(v2t, labels)), text_to_video: later(crossEntropy(t2v, labels)) };
}

interface Losses {
  readonly beta?: Record<string, Record<string, number | null>>;
  readonly dup?: Record<string, Record<string, number | null>>;
  readonly clip_loss?: number;
}

export const lossValues: Check = {
  takes: inModels(/^loss\.json$/),
  run: async (verdict) => {
    const of = await modelOf(verdict);
    const features = await featuresOf(of);
    const { beta = {}, dup = {}, clip_loss } = verdict.folder.json<Losses>(verdict.file);
    const tolerance = rounding(features);
    for (const [table, wanted] of Object.entries({ beta, dup }))
      for (const [value, losses] of Object.entries(wanted)) {
        const s = of.input(table === "dup" ? "sentiment_dup" : "sentiment");
        const got = await bothForms(features, s, Number(value));
        for (const [name, want] of Object.entries(losses))
          if (want !== null && name in got) verdict.number(`${table}.${value}.${name}`, got[name], want, tolerance);
      }
    if (clip_loss === undefined) return;
    const [plain] = await clipLoss(features);
    verdict.number("clip_loss", plain, clip_loss, tolerance);
  },
};

/** Every loss of one β under the names of loss.json; `official` is what the official code gives: form `code`. */
async function bothForms(features: Features, s: GoldenTensor, beta: number): Promise<Record<string, number>> {
  const found: Record<string, number> = {};
  for (const form of ["code", "paper"] as const) {
    [found[form]] = Array.from(await lossOf(features, s, beta, form).loss);
    for (const [direction, read] of Object.entries(directions(features, s, beta, form)))
      [found[`${form}_${direction}`]] = Array.from(await read);
  }
  return { ...found, official: found.code };
}

/** The plain loss of CLIP: no weights at all. */
function clipLoss({ video_features, text_features, logit_scale_exp }: Features) {
  using scope = new Scope();
  void scope;
  const l_BB = logits(constant(video_features), constant(text_features), constant(logit_scale_exp));
  const [B] = l_BB.shape;
  const labels = tensor(
    Uint32Array.from({ length: B }, (_, i) => i),
    [B],
    "u32",
  );
  return later(mul(add(crossEntropy(l_BB, labels), crossEntropy(transpose(l_BB), labels)), 0.5));
}

/** A loss is a difference of logits: two roundings of the largest one, and what single precision leaves of the sum. */
function rounding(features: Features): Tolerance {
  // unit rows: no logit is larger than the scale
  return { atol: 2 ** -22 * Math.max(1, features.logit_scale_exp.data[0]), rtol: 1e-5 };
}
