// Files of features as `encode` writes them: rows, and what each is of.
import { stat } from "node:fs/promises";
import { basename, dirname, extname, resolve } from "node:path";
import { replaceFile } from "../data/formats/disk.ts";
import { npyBytes } from "../data/formats/npy.ts";
import { safetensorsBytes } from "../data/formats/safetensors.ts";
import type { TextsReport } from "../data/tokenizer/report.ts";
import { UsageError } from "../engine/errors.ts";
import type { Matrix } from "../eval/matrix.ts";

/** A place that cannot be written to is found before the work. */
export async function checkOut(out: string): Promise<void> {
  if (![".npy", ".safetensors"].includes(extname(out)))
    throw new UsageError(`--out: ${basename(out)} ends in neither .npy nor .safetensors`);
  const folder = await stat(dirname(resolve(out))).catch(() => undefined);
  if (!folder?.isDirectory()) throw new UsageError(`--out: there is no folder ${dirname(out)}`);
  for (const path of [out, `${out}.json`]) {
    const there = await stat(path).catch(() => undefined);
    if (there?.isDirectory()) throw new UsageError(`--out: ${path} is a folder`);
  }
}

/** What rows are of. */
export interface AboutRows {
  readonly checkpoint: string;
  readonly kind: string;
  readonly ids: readonly string[];
  /** What a row of a film is. */
  readonly row?: string;
  /** Seconds from the first frame of its film. */
  readonly times?: readonly (readonly [start: number, end: number])[];
  readonly texts?: TextsReport;
}

/** The features, and what each row is of: beside a .npy in JSON, inside a .safetensors as metadata. */
export async function writeFeatures(out: string, said: AboutRows, features: Matrix): Promise<void> {
  if (extname(out) === ".npy") {
    await replaceFile(`${out}.json`, `${JSON.stringify(said, undefined, 1)}\n`);
    await replaceFile(out, npyBytes([features]));
    return;
  }
  const { buffer, byteOffset, byteLength } = features.data;
  const bytes = () => new Uint8Array(buffer as ArrayBuffer, byteOffset, byteLength);
  const entry = { name: "features", dtype: "F32", shape: features.shape, bytes } as const;
  const asText = (value: unknown) => (typeof value === "string" ? value : JSON.stringify(value));
  const metadata = Object.fromEntries(
    Object.entries(said).flatMap(([name, value]) => (value === undefined ? [] : [[name, asText(value)]])),
  );
  await replaceFile(out, safetensorsBytes([entry], metadata));
}
