// The published recipe: EmotionCLIP (Zhang, Pan & Wang, CVPR 2023) and the options of the official code.
import type { Preset } from "./preset.ts";

const option = (name: string) => `official option ${name}`;
const filter = "official training set: sentences that its index lets through";
const optimizer = "official optimizer, AdamW";

export const paperPreset: Preset = {
  about: "EmotionCLIP as published: ViT-B/32 of OpenCLIP, 25 epochs; without mixed precision",
  values: {
    model: { value: "ViT-B-32", source: "official start weights: OpenCLIP ViT-B/32, LAION-2B" },
    subject: { value: "sap", source: "Sec. 3.3: subject-aware prompting, as in the official code" },
    head: { value: "transformer", source: "official temporal head: six layers over 8 frames (video_len)" },
    dropout: { value: 0.1, source: "official temporal head" },
    together: { value: 1, source: "official loader: shuffled one by one" },
    sampling: { value: "random", source: "official training set: 8 distinct frames, ascending" },
    crop: { value: "random", source: "official training set: a crop of its own for every frame" },
    boxes: { value: "compat", source: "official training set: boxes without the letterbox's padding" },
    longerThan: { value: 2, source: filter },
    shorterThan: { value: 10, source: filter },
    minCharacters: { value: 3, source: filter },
    maxNeutral: { value: 0.05, source: filter },
    minPerson: { value: 0, source: filter },
    epochs: { value: 25, source: option("max_epochs") },
    steps: { value: 0, source: "the epochs end the run" },
    batch: { value: 128, source: `${option("batch_size")}, per process` },
    seed: { value: 2022, source: option("seed") },
    beta: { value: 10, source: "Eq. 6, as the official loss has it" },
    form: { value: "code", source: "the official loss has KL(s_j‖s_i), Eq. 6 has KL(s_i‖s_j)" },
    lr: { value: 1e-8, source: "that of all matrices; the four rates below say the same by group" },
    lrBackboneGb: { value: 5e-5, source: option("lr_backbone_gb") },
    lrBackboneRest: { value: 1e-8, source: option("lr_backbone_rest") },
    lrHeadGb: { value: 5e-5, source: option("lr_head_gb") },
    lrHeadRest: { value: 1e-8, source: option("lr_head_rest") },
    decay: { value: 0.1, source: "that of all matrices; the two decays below say the same by group" },
    wdBackbone: { value: 0.1, source: option("weight_decay_backbone") },
    wdHead: { value: 0.1, source: option("weight_decay_head") },
    beta1: { value: 0.98, source: optimizer },
    beta2: { value: 0.9, source: optimizer },
    eps: { value: 1e-6, source: optimizer },
    clip: { value: 0, source: "the official code clips no gradients" },
    schedule: { value: "official", source: "official scheduler: warm-up by iteration, cosine by epoch" },
    warmup: { value: 10_000, source: option("warmup_t") },
    lrEnd: { value: 1e-10, source: option("lr_min") },
    checkpointEvery: { value: 500, source: "ours; the official code writes one after each epoch" },
  },
};
