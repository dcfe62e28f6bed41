// A folder of golden files: its manifest, and its files by path. Knows nothing of what the files mean.
import { createHash } from "node:crypto";
import { closeSync, existsSync, openSync, readdirSync, readFileSync, readSync, statSync } from "node:fs";
import { dirname, join, posix, sep } from "node:path";
import { FormatError, UsageError } from "../../engine/errors.ts";
import type { Drawn } from "./drawn.ts";
import { type GoldenTensor, TensorFile } from "./tensor-file.ts";

/** |got − want| ≤ atol + rtol·|want|; both 0 asks for equality. */
export interface Tolerance {
  readonly rtol: number;
  readonly atol: number;
}

/** What the manifest says of one file. Folders have no size and no digest. */
export interface ManifestEntry {
  readonly kind: string;
  readonly desc?: string;
  readonly bytes?: number;
  readonly sha256?: string;
  readonly tensors?: Readonly<
    Record<string, Partial<Tolerance> & { readonly of_max?: number; readonly note?: string }>
  >;
  /** Largest element, and what float32 is off in the official code; the rule of such manifests is in `tolerance`. */
  readonly golden?: Readonly<Record<string, { readonly max_abs: number; readonly noise: number }>>;
}

export class Folder {
  /** Paths relative to the folder, in the manifest's order. */
  readonly files: readonly string[];
  readonly #entries: Readonly<Record<string, ManifestEntry>>;
  readonly #open = new Map<string, TensorFile>();

  /** `given` is a checkpoint for the models that have no weights of their own. */
  constructor(
    readonly root: string,
    readonly given?: string,
  ) {
    if (given !== undefined && !existsSync(given)) throw new UsageError(`--weights ${given}: no such file`);
    const path = join(root, "manifest.json");
    if (!existsSync(path)) throw new UsageError(`${root}: no manifest.json; golden files come with one`);
    this.#entries = entriesOf(readFileSync(path, "utf8"));
    this.files = Object.keys(this.#entries);
  }

  /** Whether a file is there. */
  has(file: string): boolean {
    return existsSync(this.path(file));
  }

  entry(file: string): ManifestEntry {
    return Object.hasOwn(this.#entries, file) ? this.#entries[file] : { kind: "not listed" };
  }

  /** Where a file is; one that was given may lie anywhere. */
  path(file: string): string {
    return file === this.given ? file : join(this.root, file);
  }

  json<T>(file: string): T {
    return JSON.parse(readFileSync(this.path(file), "utf8")) as T;
  }

  tensors(file: string): TensorFile {
    const known = this.#open.get(file) ?? new TensorFile(this.path(file));
    this.#open.set(file, known);
    return known;
  }

  tensor(file: string, name: string): GoldenTensor {
    return this.tensors(file).tensor(name);
  }

  /** What the manifest allows a tensor; equality where it names no tolerance. */
  tolerance(file: string, name: string): Tolerance {
    const measured = this.entry(file).golden?.[name];
    if (measured) return { rtol: 0, atol: Math.max(50 * measured.noise, 1e-5 * measured.max_abs, 1e-7) };
    const { rtol = 0, atol = 0 } = this.entry(file).tensors?.[name] ?? {};
    return { rtol, atol };
  }

  /** A number that the description gives, for example `heads=4`. */
  described(file: string, what: RegExp): number | undefined {
    const found = what.exec(this.entry(file).desc ?? "")?.[1];
    return found === undefined ? undefined : Number(found);
  }

  /** Why a file is not the one that the manifest lists, or undefined. */
  damage(file: string): string | undefined {
    const { bytes, sha256 } = this.entry(file);
    if (!existsSync(this.path(file))) return "is listed, but missing";
    if (bytes !== undefined && statSync(this.path(file)).size !== bytes)
      return `has ${statSync(this.path(file)).size} bytes, the manifest says ${bytes}`;
    if (sha256 && digest(this.path(file)) !== sha256) return "has another sha256 than the manifest says";
    return undefined;
  }

  /** The listed files beside `file`, by base name. */
  beside(file: string, name: string): string | undefined {
    const path = posix.join(posix.dirname(file), name);
    return this.has(path) ? path : undefined;
  }

  /** Files that are there, but neither listed nor inside a listed folder. */
  get unlisted(): string[] {
    const listed = (file: string) =>
      file === "manifest.json" || this.files.some((each) => file === each || file.startsWith(`${each}/`));
    return readdirSync(this.root, { recursive: true, encoding: "utf8" })
      .map((name) => name.split(sep).join("/"))
      .filter((file) => !listed(file) && statSync(this.path(file)).isFile());
  }

  /** Folders that hold a model: every one with a configuration, and weights and inputs that lie there or are drawn. */
  get models(): string[] {
    const folders = this.files.filter((file) => posix.basename(file) === "config.json" && this.has(file)).map(dirname);
    return folders.filter(
      (each) => this.drawn(each) || (this.weights(each) && this.has(posix.join(each, "inputs.safetensors"))),
    );
  }

  /** How the weights and inputs of a model folder are drawn, where they are. */
  drawn(path: string): Drawn | undefined {
    return this.json<{ drawn?: Drawn }>(posix.join(path, "config.json")).drawn;
  }

  /** The file that a model folder's parameters begin with: model.safetensors, a checkpoint beside it, or the one that was given. */
  weights(path: string): string | undefined {
    const here = this.files.filter((file) => posix.dirname(file) === path && this.has(file));
    const named = here.find((file) => posix.basename(file) === "model.safetensors");
    return named ?? here.find((file) => /\.(pt|pth|bin|ckpt)$/.test(file)) ?? this.given;
  }
}

function entriesOf(text: string): Record<string, ManifestEntry> {
  try {
    const { files, json = {} } = JSON.parse(text) as { files?: unknown; json?: Record<string, string> };
    const tables = Object.entries(json).map(([name, desc]) => [name, { kind: "json", desc }]);
    if (files && typeof files === "object" && !Array.isArray(files))
      return { ...(files as Record<string, ManifestEntry>), ...Object.fromEntries(tables) };
  } catch (error) {
    throw new FormatError(`manifest.json: ${(error as Error).message}`);
  }
  throw new FormatError('manifest.json: no object "files"');
}

function digest(path: string): string {
  const hash = createHash("sha256");
  const piece = Buffer.alloc(1 << 22);
  const file = openSync(path, "r");
  try {
    for (let count = readSync(file, piece); count > 0; count = readSync(file, piece))
      hash.update(piece.subarray(0, count));
  } finally {
    closeSync(file);
  }
  return hash.digest("hex");
}
