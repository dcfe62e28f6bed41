// What the console shows of tensors and scopes, in place of their fields: a line, and numbers that are known.
import { nested } from "./nested.ts";
import type { TypedArray, Value } from "./value.ts";

/** The method that Node's console asks; known to everyone by this name, so nothing of Node's is imported. */
export const inspected = Symbol.for("nodejs.util.inspect.custom");

/** Numbers remembered from either end of a tensor that was read: enough for its corners, whatever its size. */
const most = 8192;

/** Changes of memory so far: what was read before the last one may be old. */
let changes = 0;

/** What is remembered of a value: elements from the front, and those from place `rest` on. */
interface Seen {
  readonly front: ArrayLike<number>;
  readonly back: ArrayLike<number>;
  readonly rest: number;
  readonly at: number;
}

const seen = new WeakMap<Value, Seen>();

/** Memory that existed has been, or will be, written. */
export function noteChange(): void {
  changes++;
}

/** Remembers elements of a value, once `reading` has them; they are those of now. */
export function noteRead(value: Value, reading: Promise<TypedArray>): void {
  const at = changes;
  const note = (data: TypedArray) => {
    const rest = Math.max(most, data.length - most);
    seen.set(value, { front: data.slice(0, most), back: data.slice(rest), rest, at });
  };
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

/**
 * "Tensor [2,3] f32, pending by add in scope 4, not read"; once its numbers are known they stand behind it, a matrix in rows below. A view
 * of what was read shows its numbers too.
 */
export function tensorLine(value: Value, shape: readonly number[]): string {
  const known = value.released ? undefined : seen.get(value);
  const line = `Tensor [${shape}] ${value.dtype}, ${stateOf(value)}`;
  if (value.released || value.scope?.ended || !(value.scope || value.storage)) return line;
  if (known?.at !== changes) return known ? `${line}, not read since memory was written` : `${line}, not read`;
  const numbers = nested(shape, (i) => (i < known.rest ? known.front[i] : known.back[i - known.rest]));
  return shape.length < 2 ? `${line}: ${numbers}` : `${line}:\n${numbers}`;
}
