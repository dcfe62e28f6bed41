// A decoder for small JPEG files of the plainest kind, byte-identical to libjpeg-turbo's default (islow) decoding.
//
// Starting a sharp pipeline costs half a millisecond, twice what decoding 96 x 96 pixels costs here. So the plainest
// files (baseline Huffman, one scan, no restarts, grey or YCbCr without subsampling) are decoded by this file, and
// everything else, every irregularity included, is left to sharp: `undefined` means "not mine", never "broken".
import type { Image } from "./resize.ts";

/** Pictures of more pixels are faster in sharp. */
const MOST_PIXELS = 160 * 160;

/** The picture in these bytes, or undefined when they are not a small, plain, flawless JPEG. */
export function decodeSmallJpeg(bytes: Uint8Array): Image | undefined {
  const header = parseHeader(bytes);
  return header && decodeScan(bytes, header);
}

/** `before` is the last block's DC coefficient. */
type Component = { readonly steps: Int32Array; readonly dc: Huffman; readonly ac: Huffman; before: number };
type Header = { width: number; height: number; components: Component[]; scan: number };

/** Code lookup: `fast[next 9 bits]` is length << 8 | symbol, or 0 for longer codes, which `limits` and `symbols` give. */
type Huffman = {
  readonly fast: Uint16Array;
  /** limits[length]: one past the largest code of that length, shifted to 16 bits. */
  readonly limits: Int32Array;
  /** The symbol of a code of some length: symbols[code + offsets[length]]. */
  readonly offsets: Int32Array;
  readonly symbols: Uint8Array;
};

const FAST_BITS = 9;

/** Everything up to the scan's first byte; undefined for files outside this decoder's subset. */
function parseHeader(bytes: Uint8Array): Header | undefined {
  if (bytes[0] !== 0xff || bytes[1] !== 0xd8) return undefined;
  const steps = new Map<number, Int32Array>();
  const tables = new Map<number, Huffman>();
  let frame: { width: number; height: number; parts: Uint8Array } | undefined;
  for (let at = 2; at + 4 <= bytes.length; ) {
    const marker = bytes[at + 1];
    const length = (bytes[at + 2] << 8) | bytes[at + 3];
    if (bytes[at] !== 0xff || length < 2 || at + 2 + length > bytes.length) return undefined;
    const body = bytes.subarray(at + 4, at + 2 + length);
    at += 2 + length;
    if (marker === 0xdb) {
      if (!readSteps(body, steps)) return undefined;
    } else if (marker === 0xc4) {
      if (!readTables(body, tables)) return undefined;
    } else if (marker === 0xc0 && !frame) {
      frame = readFrame(body);
      if (!frame) return undefined;
    } else if (marker === 0xda) {
      const components = frame && readScan(body, frame.parts, steps, tables);
      return components && { ...frame!, components, scan: at };
    } else if (marker !== 0xfe && (marker < 0xe0 || marker > 0xed)) return undefined; // Adobe, restarts, arithmetic …
  }
  return undefined;
}

/** Quantisation steps in zigzag order, 8-bit ones only. */
function readSteps(body: Uint8Array, into: Map<number, Int32Array>): boolean {
  if (body.length % 65 !== 0) return false;
  for (let at = 0; at < body.length; at += 65) {
    if (body[at] > 3) return false;
    into.set(body[at], Int32Array.from(body.subarray(at + 1, at + 65)));
  }
  return true;
}

function readFrame(body: Uint8Array) {
  const height = (body[1] << 8) | body[2];
  const width = (body[3] << 8) | body[4];
  const count = body[5];
  if (body[0] !== 8 || (count !== 1 && count !== 3) || body.length !== 6 + 3 * count) return undefined;
  if (width === 0 || height === 0 || width * height > MOST_PIXELS) return undefined;
  const parts = body.subarray(6);
  // components 1, 2, 3 without Adobe's marker are YCbCr, with or without a JFIF header
  for (let c = 0; c < count; c++) if (parts[3 * c] !== c + 1 || parts[3 * c + 1] !== 0x11) return undefined;
  return { width, height, parts };
}

