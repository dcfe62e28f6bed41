// A checkpoint for a command: opened and checked without a GPU, then on one for as long as the work takes.
import { openGpu } from "../../engine/index.ts";
import { configNamed } from "./config-file.ts";
import { fillModel, type LoadOptions, prepareLoad } from "./load.ts";
import type { LoadPlan } from "./plan.ts";
import type { EmotionClip } from "../emotionclip/emotionclip.ts";

/** Opens and checks what `--checkpoint` and `--config` name; needs no GPU. */
export async function openPlan({
  checkpoint,
  config,
}: {
  readonly checkpoint: string;
  readonly config?: string;
}): Promise<{ plan: LoadPlan; close(): Promise<void> }> {
  return prepareLoad(checkpoint, config === undefined ? {} : { config: await configNamed(config) });
}

/** Runs `work` with the planned model on a GPU that is open for it alone; `at` hears how much of the model is there. */
export async function withModel<T>(
  plan: LoadPlan,
  work: (model: EmotionClip) => Promise<T>,
  at?: LoadOptions["at"],
): Promise<T> {
  const gpu = await openGpu();
  try {
    const { model, free } = await fillModel(plan, at);
    try {
      return await work(model);
    } finally {
      free();
    }
  } finally {
    gpu.close();
  }
}
