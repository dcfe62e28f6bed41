// `emotionclip attention` of a model that weighs whole frames: the strip, the numbers, and what is said of them.
import { join } from "node:path";
import { makeFolder, replaceFile } from "../data/formats/disk.ts";
import { npyBytes } from "../data/formats/npy.ts";
import { encodePng } from "../data/pixels/png.ts";
import { type FrameWeights, weightsOf } from "../eval/attention/frames.ts";
import { strip, type WeighedClip } from "../eval/attention/strip.ts";

/** What attention.json holds, and `--json` prints: shares of the token's attention, to itself and to each frame. */
export interface FrameShares {
  readonly token: string;
  readonly layers: number;
  readonly heads: number;
  readonly itself: readonly number[];
  readonly frames: readonly {
    readonly name: string;
    /** Of each layer the mean over heads; and of each layer that of each head. */
    readonly mean: readonly number[];
    readonly heads: readonly (readonly number[])[];
  }[];
  readonly notes: readonly string[];
}

export function frameShares({ told, names, weights }: WeighedClip, notes: readonly string[]): FrameShares {
  const { layers, heads } = weights;
  const all = Array.from({ length: layers }, (_, layer) => layerOf(weights, layer));
  return {
    token: told,
    layers,
    heads,
    itself: all.map(({ mean }) => mean[0]),
    frames: names.map((name, i) => ({
      name,
      mean: all.map(({ mean }) => mean[i + 1]),
      heads: all.map(({ each }) => each.map((row) => row[i + 1])),
    })),
    notes,
  };
}

const layerOf = (weights: FrameWeights, layer: number) => ({
  mean: weightsOf(weights, layer),
  each: Array.from({ length: weights.heads }, (_, head) => weightsOf(weights, layer, head)),
});

export async function writeFrames(folder: string, clip: WeighedClip, numbers: FrameShares): Promise<void> {
  const { layers, heads, frames, weights } = clip.weights;
  await makeFolder(folder);
  await replaceFile(join(folder, "sheet.png"), await encodePng(strip(clip)));
  await replaceFile(join(folder, "attention.npy"), npyBytes([{ shape: [layers, heads, 1 + frames], data: weights }]));
  await replaceFile(join(folder, "attention.json"), `${JSON.stringify(numbers, undefined, 1)}\n`);
}

/** The numbers as text: a row a frame, a column a layer, mean over heads. */
export function framesText(folder: string, { token, layers, heads, itself, frames, notes }: FrameShares): string {
  const width = Math.max(token.length, ...frames.map(({ name }) => name.length));
  const row = (name: string, values: readonly number[]) =>
    `  ${name.padEnd(width)}${values.map((value) => `${(100 * value).toFixed(2)} %`.padStart(11)).join("")}`;
  const numbers = Array.from({ length: layers }, (_, layer) => `layer ${layer + 1}`.padStart(11)).join("");
  return [
    `${join(folder, "sheet.png")}: ${frames.length} frames, weighed by the ${token} in ${layers} layers of ${heads} heads`,
    "  attention.npy, attention.json  the numbers, head by head",
    `  ${"".padEnd(width)}${numbers}`,
    row(token, itself),
    ...frames.map(({ name, mean }) => row(name, mean)),
    ...notes,
  ].join("\n");
}
