// A checkpoint for a command: opened and checked without a GPU, then on one for as long as the work takes.
import { type GpuOptions, openGpu } from "../../engine/index.ts";
import { configNamed } from "./config-file.ts";
import { fillModel, type LoadOptions, prepareLoad } from "./load.ts";
import type { LoadPlan } from "./plan.ts";
import type { Usual } from "../families.ts";

/** Opens and checks what `--checkpoint` and `--config` name; needs no GPU. `gpu` says how `withModel` will open one. */
export async function openPlan({
  checkpoint,
  config,
  gpu,
}: {
  readonly checkpoint: string;
  readonly config?: string;
  readonly gpu?: GpuOptions;
}): Promise<{ plan: LoadPlan; close(): Promise<void> }> {
  const opened = await prepareLoad(checkpoint, config === undefined ? {} : { config: await configNamed(config) });
  return { ...opened, plan: { ...opened.plan, gpu } };
}

/** Runs `work` with the planned model on a GPU that is open for it alone; `at` hears how much of the model is there. */
export async function withModel<T>(
  plan: LoadPlan,
  work: (model: Usual) => Promise<T>,
  at?: LoadOptions["at"],
): Promise<T> {
  const gpu = await openGpu(plan.gpu);
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
