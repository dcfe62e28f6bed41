// The checksum of zip entries. Node has it since 20.15; before, a table does the same, slower.
import zlib from "node:zlib";

/** CRC-32 (polynomial 0xedb88320) of `bytes`, going on from `before`. */
export function crc32(bytes: Uint8Array, before = 0): number {
  return zlib.crc32 ? zlib.crc32(bytes, before) : crc32ByTable(bytes, before);
}

let table: Uint32Array | undefined;

/** The same without Node's help. */
export function crc32ByTable(bytes: Uint8Array, before = 0): number {
  table ??= Uint32Array.from({ length: 256 }, (_, byte) => {
    let rest = byte;
    for (let bit = 0; bit < 8; bit++) rest = rest & 1 ? (rest >>> 1) ^ 0xedb88320 : rest >>> 1;
    return rest;
  });
  let sum = ~before;
  for (let i = 0; i < bytes.length; i++) sum = (sum >>> 8) ^ table[(sum ^ bytes[i]) & 255];
  return ~sum >>> 0;
}
