// One batch of the embedded data through a checkpoint, for Table 2 and Figure 4: logits, and what sentiment takes from them.
import type { GpuOptions } from "../../engine/index.ts";
import { openBenchmark } from "../../data/sets/index.ts";
import { openShards } from "../../data/shards/shards.ts";
import { benchmarkFeatures } from "../features/benchmark.ts";
import { encodeTexts } from "../features/encode.ts";
import { matrix } from "../matrix.ts";
import { similarities } from "../probes/probe-table.ts";
import { type Reweighting, reweight } from "./reweighting.ts";
import { reportLines, reportTexts } from "../../data/tokenizer/report.ts";
import { tokenizerOf } from "../../model/checkpoint/tokenizer.ts";
import { openPlan, withModel } from "../../model/checkpoint/open-model.ts";

export interface ReweightOptions {
  readonly beta: number;
  readonly form: "code" | "paper";
  /** Clips in the batch, from the start of the test split. */
  readonly batch: number;
  /** How the GPU is opened. */
  readonly gpu?: GpuOptions;
  /** Hears what becomes of captions that the model does not see as they are. */
  readonly onTexts?: (lines: readonly string[]) => void;
}

/** Shards in `data` have captions and sentiments; the first video of the batch is the one that is shown. */
export async function reweightBatch(
  checkpoint: string,
  data: string,
  { beta, form, batch, gpu, onTexts }: ReweightOptions,
): Promise<Reweighting> {
  const { plan, close } = await openPlan({ checkpoint, gpu });
  try {
    const tokenizer = await tokenizerOf(plan.file, plan.model.takes);
    const opened = await openBenchmark("own", data, { split: "test", frames: plan.model.takes.frames });
    const benchmark = { ...opened, samples: opened.samples.slice(0, batch) };
    const infos = (await openShards(data, "test")).infos();
    const shown = benchmark.samples.map(() => infos.next().value!);
    infos.return(undefined);
    const texts = shown.map(({ caption }) => caption);
    onTexts?.(reportLines(reportTexts(tokenizer, texts), tokenizer, "captions of the batch"));
    return await withModel(plan, async (model) => {
      const { features } = await benchmarkFeatures(model, benchmark, { batch: 32, onBadSample: "stop" });
      const captions = await encodeTexts(model, tokenizer, texts);
      const scale = Math.exp((await model.logit_scale.data())[0]);
      const cosines = similarities(features, captions);
      const logits = { shape: cosines.shape, data: Float64Array.from(cosines.data, (v) => scale * v) };
      const sentiment = matrix(texts.length, 7, Float64Array.from(shown.flatMap((info) => [...info.sentiment])));
      return reweight({ logits, sentiment, texts }, { beta, form });
    });
  } finally {
    await close();
  }
}
