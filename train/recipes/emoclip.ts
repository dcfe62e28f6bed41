// The official jobs of EmoCLIP (Foteinopoulou & Patras, FG 2024). Batches are those of all GPUs of a job together; there each GPU
// compared the pairs of its own part alone, here all pairs of a batch meet.
import type { Preset, Sourced } from "./preset.ts";

const code = "official code";
const every = "official optimizer: the same in every script";

/** What all official scripts have in common. */
const common = {
  model: { value: "EmoCLIP-ViT-B-32", source: "official start weights: CLIP ViT-B/32 of OpenAI; two temporal layers" },
  subject: { value: "none", source: "the model is not told of a subject" },
  dropout: { value: 0, source: `${code}: 0 everywhere` },
  together: { value: 1, source: `${code}: shuffled one by one` },
  crop: { value: "centre", source: `${code}: the shorter side to 224, then the centre` },
  window: { value: "random", source: `${code}: it begins anywhere and is wrapped around, also in its tests` },
  augment: { value: true, source: `${code}: a rotation of up to 6 degrees and perhaps a mirror image, once a clip` },
  steps: { value: 0, source: "the epochs end the run" },
  beta: { value: 0, source: `${code}: cross entropy in both directions, without sentiment` },
  equalCaptions: { value: "negatives", source: `${code}: equal captions in a batch are not looked for` },
  optimizer: { value: "sgd", source: every },
  momentum: { value: 0.9, source: every },
  lr: { value: 1e-3, source: every },
  decay: { value: 5e-4, source: `${every}; of all that trains, norms, biases and the logit scale too` },
  beta1: { value: 0.9, source: "official option of Adam" },
  beta2: { value: 0.999, source: "official option of Adam" },
  eps: { value: 1e-6, source: "official option of Adam" },
  clip: { value: 0, source: `${code} clips no gradients` },
  schedule: { value: "milestones", source: `${code}: MultiStepLR, a step an epoch` },
  stepGamma: { value: 0.1, source: `${code}: MultiStepLR` },
  warmup: { value: 0, source: `${code} has none` },
  checkpointEvery: {
    value: 100,
    source: "ours; the official code writes one where the loss of an epoch is the lowest",
  },
} as const satisfies Preset["values"];

/** Of train.py; the two other scripts have 25 and 50. */
const captions = { value: "15,35,50", source: "official train.py" };
const classes = (script: string): Sourced<string> => ({ value: "25,50", source: `official ${script}` });

const batch = (each: number, gpus: number, job: string): Sourced<number> => ({
  value: each * gpus,
  source: `official job ${job}: ${each} on each of ${gpus} GPUs`,
});
const official = (value: number, job: string): Sourced<number> => ({ value, source: `official job ${job}` });

/** What is said of a clip. */
const said = {
  captions: { value: "captions", source: "the paper's method: sample-level descriptions" },
  classes: { value: "classes", source: "official scripts for classes: the description of the clip's class" },
} as const;

/** Captions of single clips: the paper's method. */
export const emoClipPreset: Preset = {
  about: "EmoCLIP as published: captions of MAFW, CLIP as it is, 30 epochs",
  values: {
    ...common,
    texts: said.captions,
    milestones: captions,
    batch: batch(64, 2, "MAFW train"),
    epochs: official(30, "MAFW train"),
    every: official(2, "MAFW train"),
  },
};

export const emoClipFinetunePreset: Preset = {
  about: "EmoCLIP on captions of MAFW with CLIP thawed, at a thousandth of the rate",
  values: {
    ...common,
    texts: said.captions,
    milestones: captions,
    batch: batch(128, 2, "MAFW finetune"),
    epochs: official(30, "MAFW finetune"),
    every: official(4, "MAFW finetune"),
    lrBackboneRest: { value: 1e-6, source: "official option finetune: the backbone at lr times 0.001" },
    unlockImage: { value: true, source: "official job MAFW finetune: option visual" },
    unlockText: { value: true, source: "official job MAFW finetune: option text, of which the blocks alone train" },
  },
};

export const emoClipFerv39kPreset: Preset = {
  about: "EmoCLIP on captions of FERV39k, 50 epochs",
  values: {
    ...common,
    texts: said.captions,
    milestones: captions,
    batch: batch(128, 2, "FERV39k train"),
    epochs: official(50, "FERV39k train"),
    every: official(4, "FERV39k train"),
  },
};

export const emoClipSupervisedPreset: Preset = {
  about: "EmoCLIP on descriptions of classes, as officially on DFEW and FERV39k (AFEW: batch 128)",
  values: {
    ...common,
    texts: said.classes,
    milestones: classes("train_supervised.py"),
    batch: batch(128, 2, "DFEW supervised"),
    epochs: official(50, "DFEW supervised"),
    every: official(4, "DFEW supervised"),
  },
};

export const emoClipLooPreset: Preset = {
  about: "EmoCLIP on descriptions of all classes but one (--leave-out), as officially on DFEW",
  values: {
    ...common,
    texts: said.classes,
    milestones: classes("train_loo.py"),
    batch: batch(128, 3, "DFEW leave-one-out"),
    epochs: official(30, "DFEW leave-one-out"),
    every: official(4, "DFEW leave-one-out"),
    leaveOut: { value: "happiness", source: "the first class; officially each in its turn, so name another" },
  },
};
