// Makes folders of golden files for tests of the program that checks them.
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { safetensorsBytes } from "../../model/index.ts";
import { Folder, type ManifestEntry } from "./folder.ts";
import type { GoldenTensor } from "./tensor-file.ts";

/** Files by path; a folder of them is made by `folder()`. */
export class GoldenFiles {
  readonly #entries: Record<string, ManifestEntry> = {};

  constructor(readonly root: string) {}

  json(file: string, value: unknown, desc = ""): void {
    this.#write(file, "json", desc, Buffer.from(JSON.stringify(value)));
  }

  /** Tensors by name; `tolerance` holds for each of them. */
  async tensors(
    file: string,
    tensors: ReadonlyMap<string, GoldenTensor>,
    tolerance: { rtol: number; atol: number } | undefined,
    desc = "",
  ): Promise<void> {
    const entries = Array.from(tensors, ([name, { dtype, shape, data }]) => ({
      name,
      dtype: dtype as "F32",
      shape,
      bytes: () => new Uint8Array(data.buffer, data.byteOffset, data.byteLength),
    }));
    const parts: Uint8Array[] = [];
    for await (const part of safetensorsBytes(entries)) parts.push(part);
    const told = Object.fromEntries(Array.from(tensors.keys(), (name) => [name, tolerance ?? {}]));
    this.#write(file, "safetensors", desc, Buffer.concat(parts), told);
  }

  #write(file: string, kind: string, desc: string, bytes: Buffer, tensors?: ManifestEntry["tensors"]): void {
    const path = join(this.root, file);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, bytes);
    const sha256 = createHash("sha256").update(readFileSync(path)).digest("hex");
    this.#entries[file] = { kind, desc, bytes: statSync(path).size, sha256, ...(tensors && { tensors }) };
  }

  folder(): Folder {
    writeFileSync(join(this.root, "manifest.json"), JSON.stringify({ format: 1, files: this.#entries }));
    return new Folder(this.root);
  }
}
