// Storages and the tensors in them. A storage is a run of elements in the file; a tensor is a view of it by offset, shape
// and strides, like any other or like none. Views are gathered into rows when they are read.
import type { Room } from "../content.ts";
import type { FileDtype } from "../dtypes.ts";
import { itemBytes } from "../dtypes.ts";
import { type Bytes, PIECE } from "./bytes.ts";
import { crc32 } from "./crc32.ts";
import { checkCrc, unpack, type ZipEntry } from "./zip.ts";

/** The bytes of a storage: an entry of an archive, or a stretch of a legacy file, which has no checksum. */
export class StorageData {
  private isChecked = false;

  constructor(
    private readonly file: Bytes,
    private readonly place: ZipEntry | { readonly start: number; readonly size: number },
    private readonly unpacked: Unpacked = {},
  ) {}

  /** Bytes that must be unpacked before the first is known; 0 of an entry that is only stored. */
  get unpackedSize(): number {
    return "isCompressed" in this.place && this.place.isCompressed ? this.place.size : 0;
  }

  /** Bytes `begin` to `end` in pieces. The checksum of the whole entry is compared before the last piece is given. */
  async *pieces(begin: number, end: number, room: Room): AsyncGenerator<Uint8Array> {
    const { file, place } = this;
    const entry = "crc" in place ? place : undefined;
    if (entry?.isCompressed) return yield* copies(await this.unpack(entry), begin, end, room);
    const isWhole = begin === 0 && end === place.size;
    if (entry && !this.isChecked && (!isWhole || end === 0)) await this.check(entry);
    let sum = 0;
    for (let at = begin; at < end; at += PIECE) {
      const piece = room(Math.min(PIECE, end - at));
      await file.fill(piece, place.start + at);
      if (entry && !this.isChecked) {
        sum = crc32(piece, sum);
        if (at + PIECE >= end) this.found(entry, sum);
      }
      yield piece;
    }
  }

  /** Reads it all for its checksum alone: a part of it was asked for. */
  private async check(entry: ZipEntry): Promise<void> {
    const scratch = new Uint8Array(Math.min(PIECE, entry.size));
    let sum = 0;
    for (let at = 0; at < entry.size; at += PIECE) {
      const piece = scratch.subarray(0, Math.min(PIECE, entry.size - at));
      await this.file.fill(piece, entry.start + at);
      sum = crc32(piece, sum);
    }
    this.found(entry, sum);
  }

  private found(entry: ZipEntry, sum: number): void {
    checkCrc(this.file, entry, sum);
    this.isChecked = true;
  }

  private async unpack(entry: ZipEntry): Promise<Uint8Array> {
    if (this.unpacked.entry !== entry) {
      this.unpacked.bytes = undefined; // two would be one too many
      this.unpacked.bytes = await unpack(this.file, entry);
      this.unpacked.entry = entry;
    }
    return this.unpacked.bytes!;
  }
}

/** The compressed entry that was read last, for tensors that share it. One for each archive. */
export interface Unpacked {
  entry?: ZipEntry;
  bytes?: Uint8Array;
}

function* copies(bytes: Uint8Array, begin: number, end: number, room: Room): Generator<Uint8Array> {
  for (let at = begin; at < end; at += PIECE) {
    const piece = room(Math.min(PIECE, end - at));
    piece.set(bytes.subarray(at, at + piece.length));
    yield piece;
  }
}

/** A tensor as a view: numbers count elements of `dtype`; all of it lies inside the storage. */
export interface StridedView {
  readonly dtype: FileDtype;
  readonly shape: readonly number[];
  readonly strides: readonly number[];
  readonly offset: number;
}

/** Number of elements. */
export const countOf = (shape: readonly number[]) => shape.reduce((n, length) => n * length, 1);

/** The elements of a view, row-major, in pieces. Rows that lie so in the file are streamed; others need their stretch whole. */
export async function* viewPieces(data: StorageData, view: StridedView, room: Room): AsyncGenerator<Uint8Array> {
  const { dtype, shape, offset } = view;
  const item = itemBytes[dtype];
  const count = countOf(shape);
  const begin = offset * item;
  if (count === 0 || isContiguous(view)) return yield* data.pieces(begin, begin + count * item, room);
  const stretch = new Uint8Array((1 + reach(view)) * item);
  let at = 0;
  const next: Room = (length) => stretch.subarray(at, (at += length));
  for await (const _ of data.pieces(begin, begin + stretch.length, next));
  yield* gathered(stretch, view, room);
}

/** Bytes to read for the elements of a view, or to give where those are more. */
export function stretchOf(view: StridedView): number {
  const count = countOf(view.shape);
  return Math.max(count, count === 0 || isContiguous(view) ? 0 : 1 + reach(view)) * itemBytes[view.dtype];
}

/** Elements from the first to the last of a view that is not empty. */
export const reach = ({ shape, strides }: StridedView) =>
  shape.reduce((sum, length, d) => sum + (length - 1) * strides[d], 0);

function isContiguous({ shape, strides }: StridedView): boolean {
  let step = 1;
  for (let d = shape.length - 1; d >= 0; d--) {
    if (shape[d] !== 1 && strides[d] !== step) return false;
    step *= shape[d];
  }
  return true;
}

function* gathered(stretch: Uint8Array, view: StridedView, room: Room): Generator<Uint8Array> {
  const item = itemBytes[view.dtype];
  const { shape, strides } = item === 8 ? inHalves(view) : view;
  const source = elements(stretch, item);
  const index = shape.map(() => 0);
  const last = shape.length - 1;
  let from = 0;
  for (let left = countOf(view.shape) * item; left > 0; ) {
    const piece = room(Math.min(left, PIECE));
    const target = elements(piece, item);
    for (let to = 0; to < target.length; to++) {
      target[to] = source[from];
      for (let d = last; d >= 0; d--) {
        from += strides[d];
        if (++index[d] < shape[d]) break;
        from -= strides[d] * shape[d];
        index[d] = 0;
      }
    }
    left -= piece.length;
    yield piece;
  }
}

/** Eight bytes are copied as two words: a double in a register may lose the bits of a NaN. */
const inHalves = ({ shape, strides }: StridedView) => ({
  shape: [...shape, 2],
  strides: [...strides.map((stride) => stride * 2), 1],
});

/** Bytes as the elements to copy; what number a bit pattern means does not matter here. */
function elements({ buffer, byteOffset, byteLength }: Uint8Array, item: number) {
  if (item === 1) return new Uint8Array(buffer, byteOffset, byteLength);
  if (item === 2) return new Uint16Array(buffer, byteOffset, byteLength / 2);
  return new Uint32Array(buffer, byteOffset, byteLength / 4);
}
