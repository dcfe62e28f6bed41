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

  /** A file of weights in another format; `write` makes it. */
  file(file: string, write: (path: string) => void): void {
    this.#list(file, "torch-zip", "", write);
  }

  #write(file: string, kind: string, desc: string, bytes: Buffer, tensors?: ManifestEntry["tensors"]): void {
    this.#list(file, kind, desc, (path) => writeFileSync(path, bytes), tensors);
  }

  #list(
    file: string,
    kind: string,
    desc: string,
    write: (path: string) => void,
    tensors?: ManifestEntry["tensors"],
  ): void {
    const path = join(this.root, file);
    mkdirSync(dirname(path), { recursive: true });
    write(path);
    const sha256 = createHash("sha256").update(readFileSync(path)).digest("hex");
    this.#entries[file] = { kind, desc, bytes: statSync(path).size, sha256, ...(tensors && { tensors }) };
  }

  folder(): Folder {
    writeFileSync(join(this.root, "manifest.json"), JSON.stringify({ format: 1, files: this.#entries }));
    return new Folder(this.root);
  }
}
