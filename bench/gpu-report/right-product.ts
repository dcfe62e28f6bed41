// Products on buffers that serve any size, checked against f64 at sampled elements: large ones take a minute as a whole.
import type { Gpu } from "../../engine/device/gpu.ts";
import { fromHalf, toHalf } from "../../engine/half.ts";
import { type Storage, Value } from "../../engine/record/value.ts";
import type { StructureName } from "../../kernels/matmul/structures.ts";
import { gaussianBlock } from "../draw.ts";
import type { Arm } from "../measure.ts";
import { productLaunch, type ProductTask, type ProductType } from "../products.ts";
import { submitRaw } from "../raw.ts";

const bytesOf = (T: ProductType) => (T === "f16" ? 2 : 4);

/** A buffer of repeated normal numbers, and its elements on the host. */
class Operand {
  readonly storage: Storage;
  readonly #block: Float32Array;

  constructor(gpu: Gpu, elements: number, T: ProductType, seed: number) {
    const drawn = gaussianBlock(seed);
    this.#block = T === "f16" ? drawn.map((v) => fromHalf(toHalf(v))) : drawn;
    this.storage = gpu.store.allocate(bytesOf(T) * elements, "other");
    const bits = T === "f16" ? Uint16Array.from(this.#block, toHalf) : this.#block;
    const many = 64 * bits.length; // an even number: writes start at multiples of 4 bytes
    const length = Math.min(many, elements);
    const data = T === "f16" ? new Uint16Array(length) : new Float32Array(length);
    for (let at = 0; at < length; at += bits.length) data.set(bits.subarray(0, length - at), at);
    for (let from = 0; from < elements; from += many)
      gpu.write(this.storage, data.subarray(0, Math.min(many, elements - from)), from * bytesOf(T));
  }

  at(i: number): number {
    return this.#block[i % this.#block.length];
  }
}

/** The places that are compared: edges, and some between. */
function sampled(size: number, most: number): number[] {
  const picked = Array.from({ length: most }, (_, i) => Math.floor((i * (size - 1)) / Math.max(1, most - 1)));
  return [...new Set(picked)];
}

/** Buffers for products of up to so many elements of a, b and c. */
export class RightProduct {
  readonly #a: Operand;
  readonly #b: Operand;
  readonly #c: Storage;

  constructor(
    readonly gpu: Gpu,
    readonly T: ProductType,
    a: number,
    b: number,
    c: number,
  ) {
    this.#a = new Operand(gpu, a, T, 1);
    this.#b = new Operand(gpu, b, T, 2);
    this.#c = gpu.store.allocate(bytesOf(T) * c, "other");
  }

  #buffers({ M, N, K }: ProductTask): Record<"a" | "b" | "c", Storage> {
    const part = (storage: Storage, elements: number) => ({ ...storage, bytes: bytesOf(this.T) * elements });
    return { a: part(this.#a.storage, M * K), b: part(this.#b.storage, K * N), c: part(this.#c, M * N) };
  }

  /** One structure to be timed. */
  arm(task: ProductTask, name: StructureName): Arm {
    const { gpu, T } = this;
    const launch = productLaunch(gpu, task, name, this.#buffers(task), T);
    return {
      name,
      run(reps) {
        submitRaw(gpu, [launch], reps);
        return gpu.idle();
      },
    };
  }

  /** Runs a product once on a cleared output; what is wrong of it at 8 rows and 64 columns, in words. */
  async faultOf(task: ProductTask, name: StructureName): Promise<string | undefined> {
    const { gpu, T } = this;
    const { M, N, K } = task;
    const { c } = this.#buffers(task);
    const [rows, cols] = [sampled(M, 8), sampled(N, 64)];
    const size = bytesOf(T);
    // rows begin at multiples of 4 bytes and end there: one element more of halves where that is needed
    const place = (row: number) => {
      const start = Math.floor((row * N * size) / 4) * 4;
      const bytes = Math.ceil(((row + 1) * N * size - start) / 4) * 4;
      return { start, bytes, skip: row * N - start / size };
    };
    for (const { start, bytes } of rows.map(place)) gpu.write(c, new Float32Array(bytes / 4).fill(Number.NaN), start);
    await this.arm(task, name).run(1);
    for (const row of rows) {
      const { start, bytes, skip } = place(row);
      const got = await gpu.read(new Value(bytes / size, T), { ...c, offset: c.offset + start, bytes });
      for (const col of cols) {
        const want = this.#wanted(task, row, col);
        const allowed = 8e-5 * Math.sqrt(K) + (T === "f16" ? Math.abs(want) / 1024 : 0);
        if (!(Math.abs(got[skip + col] - want) <= allowed))
          return `c[${row}, ${col}] is ${got[skip + col]}, not ${want} of ${K} products`;
      }
    }
    return undefined;
  }

  /** Elements of the last task: its other tiles have the same, and sums of 52,224 products take a while. */
  readonly #last = { key: "", elements: new Map<string, number>() };

  #wanted(task: ProductTask, row: number, col: number): number {
    const key = JSON.stringify(task);
    if (key !== this.#last.key) {
      this.#last.key = key;
      this.#last.elements.clear();
    }
    const found = this.#last.elements.get(`${row} ${col}`);
    if (found !== undefined) return found;
    const element = this.#element(task, row, col);
    this.#last.elements.set(`${row} ${col}`, element);
    return element;
  }

  #element({ form, M, N, K }: ProductTask, row: number, col: number): number {
    let sum = 0;
    for (let k = 0; k < K; k++)
      sum +=
        this.#a.at(form === "TN" ? k * M + row : row * K + k) * this.#b.at(form === "NT" ? col * K + k : k * N + col);
    return sum;
  }

  free(): void {
    for (const storage of [this.#a.storage, this.#b.storage, this.#c]) this.gpu.store.free(storage, "other");
  }
}
