// Portable pixmaps (P6) one after another, as ffmpeg writes pictures into a pipe: each says its own size.
import { FormatError } from "../../engine/errors.ts";
import { MAX_PIXELS } from "../pixels/image.ts";
import type { Image, Size } from "../pixels/resize.ts";

/** Longest header of a picture: "P6\n65536 65536\n255\n" and some. */
const HEADER = 32;

/** Most bytes of a picture with its header. */
export const PIXMAP_BYTES = 3 * MAX_PIXELS + HEADER;

/** The pictures in a stream of bytes; one that is cut off, or none, is a FormatError that begins with `name`. */
export async function* pixmaps(chunks: AsyncIterable<Uint8Array>, name: string): AsyncGenerator<Image> {
  const held = new Held(name);
  for await (const chunk of chunks) {
    held.add(chunk);
    yield* held.pictures(HEADER);
  }
  yield* held.pictures(1); // the last may be shorter than the longest header
  if (held.length > 0) throw new FormatError(`${name}: its last frame is cut off`);
}

/** Bytes that have come and belong to no picture yet. */
class Held {
  length = 0;
  private parts: Uint8Array[] = [];
  private size: (Size & { header: number }) | undefined;

  constructor(private readonly name: string) {}

  add(bytes: Uint8Array): void {
    this.parts.push(bytes);
    this.length += bytes.length;
  }

  /** Pictures that are whole; a header is read when `least` bytes are there. */
  *pictures(least: number): Generator<Image> {
    for (;;) {
      if (!this.size && this.length >= least) this.size = headerOf(this.whole().subarray(0, HEADER), this.name);
      if (!this.size) return;
      const { header, width, height } = this.size;
      const end = header + 3 * width * height;
      if (this.length < end) return;
      const bytes = this.whole();
      yield { data: bytes.slice(header, end), width, height };
      this.parts = [bytes.subarray(end)];
      this.length -= end;
      this.size = undefined;
    }
  }

  private whole(): Uint8Array {
    if (this.parts.length > 1) this.parts = [Buffer.concat(this.parts)];
    return this.parts[0];
  }
}

function headerOf(bytes: Uint8Array, name: string): Size & { header: number } {
  const found = /^P6\n(\d{1,5}) (\d{1,5})\n255\n/.exec(Buffer.from(bytes).toString("latin1"));
  const [width, height] = [Number(found?.[1]), Number(found?.[2])];
  if (!found || width < 1 || height < 1 || width * height > MAX_PIXELS)
    throw new FormatError(`${name}: ffmpeg wrote no picture of 1 to ${MAX_PIXELS} pixels`);
  return { width, height, header: found[0].length };
}
