// The golden files below test/golden and their tolerances. The safetensors reader here is deliberately not the product's: a
// test should not depend on the code of another one.
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import * as assert from "uvu/assert";

/** A tensor of a golden file; 64-bit integers come as f64. */
export interface GoldenTensor {
  readonly dtype: string;
  readonly shape: number[];
  readonly data: Float32Array | Float64Array | Int32Array | Uint8Array;
}

/** What the manifest says of one tensor: |got − want| ≤ atol + rtol·|want|. */
export interface Tolerance {
  readonly rtol: number;
  readonly atol: number;
}

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
  const bytes = readFileSync(goldenPath(file));
  const start = 8 + Number(bytes.readBigUInt64LE(0));
  const header = JSON.parse(bytes.toString("utf8", 8, start)) as Record<string, Entry>;
  const tensors = Object.entries(header).filter(([name]) => name !== "__metadata__");
  return new Map(
    tensors.map(
      ([
        name,
        {
          dtype,
          shape,
          data_offsets: [from, to],
        },
      ]) => {
        const { buffer } = new Uint8Array(bytes.subarray(start + from, start + to));
        return [name, { dtype, shape, data: typed(dtype, buffer) }];
      },
    ),
  );
}

interface Entry {
  readonly dtype: string;
  readonly shape: number[];
  readonly data_offsets: [number, number];
}

function typed(dtype: string, buffer: ArrayBuffer): GoldenTensor["data"] {
  if (dtype === "F32") return new Float32Array(buffer);
  if (dtype === "F64") return new Float64Array(buffer);
  if (dtype === "I32") return new Int32Array(buffer);
  if (dtype === "I64") return Float64Array.from(new BigInt64Array(buffer), Number);
  if (dtype === "U8" || dtype === "BOOL") return new Uint8Array(buffer);
  throw new Error(`golden files do not use ${dtype}`);
}

/** The manifest of the EmotionCLIP golden files. */
export const manifest = (): Manifest => goldenJson("emotionclip/manifest.json");

/** The tolerance of one tensor of one file (named relative to the manifest); exact equality where it names none. */
export function tolerance({ files }: Manifest, file: string, tensor: string): Tolerance {
  const entry = files[file]?.tensors?.[tensor];
  if (!entry) throw new Error(`the manifest knows no tensor ${tensor} in ${file}`);
  return { rtol: entry.rtol ?? 0, atol: entry.atol ?? 0 };
}

/** The largest |got − want| as a share of its tolerance (over 1: failed), and where it is. NaN matches only NaN. */
export function deviation(
  got: ArrayLike<number>,
  want: ArrayLike<number>,
  { rtol, atol }: Tolerance,
): { share: number; at: number } {
  if (got.length !== want.length) throw new Error(`${got.length} values, but ${want.length} are wanted`);
  let worst = { share: 0, at: 0 };
  for (let i = 0; i < want.length; i++) {
    if (Object.is(got[i], want[i]) || got[i] === want[i]) continue;
    const allowed = atol + rtol * Math.abs(want[i]);
    const share = Math.abs(got[i] - want[i]) / (allowed || Number.MIN_VALUE);
    if (!(share <= worst.share)) worst = { share: Number.isNaN(share) ? Number.POSITIVE_INFINITY : share, at: i };
  }
  return worst;
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