function readScan(body: Uint8Array, parts: Uint8Array, steps: Map<number, Int32Array>, tables: Map<number, Huffman>) {
  const count = parts.length / 3;
  if (body.length !== 4 + 2 * count || body[0] !== count) return undefined;
  if (body[1 + 2 * count] !== 0 || body[2 + 2 * count] !== 63 || body[3 + 2 * count] !== 0) return undefined;
  const components: Component[] = [];
  for (let c = 0; c < count; c++) {
    const step = steps.get(parts[3 * c + 2]);
    const dc = tables.get(body[2 + 2 * c] >> 4);
    const ac = tables.get(0x10 | (body[2 + 2 * c] & 15));
    if (body[1 + 2 * c] !== parts[3 * c] || !step || !dc || !ac) return undefined;
    components.push({ steps: step, dc, ac, before: 0 });
  }
  return components;
}

function readTables(body: Uint8Array, into: Map<number, Huffman>): boolean {
  for (let at = 0; at < body.length; ) {
    const slot = body[at];
    const counts = body.subarray(at + 1, at + 17);
    const total = counts.reduce((sum, n) => sum + n, 0);
    const symbols = body.subarray(at + 17, at + 17 + total);
    if ((slot & 0xef) > 3 || counts.length !== 16 || symbols.length !== total) return false;
    const table = makeTable(counts, symbols);
    if (!table) return false;
    into.set(slot, table);
    at += 17 + total;
  }
  return true;
}

function makeTable(counts: Uint8Array, symbols: Uint8Array): Huffman | undefined {
  const fast = new Uint16Array(1 << FAST_BITS);
  const limits = new Int32Array(18);
  const offsets = new Int32Array(18);
  let code = 0;
  let k = 0;
  for (let length = 1; length <= 16; length++) {
    offsets[length] = k - code;
    for (let i = 0; i < counts[length - 1]; i++, k++, code++) {
      if (length > FAST_BITS) continue;
      const from = code << (FAST_BITS - length);
      fast.fill((length << 8) | symbols[k], from, from + (1 << (FAST_BITS - length)));
    }
    if (code > 1 << length) return undefined; // more codes than there are
    limits[length] = code << (16 - length);
    code <<= 1;
  }
  return { fast, limits, offsets, symbols };
}

/** Position k of the zigzag order -> row-major position in the block. */
const ZIGZAG = Uint8Array.of(
  ...[0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7, 14, 21],
  ...[28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61],
  ...[54, 47, 55, 62, 63],
);

function decodeScan(bytes: Uint8Array, { width, height, components, scan }: Header): Image | undefined {
  const bits = entropyBits(bytes, scan);
  if (!bits) return undefined;
  const planes = components.map(() => new Uint8ClampedArray(64));
  const block = new Int32Array(64);
  const out = new Uint8ClampedArray(width * height * 3);
  for (let y = 0; y < height; y += 8)
    for (let x = 0; x < width; x += 8) {
      for (let c = 0; c < components.length; c++) {
        const last = readBlock(bits, components[c], block);
        if (last < 0) return undefined;
        inverse(block, last, planes[c]);
      }
      if (planes.length === 3) paint(out, width, height, x, y, planes[0], planes[1], planes[2]);
      else paintGrey(out, width, height, x, y, planes[0]);
    }
  const unused = bits.end - bits.at; // less than a byte of padding may be left
  return unused >= 0 && unused < 8 ? { data: new Uint8Array(out.buffer), width, height } : undefined;
}

/** Entropy-coded data without its stuffing, and the position of the next bit in it. */
type Bits = { readonly data: Uint8Array; readonly end: number; at: number };

