// The number formats of weight files, and how each becomes float32. Hosts are little-endian, as every GPU here is.

/** Bytes of one element, by the name safetensors uses. */
// biome-ignore format: a table
export const itemBytes = {
  F64: 8, F32: 4, F16: 2, BF16: 2, I64: 8, I32: 4, I16: 2, I8: 1, U64: 8, U32: 4, U16: 2, U8: 1, BOOL: 1,
} as const;

/** Element types of files, as safetensors names them. */
export type FileDtype = keyof typeof itemBytes;

export function isDtype(name: string): name is FileDtype {
  return Object.hasOwn(itemBytes, name);
}

/** Elements as float32, rounded to nearest. `bytes` holds whole elements and may start anywhere in its buffer. */
export function toFloat32(dtype: FileDtype, bytes: Uint8Array): Float32Array {
  const out = new Float32Array(bytes.byteLength / itemBytes[dtype]);
  convert(dtype, bytes, out);
  return out;
}

/** Elements as numbers, exact but for whole ones beyond 2^53: in float32 where that holds them, else in float64. */
export function toNumbers(dtype: FileDtype, bytes: Uint8Array): Float32Array | Float64Array {
  const { buffer, byteOffset, byteLength } = bytes.byteOffset % itemBytes[dtype] === 0 ? bytes : bytes.slice();
  const count = byteLength / itemBytes[dtype];
  if (dtype === "F32") return new Float32Array(buffer, byteOffset, count);
  if (dtype === "F64") return new Float64Array(buffer, byteOffset, count);
  if (dtype === "I64") return Float64Array.from(new BigInt64Array(buffer, byteOffset, count), Number);
  if (dtype === "U64") return Float64Array.from(new BigUint64Array(buffer, byteOffset, count), Number);
  if (dtype === "I32") return new Float64Array(new Int32Array(buffer, byteOffset, count));
  if (dtype === "U32") return new Float64Array(new Uint32Array(buffer, byteOffset, count));
  return toFloat32(dtype, bytes);
}

/** As `toFloat32`, into `out`, which has room for exactly the elements of `bytes`. */
export function convert(dtype: FileDtype, bytes: Uint8Array, out: Float32Array): void {
  const { buffer, byteOffset, byteLength } = bytes.byteOffset % itemBytes[dtype] === 0 ? bytes : bytes.slice();
  widen[dtype](buffer, byteOffset, byteLength / itemBytes[dtype], out);
}

type Widen = (buffer: ArrayBufferLike, offset: number, length: number, out: Float32Array) => void;

const widen: Record<FileDtype, Widen> = {
  F64: (b, o, n, out) => out.set(new Float64Array(b, o, n)),
  F32: (b, o, n, out) => out.set(new Float32Array(b, o, n)),
  F16: (b, o, n, out) => lookUp(new Uint16Array(b, o, n), (halves ??= halfTable()), out),
  BF16: (b, o, n, out) => upperHalves(new Uint16Array(b, o, n), out),
  I64: (b, o, n, out) => bigints(new BigInt64Array(b, o, n), out),
  U64: (b, o, n, out) => bigints(new BigUint64Array(b, o, n), out),
  I32: (b, o, n, out) => out.set(new Int32Array(b, o, n)),
  U32: (b, o, n, out) => out.set(new Uint32Array(b, o, n)),
  I16: (b, o, n, out) => out.set(new Int16Array(b, o, n)),
  U16: (b, o, n, out) => out.set(new Uint16Array(b, o, n)),
  I8: (b, o, n, out) => out.set(new Int8Array(b, o, n)),
  U8: (b, o, n, out) => out.set(new Uint8Array(b, o, n)),
  BOOL: (b, o, n, out) => out.set(new Uint8Array(b, o, n)),
};

let halves: Float32Array | undefined;

/** The 65,536 values of float16: sign, 5 bits of exponent (bias 15), 10 bits of fraction. */
function halfTable(): Float32Array {
  return Float32Array.from({ length: 65536 }, (_, bits) => {
    const sign = bits & 0x8000 ? -1 : 1;
    const exponent = (bits >> 10) & 31;
    const fraction = bits & 1023;
    if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
    return sign * (exponent ? 2 ** (exponent - 15) * (1 + fraction / 1024) : 2 ** -24 * fraction);
  });
}

function lookUp(bits: Uint16Array, table: Float32Array, out: Float32Array): void {
  for (let i = 0; i < bits.length; i++) out[i] = table[bits[i]];
}

/** bfloat16 is the upper half of float32. */
function upperHalves(bits: Uint16Array, out: Float32Array): void {
  const words = new Uint32Array(out.buffer, out.byteOffset, out.length);
  for (let i = 0; i < bits.length; i++) words[i] = bits[i] << 16;
}

function bigints(values: BigInt64Array | BigUint64Array, out: Float32Array): void {
  for (let i = 0; i < values.length; i++) out[i] = Number(values[i]);
}
