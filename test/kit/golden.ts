// The golden files below test/golden and their tolerances, for tests that look at single ones.
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import * as assert from "uvu/assert";
import type { Tolerance } from "../parity/folder.ts";
import { type GoldenTensor, TensorFile } from "../parity/tensor-file.ts";
import { deviation } from "../parity/verdict.ts";

export { deviation, type GoldenTensor };

/** The parsed manifest.json of a folder of golden files. */
export interface Manifest {
  readonly files: Record<string, { readonly tensors?: Record<string, Partial<Tolerance>> }>;
}

/** Path of a file below test/golden, wherever the bundled test lies. */
export function goldenPath(file: string): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, "test", "golden"))) {
    if (dirname(folder) === folder) throw new Error("test/golden is not above the bundled test");
    folder = dirname(folder);
  }
  return join(folder, "test", "golden", file);
}

/** The bytes of a golden file. */
export const goldenBytes = (file: string): Uint8Array => new Uint8Array(readFileSync(goldenPath(file)));

/** A golden JSON file. */
export const goldenJson = <T>(file: string): T => JSON.parse(readFileSync(goldenPath(file), "utf8")) as T;

/** The tensors of a golden safetensors file by name, for example golden("emotionclip/metrics/metrics.safetensors"). */
export function golden(file: string): Map<string, GoldenTensor> {
  const tensors = new TensorFile(goldenPath(file));
  return new Map(tensors.names.map((name) => [name, tensors.tensor(name)]));
}

/** The manifest of the EmotionCLIP golden files. */
export const manifest = (): Manifest => goldenJson("emotionclip/manifest.json");

/** The tolerance of one tensor of one file (named relative to the manifest); exact equality where it names none. */
export function tolerance({ files }: Manifest, file: string, tensor: string): Tolerance {
  const entry = files[file]?.tensors?.[tensor];
  if (!entry) throw new Error(`the manifest knows no tensor ${tensor} in ${file}`);
  return { rtol: entry.rtol ?? 0, atol: entry.atol ?? 0 };
}

/** The tensors of one EmotionCLIP golden file by name. */
export function fixture(file: string): (name: string) => GoldenTensor {
  const tensors = golden(`emotionclip/${file}`);
  return (name) => tensors.get(name)!;
}

/** Reads of named results, made inside a tape and awaited after it. */
export type Results = Record<string, Promise<ArrayLike<number>>>;

/** Every result is within the tolerance that the manifest gives the tensor of that name. */
export async function agree(file: string, results: Results): Promise<void> {
  const of = fixture(file);
  const known = manifest();
  assert.ok(Object.keys(results).length > 0);
  for (const [name, result] of Object.entries(results)) {
    const { share, at } = deviation(await result, of(name).data, tolerance(known, file, name));
    assert.ok(share <= 1, `${file} ${name}[${at}] is ${share} times its tolerance away`);
  }
}
