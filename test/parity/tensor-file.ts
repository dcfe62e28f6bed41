// Golden safetensors files, read one tensor at a time, so that a model of full size needs no memory twice. Deliberately not
// the product's reader: a test should not depend on the code of another one.
import { closeSync, openSync, readSync } from "node:fs";
import { fromHalf } from "../../engine/half.ts";

/** A tensor of a golden file; 64-bit integers come as f64. */
export interface GoldenTensor {
  readonly dtype: string;
  readonly shape: number[];
  readonly data: Float32Array | Float64Array | Int32Array | Uint8Array;
}

interface Entry {
  readonly dtype: string;
  readonly shape: number[];
  readonly data_offsets: [number, number];
}

/** The tensors of one safetensors file by name. */
export class TensorFile {
  readonly #entries: ReadonlyMap<string, Entry>;
  readonly #start: number;

  constructor(readonly path: string) {
    this.#start = 8 + Number(Buffer.from(read(path, 0, 8)).readBigUInt64LE(0));
    const header = JSON.parse(new TextDecoder().decode(read(path, 8, this.#start - 8))) as Record<string, Entry>;
    this.#entries = new Map(Object.entries(header).filter(([name]) => name !== "__metadata__"));
  }

  get names(): string[] {
    return [...this.#entries.keys()];
  }

  has(name: string): boolean {
    return this.#entries.has(name);
  }

  shape(name: string): number[] {
    return this.#entry(name).shape;
  }

  tensor(name: string): GoldenTensor {
    const { dtype, shape, data_offsets } = this.#entry(name);
    const [from, to] = data_offsets;
    return { dtype, shape, data: typed(dtype, read(this.path, this.#start + from, to - from)) };
  }

  #entry(name: string): Entry {
    const entry = this.#entries.get(name);
    if (!entry) throw new Error(`no tensor ${name}`);
    return entry;
  }
}

function read(path: string, from: number, length: number): ArrayBuffer {
  const bytes = new Uint8Array(length);
  const file = openSync(path, "r");
  try {
    for (let done = 0; done < length; ) {
      const count = readSync(file, bytes, done, Math.min(length - done, 1 << 30), from + done);
      if (count === 0) throw new Error(`ends at byte ${from + done}, ${length - done} more were expected`);
      done += count;
    }
  } finally {
    closeSync(file);
  }
  return bytes.buffer;
}

function typed(dtype: string, buffer: ArrayBuffer): GoldenTensor["data"] {
  if (dtype === "F32") return new Float32Array(buffer);
  if (dtype === "F64") return new Float64Array(buffer);
  if (dtype === "I32") return new Int32Array(buffer);
  if (dtype === "I64") return Float64Array.from(new BigInt64Array(buffer), Number);
  if (dtype === "U8" || dtype === "BOOL") return new Uint8Array(buffer);
  if (dtype === "F16") return Float32Array.from(new Uint16Array(buffer), fromHalf);
  throw new Error(`golden files do not use ${dtype}`);
}
