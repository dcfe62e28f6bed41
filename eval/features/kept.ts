// Where features are kept, and what of a model they depend on.
import { createHash } from "node:crypto";
import { join } from "node:path";
import { makeFolder } from "../../data/formats/disk.ts";
import { Lock } from "../../data/formats/lock.ts";
import { type Side, sideText } from "../../data/pixels/side.ts";
import { cacheFolder } from "../../engine/index.ts";
import type { LoadPlan } from "../../model/index.ts";
import { type CacheKey, cacheName, FeatureCache } from "./cache.ts";

/** Where features are kept unless somebody says another place. */
export const defaultCache = (): string => join(cacheFolder(), "features");

/** Side of a frame as part of a key. */
export const sideKey = (side: Side): string | number => (typeof side === "number" ? side : sideText(side));

/** The features of a key below `folder`, held by this process until `close`. Errors: BusyError where another one holds them. */
export async function lockedCache(
  key: CacheKey,
  folder = defaultCache(),
  say: (line: string) => void,
): Promise<{ cache: FeatureCache; close(): Promise<void> }> {
  const place = join(folder, cacheName(key));
  await makeFolder(place);
  const lock = await Lock.take(place, say);
  try {
    const cache = await FeatureCache.open(place, key);
    return { cache, close: () => cache.close().finally(() => lock.release()) };
  } catch (error) {
    await lock.release();
    throw error;
  }
}

/** sha256 of what features of frames depend on: the configuration and every tensor but those of the text tower and the scale of logits. */
export async function frameWeightsHash({ file, family, config, sources, report }: LoadPlan): Promise<string> {
  const hash = createHash("sha256").update(JSON.stringify([config, report.fresh, report.resized ?? null]));
  const isOfFrames = (name: string) => family.place?.(name).tower !== "text" && !name.endsWith("logit_scale");
  for (const { name, stored, dtype } of sources.filter(({ name }) => isOfFrames(name))) {
    hash.update(JSON.stringify([name, dtype]));
    for await (const piece of file.chunks(stored)) hash.update(piece);
  }
  return hash.digest("hex");
}