/** The data from byte `scan` to the end marker, which must end the file; zeros follow it. */
function entropyBits(bytes: Uint8Array, scan: number): Bits | undefined {
  const data = new Uint8Array(bytes.length - scan + 8);
  let n = 0;
  let i = scan;
  for (; i < bytes.length; i++) {
    const byte = bytes[i];
    data[n++] = byte;
    if (byte === 0xff && bytes[++i] !== 0) break;
  }
  if (i !== bytes.length - 1 || bytes[i] !== 0xd9) return undefined;
  data[n - 1] = 0;
  return { data, end: 8 * (n - 1), at: 0 };
}

/** Fills the block with dequantised coefficients; returns the last zigzag position that is not zero, −1 on a fault. */
function readBlock(bits: Bits, component: Component, block: Int32Array): number {
  const { steps, ac } = component;
  const { data } = bits;
  block.fill(0);
  const size = nextSymbol(bits, component.dc);
  if (size < 0 || size > 11) return -1;
  component.before += signed(window(data, bits.at), size);
  bits.at += size;
  block[0] = component.before * steps[0];
  let last = 0;
  for (let k = 1; k < 64; k++) {
    const symbol = nextSymbol(bits, ac);
    const length = symbol & 15;
    if (length === 0) {
      if (symbol === 0) break; // the rest is zero
      if (symbol !== 0xf0 || k > 47) return -1;
      k += 15;
      continue;
    }
    k += symbol >> 4;
    if (symbol < 0 || length > 10 || k > 63) return -1;
    block[ZIGZAG[k]] = signed(window(data, bits.at), length) * steps[k];
    bits.at += length;
    last = k;
  }
  return bits.at > bits.end ? -1 : last;
}

/** The next 25 or more bits from bit `at`, left-aligned in 32. */
function window(data: Uint8Array, at: number): number {
  const i = at >> 3;
  return ((data[i] << 24) | (data[i + 1] << 16) | (data[i + 2] << 8) | data[i + 3]) << (at & 7);
}

/** The next Huffman symbol, −1 when there is no such code. */
function nextSymbol(bits: Bits, { fast, limits, offsets, symbols }: Huffman): number {
  const next = window(bits.data, bits.at) >>> 16;
  const hit = fast[next >> (16 - FAST_BITS)];
  if (hit !== 0) {
    bits.at += hit >> 8;
    return hit & 0xff;
  }
  let length = FAST_BITS + 1;
  while (length <= 16 && next >= limits[length]) length++;
  if (length > 16) return -1;
  bits.at += length;
  return symbols[(next >> (16 - length)) + offsets[length]];
}

/** The first `length` bits of a window as a number in JPEG's signed form; 0 for none. */
function signed(window: number, length: number): number {
  if (length === 0) return 0;
  const value = window >>> (32 - length);
  return window < 0 ? value : value - (1 << length) + 1; // a leading 1 means positive
}

const CONST_BITS = 13;
const PASS1_BITS = 2;
const work = new Int32Array(64);

/**
 * Inverse DCT, libjpeg's jidctint.c (Loeffler, Ligtenberg & Moschytz 1989, 13 fractional bits): columns, then rows,
 * then + 128 and clamped. `last` is the last zigzag position that may be non-zero.
 */
function inverse(block: Int32Array, last: number, out: Uint8ClampedArray): void {
  if (last === 0) {
    out.fill((((block[0] << PASS1_BITS) + 16) >> (PASS1_BITS + 3)) + 128);
    return;
  }
  for (let i = 0; i < 8; i++) pass(block, i, 8, work, CONST_BITS - PASS1_BITS);
  for (let i = 0; i < 64; i += 8) pass(work, i, 1, work, CONST_BITS + PASS1_BITS + 3);
  for (let i = 0; i < 64; i++) out[i] = work[i] + 128;
}

