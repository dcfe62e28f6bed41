// How a data set is stored, read from its object header before the library opens it: a forged header of virtual storage can
// list so many sources that the library never comes back. HDF5 File Format Specification 3.0, IV.A.

/** Reads bytes of the file; fewer at its end. */
export type ReadBytes = (at: number, length: number) => Uint8Array;

export type DatasetStorage = "compact" | "contiguous" | "chunked" | "virtual" | "external" | "unknown";

/** Types of messages in an object header. */
const [EXTERNAL, LAYOUT, CONTINUATION] = [7, 8, 16];
/** A message that lies elsewhere. */
const SHARED = 2;
const classes = ["compact", "contiguous", "chunked", "virtual"] as const;
const limits = { chunks: 16, bytes: 2 ** 20 } as const;

/** The storage of the object whose header lies at `address`; "unknown" where the header is none that we follow. */
export function storageAt(read: ReadBytes, address: number): DatasetStorage {
  const head = firstChunk(read, address);
  if (!head) return "unknown";
  const chunks = [head];
  let found: DatasetStorage = "unknown";
  for (let k = 0; k < chunks.length; k++) {
    if (k === limits.chunks) return "unknown";
    for (const { type, flags, data } of messagesOf(chunks[k])) {
      if (type === EXTERNAL) return "external";
      if (type !== LAYOUT && type !== CONTINUATION) continue;
      if ((flags & SHARED) !== 0) return "unknown";
      if (type === LAYOUT) {
        const storage = layoutOf(data);
        if (storage !== "compact" && storage !== "contiguous") return storage;
        found = storage;
      } else {
        const next = continued(read, data, head);
        if (!next) return "unknown";
        chunks.push(next);
      }
    }
  }
  return found;
}

/** Messages of one piece of a header. `order` says that each has a creation order. */
interface Chunk {
  readonly version: 1 | 2;
  readonly order: boolean;
  readonly bytes: Uint8Array;
}

function firstChunk(read: ReadBytes, address: number): Chunk | undefined {
  const start = read(address, 64);
  const view = viewOf(start);
  if (start.length < 32) return undefined;
  if (start[0] === 1) return chunk(1, false, read, address + 16, view.getUint32(8, true));
  if (String.fromCharCode(...start.subarray(0, 4)) !== "OHDR" || start[4] !== 2) return undefined;
  const flags = start[5];
  const at = 6 + ((flags & 0x20) !== 0 ? 16 : 0) + ((flags & 0x10) !== 0 ? 4 : 0);
  const width = 1 << (flags & 3);
  if (width === 8) return undefined; // a header of more than 4 GB
  const size = width === 1 ? start[at] : width === 2 ? view.getUint16(at, true) : view.getUint32(at, true);
  return chunk(2, (flags & 4) !== 0, read, address + at + width, size);
}

/** Offset and length; in version 2 with a signature before the messages and a checksum after them. */
function continued(read: ReadBytes, data: Uint8Array, { version, order }: Chunk): Chunk | undefined {
  if (data.length < 16) return undefined;
  const view = viewOf(data);
  const [at, size] = [Number(view.getBigUint64(0, true)), Number(view.getBigUint64(8, true))];
  return version === 1 ? chunk(1, false, read, at, size) : chunk(2, order, read, at + 4, size - 8);
}

function chunk(version: 1 | 2, order: boolean, read: ReadBytes, at: number, size: number): Chunk | undefined {
  if (!Number.isSafeInteger(at) || !(size >= 0 && size <= limits.bytes)) return undefined;
  const bytes = read(at, size);
  return bytes.length === size ? { version, order, bytes } : undefined;
}

function* messagesOf({ version, order, bytes }: Chunk): Generator<{ type: number; flags: number; data: Uint8Array }> {
  const view = viewOf(bytes);
  const head = version === 1 ? 8 : order ? 6 : 4;
  for (let at = 0; at + head <= bytes.length; ) {
    const type = version === 1 ? view.getUint16(at, true) : bytes[at];
    const size = view.getUint16(at + (version === 1 ? 2 : 1), true);
    const flags = bytes[at + (version === 1 ? 4 : 3)];
    yield { type, flags, data: bytes.subarray(at + head, at + head + size) };
    at += head + size;
  }
}

/** The class is the second byte of versions 3 to 5, and the third of 1 and 2. */
function layoutOf(data: Uint8Array): DatasetStorage {
  const version = data[0];
  return classes[version <= 2 ? data[2] : data[1]] ?? "unknown";
}

const viewOf = (bytes: Uint8Array) => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
