// `emotionclip attention` of a model that weighs whole frames: numbers, heads, the strip; and `encode` of its clips.
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { FrameShares } from "../../cli/frame-attention.ts";
import { readNpyFile } from "../../data/formats/npy.ts";
import { decodeImage } from "../../data/pixels/image.ts";
import { encodePng } from "../../data/pixels/png.ts";
import { sharedGpu } from "../kernels/derive.ts";
import { writeEmoClip } from "../kit/emoclip-file.ts";
import { runProgram } from "../run/program.ts";

await sharedGpu();
const root = mkdtempSync(join(tmpdir(), "emotionclip-frames-"));
process.on("exit", () => rmSync(root, { recursive: true, force: true }));
const run = (...words: string[]) => runProgram(resolve("dist", "cli.js"), words, { cwd: root });

/** A clip of four frames, in this order of its pictures. */
async function clip(name: string, order: readonly number[]): Promise<void> {
  mkdirSync(join(root, name));
  for (const [place, picture] of order.entries()) {
    const data = Uint8Array.from({ length: 3 * 32 * 32 }, (_, k) => (k * (picture + 2) * 7) % 256);
    writeFileSync(join(root, name, `${place}.png`), await encodePng({ data, width: 32, height: 32 }));
  }
}
await clip("clip", [0, 1, 2, 3]);
await clip("swapped", [0, 3, 2, 1]);
await writeEmoClip(join(root, "m.safetensors"), ["a", "b"], (name, values) => {
  if (name === "temporal.pos_embedding") values.fill(0); // then frames may change places
});

async function numbersOf(name: string): Promise<FrameShares> {
  const { code, stdout, stderr } = await run(
    "attention",
    name,
    "--checkpoint",
    "m.safetensors",
    "--out",
    `of-${name}`,
    "--json",
  );
  assert.is(code, 0, stderr);
  return JSON.parse(stdout) as FrameShares;
}

test("the class token's weights of every layer and head are shares, and follow frames that change places", async () => {
  const [numbers, swapped] = [await numbersOf("clip"), await numbersOf("swapped")];
  assert.equal([numbers.token, numbers.layers, numbers.heads, numbers.frames.length], ["class token", 2, 2, 4]);
  const near = (a: number, b: number) => assert.ok(Math.abs(a - b) < 1e-5, `${a} ${b}`);
  for (let layer = 0; layer < 2; layer++) {
    near(numbers.itself[layer] + numbers.frames.reduce((sum, { mean }) => sum + mean[layer], 0), 1);
    for (const { mean, heads } of numbers.frames) near(mean[layer], (heads[layer][0] + heads[layer][1]) / 2);
    for (const [i, j] of [0, 3, 2, 1].entries()) near(numbers.frames[i].mean[layer], swapped.frames[j].mean[layer]);
  }
  assert.ok(new Set(numbers.frames.map(({ mean }) => mean[0].toFixed(4))).size > 1);
  const [{ shape, data }] = readNpyFile(join(root, "of-clip", "attention.npy"));
  assert.equal(shape, [2, 2, 5]);
  near(data[1], numbers.frames[0].heads[0][0]);
  const { width, height } = await decodeImage(readFileSync(join(root, "of-clip", "sheet.png")), "sheet.png");
  assert.ok(width >= 560 && height > 250, `${width} x ${height}`);
});

test("as text each frame has its share; boxes are refused, for nothing is told of a subject", async () => {
  const words = ["attention", "clip", "--checkpoint", "m.safetensors", "--out", "text"];
  const { code, stdout, stderr } = await run(...words);
  assert.is(code, 0, stderr);
  assert.match(stdout, /4 frames, weighed by the class token in 2 layers of 2 heads/);
  assert.match(stdout, /3\.png +\d+\.\d\d % +\d+\.\d\d %/);
  const refused = await run(...words, "--boxes", "1,1,5,5");
  assert.is(refused.code, 2);
  assert.match(refused.stderr, /--boxes: m\.safetensors is told of no subject/);
});

test.run();
