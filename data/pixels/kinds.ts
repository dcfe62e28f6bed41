// Kinds of pictures, known by their first bytes: those that are decoded, and some that are named when they are refused.

/** Kinds that are decoded. */
export type PictureKind = "JPEG" | "PNG" | "WebP" | "TIFF";

/** First bytes in hexadecimal; a dot is any digit. */
const decoded: Readonly<Record<PictureKind, RegExp>> = {
  JPEG: /^ffd8ff/,
  PNG: /^89504e47/,
  WebP: /^52494646.{8}57454250/,
  TIFF: /^(49492a00|4d4d002a|49492b00|4d4d002b)/,
};

const others: Readonly<Record<string, RegExp>> = {
  BMP: /^424d.{8}00000000/,
  GIF: /^47494638/,
  HEIC: /^.{8}66747970(686569|68657663|6d696631|6d736631)/,
  AVIF: /^.{8}6674797061766966/,
  "JPEG XL": /^(ff0a|0000000c4a584c20)/,
  "JPEG 2000": /^(0000000c6a502020|ff4fff51)/,
  ICO: /^00000100/,
  PSD: /^38425053/,
};

/** Bytes from which a kind is known. */
export const KIND_BYTES = 12;

const hex = (bytes: Uint8Array, count: number) => Buffer.from(bytes.subarray(0, count)).toString("hex");
const among = (kinds: Readonly<Record<string, RegExp>>, bytes: Uint8Array) =>
  Object.keys(kinds).find((kind) => kinds[kind].test(hex(bytes, KIND_BYTES)));

/** The kind of a picture that can be decoded. */
export const pictureKind = (bytes: Uint8Array) => among(decoded, bytes) as PictureKind | undefined;

/** The kind of a picture that is known and cannot be decoded. */
export const foreignKind = (bytes: Uint8Array) => among(others, bytes);

/** What is wrong with bytes that are no picture to decode. */
export function expectedPicture(bytes: Uint8Array): string {
  const kinds = Object.keys(decoded);
  const foreign = foreignKind(bytes);
  if (foreign) return `not supported: ${foreign}; ${kinds.join(", ")} are`;
  const found = bytes.length === 0 ? "nothing (0 bytes)" : hex(bytes, 4);
  return `starts with ${found}, which is none of ${kinds.join(", ")}`;
}
