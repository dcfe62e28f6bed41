// The embedded data set, or any other in tar shards with labels, read as a benchmark: categories, valence, arousal and
// dominance, and the subject's emotion where the clips tell it.
import { FormatError } from "../../engine/errors.ts";
import { emotionOf } from "../shards/clip.ts";
import { indexName } from "../shards/index-file.ts";
import { openShards } from "../shards/shards.ts";
import { categories, emotions } from "../stage/emotions.ts";
import type { BenchmarkSample } from "./benchmark.ts";
import type { Reader } from "./reader.ts";

export const stage: Reader = {
  splits: ["train", "val", "test"],
  kind: "video",
  classes: categories,
  dimensions: ["valence", "arousal", "dominance"],
  emotions,
  async read({ root, split }) {
    const set = await openShards(root, split);
    if (set.categories.join() !== categories.join())
      throw new FormatError(
        `${indexName(split)}: its ${set.categories.length} categories are not BoLD's ${categories.length}; for labels of your own: emotionclip eval own --data <folder>`,
      );
    const samples = Array.from(set.readings(), (found): BenchmarkSample => {
      const sample = set.items[found.index];
      const named = { id: sample.key, group: sample.key };
      if ("reason" in found) return { ...named, source: { kind: "faulty", reason: found.reason } };
      const { labels, caption } = found.info;
      const label = (emotions as readonly unknown[]).indexOf(emotionOf(found.info));
      return {
        ...named,
        text: caption,
        labels: Uint8Array.from(labels!.categories),
        ...(labels!.vad && { values: Float32Array.from(labels!.vad) }),
        ...(label >= 0 && { label }),
        source: { kind: "shard", sample, categories: categories.length },
      };
    });
    return { samples };
  },
};
