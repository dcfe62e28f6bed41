// Elements of a file of weights in another number format, and the refusal of numbers that are not finite there.
import { FormatError } from "../../engine/errors.ts";
import { toHalf } from "../../engine/half.ts";
import { type FileDtype, toFloat32 } from "../../data/formats/dtypes.ts";

/** Elements in another number format; with `finite`, what is not a finite number there is refused. */
export function narrowed(
  piece: Uint8Array,
  from: FileDtype,
  to: FileDtype,
  finite: boolean,
  label: string,
): Uint8Array {
  const values = toFloat32(from, piece);
  if (finite && hasNonFinite(values)) throw new FormatError(`${label} has a number that is not finite`);
  if (to === from) return piece;
  if (to === "F32") return new Uint8Array(values.buffer);
  const halves = to === "F16" ? toHalves(values, label) : toUpper(values, label);
  return new Uint8Array(halves.buffer);
}

/** Finite numbers have an exponent that is not all ones. */
function hasNonFinite(values: Float32Array): boolean {
  const words = new Uint32Array(values.buffer, values.byteOffset, values.length);
  for (let i = 0; i < words.length; i++) if ((words[i] & 0x7f800000) === 0x7f800000) return true;
  return false;
}

function toHalves(values: Float32Array, label: string): Uint16Array {
  const out = new Uint16Array(values.length);
  for (let i = 0; i < out.length; i++) {
    out[i] = toHalf(values[i]);
    if ((out[i] & 0x7c00) === 0x7c00 && Number.isFinite(values[i]))
      throw new FormatError(`${label} has ${values[i]}, and f16 ends at 65504; use bf16`);
  }
  return out;
}

/** bfloat16 is the upper half of float32, rounded to nearest even. */
function toUpper(values: Float32Array, label: string): Uint16Array {
  const words = new Uint32Array(values.buffer, values.byteOffset, values.length);
  const out = new Uint16Array(words.length);
  for (let i = 0; i < out.length; i++) {
    const word = words[i];
    const isNumber = (word & 0x7fffffff) <= 0x7f800000;
    out[i] = isNumber ? (word + 0x7fff + ((word >>> 16) & 1)) >>> 16 : (word >>> 16) | 0x40;
    if ((out[i] & 0x7f80) === 0x7f80 && Number.isFinite(values[i]))
      throw new FormatError(`${label} has ${values[i]}, and bf16 ends at 3.39e38`);
  }
  return out;
}
