// For tests of files of weights: reads all of one through its path, and holds refusals to their contract.
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as assert from "uvu/assert";
import { FormatError } from "../../engine/errors.ts";
import { type WeightOptions, openWeights, type WeightFile } from "../../data/formats/weights.ts";
import { refusal } from "../kit/refusal.ts";

const root = mkdtempSync(join(existsSync("/dev/shm") ? "/dev/shm" : tmpdir(), "emotionclip-weights-"));
process.on("exit", () => rmSync(root, { recursive: true, force: true }));

/** Opens the bytes as a file of this name. */
export async function openBytes(bytes: Uint8Array, name: string, options?: WeightOptions): Promise<WeightFile> {
  const path = join(root, name);
  await writeFile(path, bytes);
  return openWeights(path, options);
}

/** Opens the bytes and reads every tensor. */
export async function readWeights(bytes: Uint8Array, name: string, options?: WeightOptions) {
  const file = await openBytes(bytes, name, options);
  const values = new Map<string, Float32Array>();
  try {
    for (const tensor of file.tensors.keys()) values.set(tensor, await file.floats(tensor));
  } finally {
    await file.close();
  }
  return { format: file.format, tensors: file.tensors, content: file.content, values };
}

/** The bytes are refused, at the latest when their tensors are read, with a message that begins with the name and is safe to print. */
export async function checkRefusal(
  bytes: Uint8Array,
  name: string,
  message: RegExp,
  options?: WeightOptions,
): Promise<void> {
  const error = await refusal(readWeights(bytes, name, options));
  assert.instance(error, FormatError);
  assert.is(error.exitCode, 3);
  assert.match(error.message, message);
  assert.ok(error.message.startsWith(`${name}: `), error.message);
  assert.ok(error.message.length < 4096 && !/\p{C}/u.test(error.message), "safe to print");
}
