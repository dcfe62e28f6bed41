// The main job (`start`): the small model on the embedded clips. The defaults of the schema are its values, so that there is one
// place for them; named here are those that make it that job.
import type { Preset } from "./preset.ts";

export const stagePreset: Preset = {
  about: "the main job: a small model on the embedded clips; `start` is this with measurements and a report",
  values: {
    model: { value: "stage", source: "made for the embedded clips" },
    trainData: { value: "stage", source: "the embedded clips, drawn from a seed" },
    schedule: { value: "steps-cosine", source: "a run of a few hundred steps has no epochs to speak of" },
    lr: { value: 1.5e-3, source: "the best of 1.5e-3, 1.8e-3 and 2e-3 on the embedded clips (seed 2022)" },
  },
};
