// A file, or bytes in memory, read by position. Opening a file reads little and at once; its tensors are read later, in pieces.
import { readSync } from "node:fs";
import { type FileHandle, open, stat } from "node:fs/promises";
import { basename } from "node:path";
import { readFault } from "../cause.ts";
import { FormatError } from "../../../engine/errors.ts";

/** Bytes at hand in one piece, or in a file. `name` is the base name that messages begin with. */
export abstract class Bytes {
  constructor(
    readonly name: string,
    readonly size: number,
  ) {}

  /** Fills `into` from `position` without giving way; for what must be known before anything is used. */
  abstract fillSync(into: Uint8Array, position: number): void;
  /** Fills `into` from `position`; for tensors. */
  abstract fill(into: Uint8Array, position: number): Promise<void>;
  abstract close(): Promise<void>;

  /** A short stretch. The caller has checked that it lies inside. */
  at(position: number, length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    this.fillSync(bytes, position);
    return bytes;
  }

  fail(what: string): never {
    throw new FormatError(`${this.name}: ${what}`);
  }

  /** The file ends where bytes were expected. */
  protected short(position: number): never {
    return this.fail(`ends at byte ${position}, data was expected`);
  }
}

export class MemoryBytes extends Bytes {
  constructor(
    name: string,
    private readonly bytes: Uint8Array,
  ) {
    super(name, bytes.length);
  }

  fillSync(into: Uint8Array, position: number): void {
    if (position + into.length > this.size) this.short(this.size);
    into.set(this.bytes.subarray(position, position + into.length));
  }

  async fill(into: Uint8Array, position: number): Promise<void> {
    this.fillSync(into, position);
  }

  async close(): Promise<void> {}
}

export class FileBytes extends Bytes {
  private constructor(
    name: string,
    size: number,
    private readonly handle: FileHandle,
  ) {
    super(name, size);
  }

  /** Opens a regular file; throws FormatError where there is none. */
  static async open(path: string): Promise<FileBytes> {
    const name = basename(path);
    try {
      if (!(await stat(path)).isFile()) throw new FormatError(`${name}: not a regular file`);
      const handle = await open(path, "r");
      return new FileBytes(name, (await handle.stat()).size, handle);
    } catch (error) {
      if (error instanceof FormatError) throw error;
      throw new FormatError(`${name}: ${readFault(error)}`, { cause: error });
    }
  }

  fillSync(into: Uint8Array, position: number): void {
    for (let done = 0; done < into.length; ) {
      const read = readSync(this.handle.fd, into, done, Math.min(into.length - done, PIECE), position + done);
      if (read === 0) this.short(position + done);
      done += read;
    }
  }

  async fill(into: Uint8Array, position: number): Promise<void> {
    for (let done = 0; done < into.length; ) {
      const length = Math.min(into.length - done, PIECE);
      const { bytesRead } = await this.handle.read(into, done, length, position + done);
      if (bytesRead === 0) this.short(position + done);
      done += bytesRead;
    }
  }

  close(): Promise<void> {
    return this.handle.close();
  }
}

/** Bytes of one read; Node takes less than 2^31. */
export const PIECE = 8 * 2 ** 20;
