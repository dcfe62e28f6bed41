// Tensors that a file does not hold as such, but whose numbers it has: several joined along their first axis, one transposed, or
// one under another shape. A view of the file gives them like its own.
import type { Room, StoredTensor } from "./content.ts";
import { type FileDtype, itemBytes, toFloat32 } from "./dtypes.ts";
import type { WeightFile } from "./weights.ts";

/** A tensor made of others of the same file. */
export interface MadeTensor {
  /** Names in the file, joined in this order. */
  readonly parts: readonly string[];
  /** Of the result, row-major. */
  readonly shape: readonly number[];
  /** One part [shape[1], shape[0]], its axes exchanged. */
  readonly transposed?: boolean;
}

type Made = ReadonlyMap<string, MadeTensor>;

/** Names, dtypes and shapes with the made ones among them; one of the same name takes the place of the stored one. */
export function madeTensors(
  stored: ReadonlyMap<string, StoredTensor>,
  made: Made = new Map(),
): ReadonlyMap<string, StoredTensor> {
  if (made.size === 0) return stored;
  const own = Array.from(made, ([name, { parts, shape }]): [string, StoredTensor] => {
    const dtypes = new Set(parts.map((part) => stored.get(part)!.dtype));
    return [name, { dtype: dtypes.size === 1 ? [...dtypes][0] : "F32", shape }];
  });
  return new Map([...stored, ...own]);
}

/** The file with the made tensors in it. */
export function withMade(file: WeightFile, made: Made = new Map()): WeightFile {
  if (made.size === 0) return file;
  const tensors = madeTensors(file.tensors, made);
  const chunks = (name: string, room: Room = (length) => new Uint8Array(length)) => {
    const recipe = made.get(name);
    return recipe ? pieces(file, recipe, tensors.get(name)!.dtype, room) : file.chunks(name, room);
  };
  const bytes = async (name: string) => (made.has(name) ? joined(chunks(name)) : file.bytes(name));
  return {
    ...file,
    tensors,
    chunks,
    bytes,
    floats: async (name) =>
      made.has(name) ? toFloat32(tensors.get(name)!.dtype, await bytes(name)) : file.floats(name),
  };
}

async function* pieces(file: WeightFile, made: MadeTensor, dtype: FileDtype, room: Room): AsyncGenerator<Uint8Array> {
  if (made.transposed) {
    const turned = transposedBytes(await file.bytes(made.parts[0]), made.shape, itemBytes[dtype]);
    const piece = room(turned.length);
    piece.set(turned);
    yield piece;
    return;
  }
  for (const part of made.parts) {
    const { dtype: from } = file.tensors.get(part)!;
    if (from === dtype) yield* file.chunks(part, room);
    else for await (const piece of file.chunks(part)) yield new Uint8Array(toFloat32(from, piece).buffer);
  }
}

/** bytes of [columns, rows] -> those of [rows, columns]. */
function transposedBytes(bytes: Uint8Array, [rows, columns]: readonly number[], item: number): Uint8Array {
  const out = new Uint8Array(bytes.length);
  for (let row = 0; row < rows; row++)
    for (let column = 0; column < columns; column++) {
      const from = (column * rows + row) * item;
      const to = (row * columns + column) * item;
      for (let i = 0; i < item; i++) out[to + i] = bytes[from + i];
    }
  return out;
}

async function joined(chunks: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const all: Uint8Array[] = [];
  for await (const piece of chunks) all.push(piece);
  return new Uint8Array(Buffer.concat(all));
}
