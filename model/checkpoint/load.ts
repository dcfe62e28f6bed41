// A checkpoint on the device, frozen: parameters only, streamed tensor by tensor and piece by piece, so that memory holds the
// model once and a few megabytes of the file.
import { basename } from "node:path";
import { quoted } from "../../data/json.ts";
import { allocateFrozen, arrived, assign, assignPart, FormatError } from "../../engine/index.ts";
import type { ModelConfig } from "../config.ts";
import { convert, type Dtype, itemBytes } from "../dtypes.ts";
import type { EmotionClip } from "../emotionclip.ts";
import type { OpenOptions } from "../weights.ts";
import { openModelFile } from "./open.ts";
import { type LoadPlan, type LoadReport, type PlanOptions, planLoad, type Source } from "./plan.ts";
import { resizePositions } from "./positions.ts";

export interface LoadOptions extends PlanOptions, OpenOptions {
  /** Hears how many numbers are on the device, of how many. */
  readonly at?: (done: number, of: number) => void;
}

/** A model to be used, not trained. */
export interface Loaded {
  readonly model: EmotionClip;
  readonly config: ModelConfig;
  readonly report: LoadReport;
  /** Gives its memory back; the model must not be used afterwards. */
  free(): void;
}

/** Bytes on their way to the device at most: drivers keep what is in transfer a second time. */
const inTransfer = 64 * 2 ** 20;

/**
 * Loads .pt, .pth, .safetensors, .safetensors.index.json, a run folder or a checkpoint folder of one onto the open GPU. Errors:
 * FormatError for a damaged file, CheckpointError for one that does not fit, LimitError for one that is too large.
 */
export async function loadModel(path: string, options: LoadOptions = {}): Promise<Loaded> {
  const { plan, close } = await prepareLoad(path, options);
  try {
    return await fillModel(plan, options.at);
  } finally {
    await close();
  }
}

/** The part of `loadModel` that needs no GPU: opens and checks, so that a bad file is refused before a GPU is opened. */
export async function prepareLoad(
  path: string,
  options: LoadOptions = {},
): Promise<{ plan: LoadPlan; close(): Promise<void> }> {
  const { file, stored } = await openModelFile(path, options);
  try {
    return { plan: await planLoad(file, options, stored), close: () => file.close() };
  } catch (error) {
    await file.close();
    throw error;
  }
}

/** Gives the planned model memory on the open GPU and reads its parameters into it. */
export async function fillModel(plan: LoadPlan, at?: LoadOptions["at"]): Promise<Loaded> {
  const { model, config, init, report, sources } = plan;
  const tensors = [...sources.map(({ tensor }) => tensor), ...freshTensors(plan)];
  const frozen = allocateFrozen(tensors);
  try {
    const of = sources.reduce((sum, { tensor }) => sum + tensor.numel, 0);
    let done = 0;
    let waiting = 0;
    for (const source of sources) {
      for await (const count of stream(plan, source)) {
        at?.((done += count), of);
        waiting += 4 * count;
        if (waiting < inTransfer) continue;
        await arrived();
        waiting = 0;
      }
    }
    if (report.fresh.length) init.fill(new Set(freshTensors(plan)));
    await arrived();
  } catch (error) {
    frozen.free();
    throw error;
  }
  return { model, config, report, free: frozen.free };
}

const freshTensors = ({ report, parameters }: LoadPlan) => report.fresh.map((name) => parameters.get(name)!);

/** Writes one parameter; gives the numbers of each piece. A number that is not finite is refused by name. */
async function* stream({ file }: LoadPlan, { tensor, stored, dtype, resize }: Source): AsyncGenerator<number> {
  const check = (values: Float32Array, first: number) => {
    const bad = firstNonFinite(values);
    if (bad < 0) return values;
    throw new FormatError(`${basename(file.path)}: ${quoted(stored)} is not finite at element ${first + bad}`);
  };
  if (resize) {
    const { from, to } = resize;
    assign(tensor, resizePositions(check(await file.floats(stored), 0), [from, from], [to, to]));
    yield tensor.numel;
    return;
  }
  let first = 0;
  for await (const piece of file.chunks(stored)) {
    const values = check(asFloats(dtype, piece), first);
    assignPart(tensor, first, values);
    first += values.length;
    yield values.length;
  }
}

/** Little-endian elements as float32; float32 itself is not copied. */
function asFloats(dtype: Dtype, piece: Uint8Array): Float32Array {
  const count = piece.byteLength / itemBytes[dtype];
  if (dtype === "F32" && piece.byteOffset % 4 === 0) return new Float32Array(piece.buffer, piece.byteOffset, count);
  const values = new Float32Array(count);
  convert(dtype, piece, values);
  return values;
}

/** Index of the first number whose exponent is all ones; -1 where all are finite. */
function firstNonFinite(values: Float32Array): number {
  const words = new Uint32Array(values.buffer, values.byteOffset, values.length);
  for (let i = 0; i < words.length; i++) if ((words[i] & 0x7f800000) === 0x7f800000) return i;
  return -1;
}
