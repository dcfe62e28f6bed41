// What the console shows of tensors and scopes: one line, in place of their fields.
import type { Value } from "./value.ts";

/** The method that Node's console asks; known to everyone by this name, so nothing of Node's is imported. */
export const inspected = Symbol.for("nodejs.util.inspect.custom");

/** Numbers shown of a tensor that has been read. */
const most = 6;

/** Changes of memory so far: what was read before the last one may be old. */
let changes = 0;
const seen = new WeakMap<Value, { readonly numbers: readonly number[]; readonly at: number }>();

/** Memory that existed has been, or will be, written. */
export function noteChange(): void {
  changes++;
}

/** Remembers the first elements of a value, once `reading` has them; they are those of now. */
export function noteRead(value: Value, reading: Promise<ArrayLike<number>>): void {
  const at = changes;
  const note = (data: ArrayLike<number>) =>
    seen.set(value, { numbers: Array.from({ length: Math.min(most, data.length) }, (_, i) => data[i]), at });
  reading.then(note, () => {}); // who asked for them is told what went wrong
}

/** Where a value is. */
function stateOf(value: Value): string {
  const { scope, storage, madeBy } = value;
  if (scope?.ended) return `gone with ${scope.title}`;
  if (value.released) return "freed";
  const by = madeBy ? ` by ${madeBy}` : "";
  if (storage) return scope ? `computed${by} in ${scope.title}` : value.needsGrad ? "trainable" : "on the GPU";
  return scope ? `pending${by} in ${scope.title}` : "declared, without memory";
}

/** "Tensor [2,3] f32, pending by add in scope 4"; with the first elements where they are known. */
export function tensorLine(value: Value, shape: readonly number[]): string {
  const known = value.released ? undefined : seen.get(value);
  const numbers =
    known?.at === changes ? `: ${known.numbers.map(short).join(", ")}${value.numel > most ? ", …" : ""}` : "";
  return `Tensor [${shape}] ${value.dtype}, ${stateOf(value)}${numbers}`;
}

const short = (x: number): string => String(Number(x.toPrecision(6)));