/** Eight samples of a row or column, `step` apart from `at`; the results are divided by 2^shift and rounded. */
function pass(from: Int32Array, at: number, step: number, to: Int32Array, shift: number): void {
  const i0 = from[at];
  const i1 = from[at + step];
  const i2 = from[at + 2 * step];
  const i3 = from[at + 3 * step];
  const i4 = from[at + 4 * step];
  const i5 = from[at + 5 * step];
  const i6 = from[at + 6 * step];
  const i7 = from[at + 7 * step];
  const half = 1 << (shift - 1);
  if ((i1 | i2 | i3 | i4 | i5 | i6 | i7) === 0) {
    const flat = ((i0 << CONST_BITS) + half) >> shift;
    for (let k = 0; k < 8; k++) to[at + k * step] = flat;
    return;
  }
  const e1 = Math.imul(i2 + i6, 4433);
  const e2 = e1 - Math.imul(i6, 15137);
  const e3 = e1 + Math.imul(i2, 6270);
  const sum = (i0 + i4) << CONST_BITS;
  const difference = (i0 - i4) << CONST_BITS;
  const a0 = sum + e3 + half;
  const a3 = sum - e3 + half;
  const a1 = difference + e2 + half;
  const a2 = difference - e2 + half;

  const z1 = Math.imul(i7 + i1, -7373);
  const z2 = Math.imul(i5 + i3, -20995);
  const z5 = Math.imul(i7 + i3 + i5 + i1, 9633);
  const z3 = Math.imul(i7 + i3, -16069) + z5;
  const z4 = Math.imul(i5 + i1, -3196) + z5;
  const b0 = Math.imul(i7, 2446) + z1 + z3;
  const b1 = Math.imul(i5, 16819) + z2 + z4;
  const b2 = Math.imul(i3, 25172) + z2 + z3;
  const b3 = Math.imul(i1, 12299) + z1 + z4;

  to[at] = (a0 + b3) >> shift;
  to[at + 7 * step] = (a0 - b3) >> shift;
  to[at + step] = (a1 + b2) >> shift;
  to[at + 6 * step] = (a1 - b2) >> shift;
  to[at + 2 * step] = (a2 + b1) >> shift;
  to[at + 5 * step] = (a2 - b1) >> shift;
  to[at + 3 * step] = (a3 + b0) >> shift;
  to[at + 4 * step] = (a3 - b0) >> shift;
}

const chroma = Int32Array.from({ length: 256 }, (_, i) => i - 128);
const RED = chroma.map((v) => (91881 * v + 32768) >> 16);
const BLUE = chroma.map((v) => (116130 * v + 32768) >> 16);
const GREEN_CR = chroma.map((v) => -46802 * v);
const GREEN_CB = chroma.map((v) => -22554 * v + 32768);

/** An 8 x 8 block of the picture at column x, row y: YCbCr -> RGB, with libjpeg's rounding. */
function paint(
  out: Uint8ClampedArray,
  width: number,
  height: number,
  x: number,
  y: number,
  luma: Uint8ClampedArray,
  cb: Uint8ClampedArray,
  cr: Uint8ClampedArray,
): void {
  const columns = Math.min(8, width - x);
  const rows = Math.min(8, height - y);
  for (let r = 0; r < rows; r++) {
    let o = ((y + r) * width + x) * 3;
    for (let i = r * 8; i < r * 8 + columns; i++, o += 3) {
      const v = luma[i];
      out[o] = v + RED[cr[i]];
      out[o + 1] = v + ((GREEN_CB[cb[i]] + GREEN_CR[cr[i]]) >> 16);
      out[o + 2] = v + BLUE[cb[i]];
    }
  }
}

function paintGrey(
  out: Uint8ClampedArray,
  width: number,
  height: number,
  x: number,
  y: number,
  luma: Uint8ClampedArray,
): void {
  for (let r = 0; r < Math.min(8, height - y); r++)
    for (let c = 0; c < Math.min(8, width - x); c++) {
      const o = ((y + r) * width + x + c) * 3;
      out.fill(luma[r * 8 + c], o, o + 3);
    }
}
