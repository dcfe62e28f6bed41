// Files of a small EmoCLIP that knows some words.
import { allocateFrozen } from "../../engine/index.ts";
import { EmoClip, emoClip, type EmoClipConfig, Init, named } from "../../model/index.ts";
import { metadataOf } from "../../model/families.ts";
import { writeSafetensors } from "./write-safetensors.ts";

const configOf = (words: number): EmoClipConfig => ({
  embed: 16,
  vision: { image: 32, patch: 16, width: 16, layers: 1, heads: 2, mlp: 32 },
  text: { context: 8, vocabulary: words + 4, width: 16, layers: 1, heads: 2, endToken: "last" },
  temporal: { frames: 4, positions: 16, layers: 2, heads: 2, headWidth: 12, hidden: 16 },
  activation: "quickGelu",
});

/** Writes one with seeded values; `change` may make others of a tensor's. */
export async function writeEmoClip(
  path: string,
  words: readonly string[],
  change: (name: string, values: Float32Array) => void = () => {},
): Promise<string> {
  const config = configOf(words.length);
  const init = new Init(7);
  const model = new EmoClip(config, init);
  const all = [...named(model)];
  const memory = allocateFrozen(all.map(([, t]) => t));
  init.fill();
  const entries = await Promise.all(
    all.map(async ([name, t]) => {
      const data = ((await t.data()) as Float32Array).slice();
      change(name, data);
      return { name, dtype: "F32" as const, shape: t.shape, bytes: () => new Uint8Array(data.buffer) };
    }),
  );
  memory.free();
  await writeSafetensors(path, entries, { ...metadataOf({ family: emoClip, config }), words: JSON.stringify(words) });
  return path;
}
