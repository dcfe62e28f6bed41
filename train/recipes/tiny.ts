// The smallest whole training: a few seconds on two cores without a GPU, and many checkpoints on the way. For trying things out and
// for tests that kill and resume.
import type { Preset } from "./preset.ts";

const small = "small enough for seconds on two cores";

export const tinyPreset: Preset = {
  about: "the smallest whole training, in seconds and with a checkpoint every other step; nothing is measured",
  values: {
    model: { value: "tiny", source: small },
    trainData: { value: "tiny", source: "48 of the embedded clips" },
    steps: { value: 20, source: small },
    batch: { value: 8, source: small },
    warmup: { value: 4, source: "a fifth of the steps" },
    workers: { value: 0, source: "a thread takes longer to start than these batches take" },
    dropout: { value: 0.1, source: "so that random streams are a part of what is resumed" },
    checkpointEvery: { value: 2, source: "at least eight in a run, so that a kill falls between two" },
    evalEvery: { value: 0, source: "no measurements" },
  },
};
