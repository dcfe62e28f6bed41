// How numbers travel between ranks: as they are, or in half precision with a power of two that each piece chooses for itself.
import { fromHalf, toHalf } from "../../engine/half.ts";

/** What `--wire` takes. */
export const wireKinds = ["f32", "f16"] as const;

/** Packs runs of numbers into bytes, and adds them up from there. A run has a head of 16 bytes. */
export interface Wire {
  /** Makes what it needs, which takes longer than a turn: before anything travels. */
  prepare(): void;
  /** Bytes of a run of so many values, a multiple of 16. */
  bytes(values: number): number;
  /** The size of the largest of values `from` to `to`, which may be NaN; 0 where the wire does not ask. */
  largest(values: Float32Array, from: number, to: number): number;
  /** Begins a run whose largest value has this size. */
  begin(into: Uint8Array, largest: number): void;
  /** Packs values `from` to `to` of a run. */
  pack(values: Float32Array, into: Uint8Array, from: number, to: number): void;
  /** Writes values `from` to `to` of a run, or adds them to what is there. */
  unpack(run: Uint8Array, into: Float32Array, from: number, to: number, adds: boolean): void;
}

const HEAD = 16;
const whole = (bytes: number): number => Math.ceil(bytes / 16) * 16;
const floats = (run: Uint8Array, count: number) => new Float32Array(run.buffer, run.byteOffset + HEAD, count);
const halves = (run: Uint8Array, count: number) => new Uint16Array(run.buffer, run.byteOffset + HEAD, count);
const scaleOf = (run: Uint8Array) => new Float64Array(run.buffer, run.byteOffset, 1);

const f32: Wire = {
  prepare: () => {},
  bytes: (values) => whole(HEAD + 4 * values),
  largest: () => 0,
  begin: () => {},
  pack: (values, into, from, to) => floats(into, to).set(values.subarray(from, to), from),
  unpack(run, into, from, to, adds) {
    const source = floats(run, to);
    if (!adds) return into.set(source.subarray(from), from);
    for (let i = from; i < to; i++) into[i] += source[i];
  },
};

/** Sums stay in f32. The largest value of a run comes to lie between 2^14 and 2^15, so those down to 2^-29 of it keep their eleven bits. */
const f16: Wire = {
  prepare: () => void numbersOfHalves(),
  bytes: (values) => whole(HEAD + 2 * values),
  largest,
  begin: (into, largest) => (scaleOf(into)[0] = scaleFor(largest)),
  pack(values, into, from, to) {
    const [scale] = scaleOf(into);
    packHalves(values, scale, halves(into, to), from, to);
  },
  unpack(run, into, from, to, adds) {
    const back = 1 / scaleOf(run)[0];
    const source = halves(run, to);
    const table = numbersOfHalves();
    if (adds) for (let i = from; i < to; i++) into[i] += Math.fround(table[source[i]] * back);
    else for (let i = from; i < to; i++) into[i] = table[source[i]] * back;
  },
};

export const wires: Record<(typeof wireKinds)[number], Wire> = { f32, f16 };

function largest(values: Float32Array, from: number, to: number): number {
  let most = 0;
  for (let i = from; i < to; i++) {
    const size = Math.abs(values[i]);
    if (!(size <= most)) most = size; // NaN too
  }
  return most;
}

/** A power of two; 1 where something is not finite, which then arrives as such. */
const scaleFor = (largest: number): number =>
  Number.isFinite(largest) && largest > 0 ? 2 ** (14 - Math.floor(Math.log2(largest))) : 1;

const scaled = new Float32Array(1 << 16);
const bits = new Uint32Array(scaled.buffer);

function packHalves(values: Float32Array, scale: number, into: Uint16Array, from: number, to: number): void {
  for (let start = from; start < to; start += scaled.length) {
    const count = Math.min(scaled.length, to - start);
    for (let i = 0; i < count; i++) scaled[i] = values[start + i] * scale;
    for (let i = 0; i < count; i++) {
      const sign = (bits[i] >>> 16) & 0x8000;
      const size = bits[i] & 0x7fffffff;
      const isUsual = size >= 0x38800000 && size < 0x477ff000;
      into[start + i] = isUsual ? sign | ((size + 0xfff + ((size >>> 13) & 1) - 0x38000000) >>> 13) : toHalf(scaled[i]);
    }
  }
}

let table: Float32Array | undefined;
/** Every half as a number, made when first asked for. */
const numbersOfHalves = (): Float32Array => (table ??= Float32Array.from({ length: 65536 }, (_, i) => fromHalf(i)));
