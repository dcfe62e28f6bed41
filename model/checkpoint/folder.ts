// A checkpoint is a folder ckpt-00001200 with a manifest and two safetensors files. It appears complete or not at all, and
// nothing in it is used before every byte has been checked against the manifest.
import { createHash } from "node:crypto";
import { basename, join } from "node:path";
import * as v from "valibot";
import { isSystemFault, readFault } from "../../data/formats/cause.ts";
import { EngineError, FormatError, HealthError } from "../../engine/errors.ts";
import { sha256Of } from "../../data/formats/hash.ts";
import { type Json, parseJson, quoted } from "../../data/formats/json.ts";
import { readRegular, sizeOfRegular } from "../../data/formats/regular.ts";
import { type SafetensorsEntry, SafetensorsFile, safetensorsBytes } from "../../data/formats/safetensors.ts";
import {
  commitFolder,
  listFolder,
  NewFile,
  remove,
  replaceFile,
  type Written,
  writeNew,
} from "../../data/formats/disk.ts";

/** Version of the folder's layout; another one is refused. */
export const FORMAT = 1;

const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const sha256 = v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/));
const written = v.strictObject({ bytes: count, sha256 });
const manifestSchema = v.strictObject({
  format: v.literal(FORMAT),
  step: count,
  epoch: count,
  position: count,
  seed: v.number(),
  rng: v.record(v.string(), v.number()),
  best: v.nullable(v.strictObject({ step: count, name: v.string(), value: v.number() })),
  state: v.any(),
  config: sha256,
  adapter: v.string(),
  subgroupSize: count,
  versions: v.optional(v.record(v.string(), v.string())),
  commit: v.string(),
  created: v.string(),
  files: v.strictObject({ "model.safetensors": written, "optimizer.safetensors": written }),
});

/** What a resumed run needs besides the tensors. */
export interface Progressed {
  /** Updates finished. */
  readonly step: number;
  readonly epoch: number;
  /** Samples of the epoch's order already used. */
  readonly position: number;
  readonly seed: number;
  /** Counters of the random streams, by name. */
  readonly rng: Readonly<Record<string, number>>;
  readonly best: { readonly step: number; readonly name: string; readonly value: number } | null;
  /** Whatever else the loop needs to go on with the same bits; plain JSON. */
  readonly state: Json;
  /** sha256 of the settings (`configHash`). */
  readonly config: string;
  readonly adapter: string;
  readonly subgroupSize: number;
  /** Of the programs that computed it, by name; checkpoints of version 0.1 have none. */
  readonly versions?: Readonly<Record<string, string>>;
  readonly commit: string;
}

/** Parameters under the official names, and the optimizer's moments; each tensor float32. */
export interface CheckpointTensors {
  readonly model: Iterable<SafetensorsEntry>;
  readonly optimizer: Iterable<SafetensorsEntry>;
}

/** manifest.json: the state, and length and sha256 of each file. `created` is for people; order comes from `step`. */
export interface Manifest extends Progressed {
  readonly format: typeof FORMAT;
  readonly created: string;
  readonly files: Readonly<Record<FileName, Written>>;
}

const fileNames = ["model.safetensors", "optimizer.safetensors"] as const;
type FileName = (typeof fileNames)[number];

/** A verified checkpoint with its files open. */
export interface Checkpoint {
  readonly path: string;
  readonly manifest: Manifest;
  readonly model: SafetensorsFile;
  readonly optimizer: SafetensorsFile;
  close(): Promise<void>;
}

export function checkpointName(step: number): string {
  return `ckpt-${String(step).padStart(8, "0")}`;
}

/** The step that a checkpoint's folder is named after; undefined for any other name. */
export function stepOf(name: string): number | undefined {
  return /^ckpt-\d{8,15}$/.test(name) ? Number(name.slice(5)) : undefined;
}

/** Steps of the checkpoints in a run folder, newest first; the name counts, never a clock. */
export async function checkpointSteps(run: string): Promise<number[]> {
  const steps = (await listFolder(run)).flatMap((name) => stepOf(name) ?? []);
  return steps.sort((a, b) => b - a);
}

