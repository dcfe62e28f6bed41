// A checkpoint on the device, frozen: parameters only, streamed tensor by tensor and piece by piece, so that memory holds the
// model once and a few megabytes of the file.
import { basename } from "node:path";
import { quoted } from "../../data/formats/json.ts";
import {
  allocateFrozen,
  arrived,
  assign,
  assignPart,
  CheckpointError,
  FormatError,
  type Tensor,
} from "../../engine/index.ts";
import { takes } from "../../engine/takes.ts";
import { convert, type FileDtype, itemBytes } from "../../data/formats/dtypes.ts";
import type { Usual } from "../families.ts";
import { pairOf } from "../../data/pixels/side.ts";
import type { Resize, VideoText } from "../family.ts";
import type { WeightOptions, WeightFile } from "../../data/formats/weights.ts";
import { openModel } from "./open.ts";
import { type LoadPlan, type LoadReport, type PlanOptions, planLoad } from "./plan.ts";
import { resizePositions } from "../clip/positions.ts";

/** How a file is loaded: what the file does not tell, how strictly it must fit, what is accepted as data. */
export interface LoadOptions extends PlanOptions, WeightOptions {
  /** Hears how many numbers are on the device, of how many. */
  readonly at?: (done: number, of: number) => void;
}

/** A model to be used, not trained. */
export interface Loaded<M extends VideoText = Usual> {
  readonly model: M;
  readonly config: M["config"];
  readonly report: LoadReport;
  /** Gives its memory back; the model must not be used afterwards. */
  free(): void;
}

/** Bytes on their way to the device at most: drivers keep what is in transfer a second time. */
const inTransfer = 32 * 2 ** 20;

/**
 * Loads .pt, .pth, .safetensors, .safetensors.index.json, a run folder or a checkpoint folder of one onto the open GPU. Errors:
 * FormatError for a damaged file, CheckpointError for one that does not fit, LimitError for one that is too large.
 */
export async function loadModel<M extends VideoText = Usual>(
  path: string,
  options: LoadOptions = {},
): Promise<Loaded<M>> {
  takes(
    "loadModel(path: text, options?: { at?: function, config?: any, image?: any, strict?: flag, " +
      "seed?: seed, inert?: text[] })",
    arguments,
  );
  const { plan, close } = await prepareLoad<M>(path, options);
  try {
    return await fillModel(plan, options.at);
  } finally {
    await close();
  }
}

/** The part of `loadModel` that needs no GPU: opens and checks, so that a bad file is refused before a GPU is opened. */
export async function prepareLoad<M extends VideoText = Usual>(
  path: string,
  options: LoadOptions = {},
): Promise<{ plan: LoadPlan<M>; close(): Promise<void> }> {
  takes(
    "prepareLoad(path: text, options?: { at?: function, config?: any, image?: any, strict?: flag, " +
      "seed?: seed, inert?: text[] })",
    arguments,
  );
  const { file, stored } = await openModel(path, options, options.config);
  try {
    return { plan: await planLoad<M>(file, options, stored), close: () => file.close() };
  } catch (error) {
    await file.close();
    throw error;
  }
}

/** Gives the planned model memory on the open GPU and reads its parameters into it. */
export async function fillModel<M extends VideoText>(plan: LoadPlan<M>, at?: LoadOptions["at"]): Promise<Loaded<M>> {
  takes("fillModel(plan: { file: { path: text, tensors: map, ... }, ... }, at?: function, ...)", arguments);
  const { model, config, init, report, parameters } = plan;
  const frozen = allocateFrozen([...parameters.values()]);
  try {
    await readParameters(plan, parameters, at);
    if (report.fresh.length) init.fill(new Set(report.fresh.map((name) => parameters.get(name)!)));
    await arrived();
  } catch (error) {
    frozen.free();
    throw error;
  }
  return { model, config, report, free: frozen.free };
}

