// Small face sets as tests need them: folders of pictures whose tint tells their class.
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { encodePng } from "../../data/pixels/png.ts";

/** The classes of DFEW by their numbers. */
export const sevenClasses = ["happiness", "sadness", "neutral", "anger", "surprise", "disgust", "fear"] as const;

/** Writes a clip: so many pictures of a tint, each a little other than the one before. */
export async function writeFaces(folder: string, frames: number, tint: number, side = 40): Promise<void> {
  mkdirSync(folder, { recursive: true });
  for (let t = 0; t < frames; t++) {
    const data = Uint8Array.from(
      { length: 3 * side * side },
      (_, k) => (40 * tint + 3 * t + (k % 3) * 50 + (k >> 5)) % 256,
    );
    writeFileSync(
      join(folder, `${String(t).padStart(3, "0")}.png`),
      await encodePng({ data, width: side, height: side }),
    );
  }
}

/** A split of DFEW in its layout: clips by their class numbers, named split-0, split-1, …; paths are of another server. */
export async function writeDfew(
  root: string,
  split: "train" | "test",
  labels: readonly number[],
  { fold = 1, frames = 6 } = {},
): Promise<void> {
  mkdirSync(root, { recursive: true });
  const lines = labels.map((label, i) => `/srv/dfew/${split}-${i} ${frames} ${label}`);
  writeFileSync(join(root, `DFEW_set_${fold}_${split}.txt`), lines.join("\n"));
  for (const [i, label] of labels.entries())
    await writeFaces(join(root, "DFEW_Frame_Face", `${split}-${i}`), frames, label + i);
}