/** What is saved, and who hears of it. */
export interface SavedState extends Progressed {
  readonly tensors: CheckpointTensors;
  /** Goes into the model's file, which then tells what it is wherever it is moved. */
  readonly metadata?: Readonly<Record<string, string>>;
  /** Called once every tensor has been read: from then on they may change, while the disk is still at work. */
  readonly read?: () => void;
  /** What has to be durable before the checkpoint appears. */
  readonly before?: () => Promise<void>;
}

/**
 * Commits `ckpt-<step>` in the run folder. Tensors are asked for one at a time and handed to the system, so they must not change
 * until `read` is called; flushing and committing come after it. A non-finite number is refused (HealthError) and nothing is committed.
 * A complete checkpoint of the same step and settings is left as it is.
 */
export async function saveCheckpoint(run: string, at: SavedState): Promise<Manifest> {
  const { tensors, metadata, read = () => {}, before = async () => {}, ...progressed } = at;
  const path = join(run, checkpointName(at.step));
  const present = await readManifest(path).catch(() => undefined);
  if (present?.config === at.config && (await isIntact(path, present))) return present;
  let manifest: Manifest | undefined;
  await commitFolder(path, async (folder) => {
    const files = await writeTensors(folder, tensors, metadata, read);
    manifest = { format: FORMAT, ...progressed, created: new Date().toISOString(), files };
    await writeNew(join(folder, "manifest.json"), manifestText(manifest));
    await before();
  });
  return manifest!;
}

async function writeTensors(
  folder: string,
  { model, optimizer }: CheckpointTensors,
  metadata: SavedState["metadata"],
  read: () => void,
): Promise<Manifest["files"]> {
  const open: NewFile[] = [];
  const write = async (name: FileName, bytes: AsyncGenerator<Uint8Array>) => {
    const file = await NewFile.write(join(folder, name), bytes);
    open.push(file);
    return file;
  };
  try {
    const weights = await write("model.safetensors", finiteBytes(model, metadata));
    const moments = await write("optimizer.safetensors", finiteBytes(optimizer));
    read();
    return { "model.safetensors": await weights.commit(), "optimizer.safetensors": await moments.commit() };
  } finally {
    for (const file of open) await file.close();
  }
}

/** A plain model file, readable by any safetensors reader. Replaces what is there at once. */
export function saveModel(
  path: string,
  model: Iterable<SafetensorsEntry>,
  metadata: Record<string, string> = {},
): Promise<Written> {
  return replaceFile(path, finiteBytes(model, metadata));
}

function finiteBytes(
  entries: Iterable<SafetensorsEntry>,
  metadata: Readonly<Record<string, string>> = {},
): AsyncGenerator<Uint8Array> {
  const checked = Array.from(entries, (entry): SafetensorsEntry => {
    const { name, dtype, shape } = entry;
    return { name, dtype, shape, bytes: () => checkEach(entry) };
  });
  return safetensorsBytes(checked, { format: "pt", ...metadata });
}

async function* checkEach(entry: SafetensorsEntry): AsyncGenerator<Uint8Array> {
  const source = await entry.bytes();
  for await (const piece of source instanceof Uint8Array ? [source] : source) {
    const bad = firstNonFinite(piece);
    if (bad >= 0)
      throw new HealthError(`parameter ${quoted(entry.name)} is not finite at element ${bad}; nothing is saved`);
    yield piece;
  }
}

/** Index of the first float32 whose exponent is all ones; -1 where all are finite. */
function firstNonFinite(bytes: Uint8Array): number {
  const { buffer, byteOffset, byteLength } = bytes.byteOffset % 4 === 0 ? bytes : bytes.slice();
  const words = new Uint32Array(buffer, byteOffset, byteLength >> 2);
  for (let i = 0; i < words.length; i++) if ((words[i] & 0x7f800000) === 0x7f800000) return i;
  return -1;
}

/** The manifest with the sha256 of its own text as last field. */
function manifestText(manifest: object): string {
  const self = createHash("sha256").update(JSON.stringify(manifest)).digest("hex");
  return `${JSON.stringify({ ...manifest, self }, null, 2)}\n`;
}