/** Reads what the file has into tensors of these official names, which have memory; the others keep their values. */
export async function readParameters(
  { file, sources }: Pick<LoadPlan, "file" | "sources">,
  into: ReadonlyMap<string, Tensor>,
  at?: LoadOptions["at"],
): Promise<void> {
  const of = sources.reduce((sum, { tensor }) => sum + tensor.numel, 0);
  const transfer = new Transfer();
  let done = 0;
  for (const { name, stored, resize } of sources) {
    const tensor = into.get(name)!;
    if (resize) await readResized(file, stored, tensor, resize);
    else await readTensor(file, stored, tensor, transfer);
    at?.((done += tensor.numel), of);
  }
  await arrived();
}

async function readResized(file: WeightFile, stored: string, tensor: Tensor, { from, to }: Resize): Promise<void> {
  const table = await file.floats(stored);
  refuseNonFinite(file, stored, table, 0);
  assign(tensor, resizePositions(table, pairOf(from), pairOf(to)));
}

/** The way from a file to the device: one buffer for all pieces, and a wait where much is under way. */
export class Transfer {
  #room = new Uint8Array(0);
  #underWay = 0;

  /** Room for the next piece; the one before has been written by then. */
  readonly room = (length: number): Uint8Array => {
    if (this.#room.length < length) this.#room = new Uint8Array(length);
    return this.#room.subarray(0, length);
  };

  async sent(bytes: number): Promise<void> {
    this.#underWay += bytes;
    if (this.#underWay < inTransfer) return;
    await arrived();
    this.#underWay = 0;
  }
}

/** A file of weights as far as reading tensors goes. */
type Readable = Pick<WeightFile, "path" | "chunks"> & {
  readonly tensors: ReadonlyMap<string, { readonly dtype: FileDtype; readonly shape: readonly number[] }>;
};

/**
 * Streams a file of our own into tensors that have memory, each under its own name and of its own shape. CheckpointError lists
 * what is missing or of another shape, before anything is written.
 */
export async function readExactly(file: Readable, into: readonly (readonly [string, Tensor])[]): Promise<void> {
  const faults = into.flatMap(([name, { shape }]) => {
    const stored = file.tensors.get(name);
    if (!stored) return [`missing ${quoted(name)}`];
    return `${stored.shape}` === `${shape}` ? [] : [`${quoted(name)} is [${stored.shape}], expected [${shape}]`];
  });
  if (faults.length > 0)
    throw new CheckpointError(
      `${basename(file.path)}: ${faults.length} of ${into.length} tensors do not fit\n  ${faults.slice(0, 12).join("\n  ")}`,
    );
  const transfer = new Transfer();
  for (const [name, tensor] of into) await readTensor(file, name, tensor, transfer);
  await arrived();
}

/** Streams one tensor of a file to the device; a number that is not finite is refused by name. */
export async function readTensor(file: Readable, stored: string, tensor: Tensor, transfer: Transfer): Promise<void> {
  const { dtype } = file.tensors.get(stored)!;
  let first = 0;
  for await (const piece of file.chunks(stored, transfer.room)) {
    const values = asFloats(dtype, piece);
    refuseNonFinite(file, stored, values, first);
    assignPart(tensor, first, values);
    first += values.length;
    await transfer.sent(values.byteLength);
  }
}

/** Little-endian elements as float32; float32 itself is not copied. */
function asFloats(dtype: FileDtype, piece: Uint8Array): Float32Array {
  const count = piece.byteLength / itemBytes[dtype];
  if (dtype === "F32" && piece.byteOffset % 4 === 0) return new Float32Array(piece.buffer, piece.byteOffset, count);
  const values = new Float32Array(count);
  convert(dtype, piece, values);
  return values;
}

/** Finite numbers have an exponent that is not all ones. */
function refuseNonFinite(file: Readable, stored: string, values: Float32Array, first: number): void {
  const words = new Uint32Array(values.buffer, values.byteOffset, values.length);
  for (let i = 0; i < words.length; i++)
    if ((words[i] & 0x7f800000) === 0x7f800000)
      throw new FormatError(`${basename(file.path)}: ${quoted(stored)} is not finite at element ${first + i}`);
}
