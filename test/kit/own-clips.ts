// Shards of somebody's own: clips drawn as the embedded ones are, with other names, labels and texts.
import type { Clip } from "../../data/shards/clip.ts";
import { writeShards } from "../../data/shards/writer.ts";
import { makeStage, type Split } from "../../data/stage/index.ts";

/** What is told of clip i; its drawing stays. */
export type OwnClip = Partial<Pick<Clip, "caption" | "labels" | "meta">>;

/** Writes some splits of a folder, with these names for the categories. */
export async function writeOwnShards(
  folder: string,
  sizes: Partial<Record<Split, number>>,
  categories: readonly string[],
  tell: (i: number, split: Split) => OwnClip,
): Promise<void> {
  for (const split of ["train", "val", "test"] as const) {
    const count = sizes[split];
    if (count === undefined) continue;
    const clips = async function* (): AsyncGenerator<Clip> {
      let i = 0;
      for await (const { labels: _, meta: __, ...clip } of makeStage({ seed: 5, split, count }))
        yield { ...clip, key: `own-${split}-${i}`, ...tell(i++, split) };
    };
    await writeShards(folder, split, clips(), { categories });
  }
}