/** Reads and checks manifest.json; FormatError says what is wrong. */
export async function readManifest(path: string): Promise<Manifest> {
  const file = `${basename(path)}/manifest.json`;
  const bytes = await readRegular(join(path, "manifest.json"), 2 ** 20, file);
  const json = parseJson(bytes, file, 2 ** 20) as { [key: string]: Json };
  const { self: _, ...rest } = json ?? {};
  if (manifestText(rest) !== new TextDecoder().decode(bytes))
    throw new FormatError(`${file}: damaged, its own sha256 does not match`);
  if (rest.format !== FORMAT)
    throw new UnknownVersion(`${file}: format version ${rest.format}; this program knows ${FORMAT}`);
  const { success, output, issues } = v.safeParse(manifestSchema, rest);
  if (!success) throw new FormatError(`${file}: ${v.getDotPath(issues[0]) ?? ""}: ${issues[0].message}`);
  const named = stepOf(basename(path));
  if (named !== undefined && output.step !== named) {
    throw new FormatError(`${file}: is of step ${output.step}, but the folder's name says ${named}`);
  }
  return output as Manifest;
}

/** A layout from another version of this program: refused, not passed over. */
export class UnknownVersion extends FormatError {
  override get name(): string {
    return "FormatError";
  }
}

/** Opens one checkpoint after checking every byte of it; FormatError names the file and the fault. */
export async function loadCheckpoint(path: string): Promise<Checkpoint> {
  const manifest = await readManifest(path);
  for (const name of fileNames) await verify(join(path, name), manifest.files[name], `${basename(path)}/${name}`);
  const model = await SafetensorsFile.open(join(path, "model.safetensors"));
  try {
    const optimizer = await SafetensorsFile.open(join(path, "optimizer.safetensors"));
    const close = async () => void (await Promise.all([model.close(), optimizer.close()]));
    return { path, manifest, model, optimizer, close };
  } catch (error) {
    await model.close();
    throw error;
  }
}

/** The newest checkpoint of a run folder that is intact. Each damaged one is told to `warn` and passed over. */
export async function newestCheckpoint(run: string, warn: (line: string) => void): Promise<Checkpoint | undefined> {
  const steps = await checkpointSteps(run);
  const faults: string[] = [];
  for (const step of steps) {
    try {
      return await loadCheckpoint(join(run, checkpointName(step)));
    } catch (error) {
      if (!(error instanceof EngineError) || error instanceof UnknownVersion) throw error;
      faults.push(error.message);
      warn(`${error.message}; falling back to the checkpoint before`);
    }
  }
  if (steps.length === 0) return undefined;
  throw new FormatError(
    `${basename(run)}: none of its ${steps.length} checkpoints is intact; start in another folder\n  ${faults.join("\n  ")}`,
  );
}

/** Checks length and sha256 of one file against what the manifest says of it; FormatError begins with `label`. */
export async function verify(path: string, want: Written, label: string): Promise<void> {
  const size = await sizeOfRegular(path, label);
  if (size !== want.bytes) throw new FormatError(`${label}: ${size} bytes; the manifest says ${want.bytes}`);
  const found = await sha256Of(path).catch((error: NodeJS.ErrnoException) => {
    throw new FormatError(`${label}: ${readFault(error)}`, { cause: error });
  });
  if (found !== want.sha256) throw new FormatError(`${label}: damaged, its sha256 does not match the manifest`);
}

async function isIntact(path: string, { files }: Manifest): Promise<boolean> {
  try {
    for (const name of fileNames) await verify(join(path, name), files[name], name);
    return true;
  } catch {
    return false;
  }
}

/** Removes checkpoints up to `step` except the `keep` newest that have a sound manifest, and `best`. Call it after a commit. */
export async function pruneCheckpoints(run: string, step: number, best: number | undefined, keep = 2): Promise<void> {
  let kept = 0;
  for (const old of await checkpointSteps(run)) {
    if (old > step) continue;
    const path = join(run, checkpointName(old));
    if (old === best) continue;
    if (kept < keep && (await isSoundOrUnknown(path))) kept++;
    else await remove(path);
  }
}

/** One that the system does not let us read now is not called damaged, and so not removed. */
const isSoundOrUnknown = (path: string): Promise<boolean> => readManifest(path).then(() => true, isSystemFault);

/** One sha256 over all parameters and moments: equal digests are equal bits. */
export function digest({ files }: Manifest): string {
  return createHash("sha256")
    .update(fileNames.map((name) => files[name].sha256).join("\n"))
    .digest("hex");
}
