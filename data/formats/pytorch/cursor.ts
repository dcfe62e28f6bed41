// Reads bytes in order, a block at a time, up to a limit. The end of the file, and the limit, are refusals.
import type { Bytes } from "./bytes.ts";

const BLOCK = 64 * 1024;
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

export class Cursor {
  private block: Uint8Array = new Uint8Array(0);
  private base: number;
  private index = 0;

  /** From `start`, at most to `end`. */
  constructor(
    readonly file: Bytes,
    readonly start: number,
    private readonly end: number,
  ) {
    this.base = start;
  }

  /** Position in the file of the next byte. */
  get at(): number {
    return this.base + this.index;
  }

  /** Bytes that are left. */
  get left(): number {
    return this.end - this.at;
  }

  byte(): number {
    if (this.index === this.block.length) this.refill();
    return this.block[this.index++];
  }

  /** The next bytes, to be used before anything else is read. */
  take(length: number): Uint8Array {
    if (length <= this.block.length - this.index) {
      this.index += length;
      return this.block.subarray(this.index - length, this.index);
    }
    if (length > this.left) this.fail(`needs ${length} bytes at byte ${this.at}, ${this.left} are left`);
    const bytes = this.file.at(this.at, length);
    this.base = this.at + length;
    this.index = 0;
    this.block = new Uint8Array(0);
    return bytes;
  }

  view(length: number): DataView {
    const bytes = this.take(length);
    return new DataView(bytes.buffer, bytes.byteOffset, length);
  }

  text(length: number): string {
    const at = this.at;
    try {
      return utf8.decode(this.take(length));
    } catch (error) {
      if (error instanceof TypeError) return this.fail(`text at byte ${at} is not valid UTF-8`);
      throw error;
    }
  }

  /** Text up to the end of the line, which is at most `most` bytes away. */
  line(most: number): string {
    const bytes: number[] = [];
    const at = this.at;
    for (let byte = this.byte(); byte !== 0x0a; byte = this.byte()) {
      if (bytes.push(byte) > most) this.fail(`a name of more than ${most} bytes at byte ${at}`);
    }
    try {
      return utf8.decode(Uint8Array.from(bytes));
    } catch {
      return this.fail(`text at byte ${at} is not valid UTF-8`);
    }
  }

  fail(what: string): never {
    return this.file.fail(`pickle: ${what}`);
  }

  private refill(): void {
    const at = this.at;
    const length = Math.min(BLOCK, this.left);
    if (length <= 0) this.fail(`no end after ${at - this.start} bytes`);
    this.block = this.file.at(at, length);
    this.base = at;
    this.index = 0;
  }
}
