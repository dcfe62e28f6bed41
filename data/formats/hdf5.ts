// The HDF5 library as WebAssembly, held to one file: it may open what we hand it, once and for reading, and nothing else. So
// a file that names another one (links, external or virtual storage), or a filter that would be loaded as a plug-in, leads nowhere.
import { basename } from "node:path";
import { FormatError } from "../../engine/errors.ts";
import { quoted } from "./json.ts";
import { sizeOfRegular } from "./regular.ts";
import { type DatasetStorage, storageAt } from "./hdf5-storage.ts";

/** What we use of the library; its own types are looser. `_malloc` and `_free` are its memory's. */
interface Library {
  readonly FS: {
    open(path: string, flags: number, mode?: number): object;
    stat(path: string): object;
    lstat(path: string): object;
    close(stream: object): void;
    read(stream: object, bytes: Uint8Array, at: number, length: number, position: number): number;
    write(stream: object, bytes: Uint8Array, at: number, length: number): number;
    readonly ErrnoError: new (code: number) => Error;
  };
  readonly HEAPU8: Uint8Array;
  _malloc(size: number): number;
  _free(at: number): void;
  open(name: string, mode: number, trackOrder: boolean, low: number, high: number): bigint;
  close_file(file: bigint): number;
  get_names(file: bigint, path: string, recursive: boolean): string[];
  get_symbolic_link(file: bigint, path: string): string | null;
  get_external_link(file: bigint, path: string): { readonly filename?: string } | null;
  get_type(file: bigint, path: string): number;
  create_object_reference(file: bigint, path: string): readonly number[];
  get_dataset_metadata(file: bigint, path: string): Metadata;
  get_dataset_data(file: bigint, path: string, count: null, offset: null, strides: null, to: bigint): number;
}

/** Facts of a data set. `type` is HDF5's class of it; `shape` is empty for a scalar and null for no value at all. */
interface Metadata {
  readonly type: number;
  readonly size: number;
  readonly total_size: number;
  readonly shape: readonly number[] | null;
  readonly vlen: boolean;
}

/** The name that the library knows a file by; the real one stays with us. */
const NAME = "/file.hdf5";
/** Bits of open's flags that ask for more than reading; bit that asks for a folder, where it looks for plug-ins. */
const [WRITES, FOLDER] = [0o3, 0o200000];
const NOT_FOUND = 44;
/** What the library calls a data set among a group's members. */
const DATA_SET = 1;
/** Classes of HDF5 types whose bytes are the value: integers (of one byte), strings, opaque. */
const [INTEGER, STRING, OPAQUE] = [0, 3, 5];

class Hdf5 {
  /** The real path while a file is being opened. */
  private admitted: string | undefined;
  private stream: object | undefined;
  /** Streams that have been closed. The library would close the descriptor again, which by then is another file's, perhaps of another thread. */
  private readonly closed = new WeakSet<object>();
  /** A name that the file made the library ask for. */
  private foreign: string | undefined;

  constructor(private readonly library: Library) {
    const { FS } = library;
    const [open, stat, close] = [FS.open, FS.stat, FS.close];
    FS.close = (stream) => {
      if (this.closed.has(stream)) return;
      this.closed.add(stream);
      close(stream);
    };
    FS.open = (path, flags, mode) => {
      if ((flags & FOLDER) === 0 && (path !== NAME || this.stream)) this.foreign = path;
      if (this.stream || (flags & WRITES) !== 0) throw new FS.ErrnoError(NOT_FOUND);
      this.stream = open(this.real(path), flags, mode);
      return this.stream;
    };
    FS.stat = (path) => stat(this.real(path));
    FS.lstat = FS.stat;
    FS.write = (_stream, _bytes, _at, length) => length; // its diagnoses; ours name the frame
  }

  /** Opens a regular file for reading. */
  async open(path: string): Promise<Hdf5File> {
    const file = basename(path);
    const bytes = await sizeOfRegular(path, file);
    this.admitted = path;
    this.stream = undefined;
    let id = -1n;
    try {
      id = this.library.open(NAME, 0, false, -1, -1);
    } catch (error) {
      this.doubt(error);
      throw new FormatError(`${file}: not a readable HDF5 file`, { cause: error });
    } finally {
      this.admitted = undefined;
      if (id < 0n) this.release(this.stream);
    }
    if (id < 0n) throw new FormatError(`${file}: not a readable HDF5 file`);
    return new Hdf5File(this, id, file, bytes, this.stream!);
  }

  /** Where the library finds its one file; there is nothing else. */
  private real(path: string): string {
    if (path === NAME && this.admitted !== undefined) return this.admitted;
    throw new this.library.FS.ErrnoError(NOT_FOUND);
  }

  /** Runs the library on an open file; whatever it does not like, also by trapping, is a FormatError. */
  call<T>(file: string, what: string, work: (library: Library) => T): T {
    this.foreign = undefined;
    let result: T;
    try {
      result = work(this.library);
    } catch (error) {
      if (error instanceof FormatError) throw error;
      this.doubt(error);
      throw new FormatError(`${file}: ${what} cannot be read${this.toward()}`, { cause: error });
    }
    if (this.foreign !== undefined) throw new FormatError(`${file}: ${what} cannot be read${this.toward()}`);
    return result;
  }

  /** A library that trapped or gave up is not asked again: the next file gets a new one. */
  private doubt(error: unknown): void {
    if ((error as Error)?.name === "RuntimeError") loading = undefined;
  }

  /** Closes what the library left open after a fault. */
  release(stream: object | undefined): void {
    try {
      if (stream) this.library.FS.close(stream);
    } catch {
      // it was closed
    }
  }

  private toward(): string {
    return this.foreign === undefined ? "" : `: it leads to another file, ${quoted(this.foreign)}`;
  }
}

/** An HDF5 file whose root holds small data sets of raw bytes. Close it. */
export class Hdf5File {
  constructor(
    private readonly hdf5: Hdf5,
    private readonly id: bigint,
    readonly name: string,
    /** Length of the file. */
    private readonly bytes: number,
    private readonly stream: object,
  ) {}

  /** The names in its root. */
  names(): string[] {
    return this.hdf5.call(this.name, "the list of names", (library) => library.get_names(this.id, "/", false));
  }

  /** The bytes of the data set `name`, at most `limit` of them. `name` must be a plain one. */
  read(name: string, limit: number): Uint8Array {
    return this.hdf5.call(this.name, quoted(name), (library) => {
      const refuse = (why: string) => new FormatError(`${this.name}: ${quoted(name)} ${why}`);
      if (library.get_symbolic_link(this.id, name) !== null) throw refuse("is a link; links are not followed");
      if (library.get_external_link(this.id, name)?.filename !== undefined)
        throw refuse("is a link to another file; links are not followed");
      const kind = library.get_type(this.id, name);
      if (kind !== DATA_SET) throw refuse(kind < 0 ? "is not there" : "is not a data set");
      const storage = this.storageOf(library, name);
      if (storage !== "contiguous" && storage !== "compact") throw refuse(unfit[storage]);
      const size = sizeOf(library.get_dataset_metadata(this.id, name), refuse);
      if (size > limit) throw refuse(`has ${size} bytes, allowed are ${limit}`);
      if (size > this.bytes) throw refuse(`has ${size} bytes, but the file only ${this.bytes}`);
      return this.copy(library, name, size, refuse);
    });
  }

  close(): void {
    try {
      this.hdf5.call(this.name, "the file", (library) => library.close_file(this.id));
    } finally {
      this.hdf5.release(this.stream);
    }
  }

  /** A reference to an object is the address of its header. */
  private storageOf(library: Library, name: string): DatasetStorage {
    const reference = library.create_object_reference(this.id, name);
    if (reference.length !== 8) throw new Error(`a reference of ${reference.length} bytes`);
    const address = Number(new DataView(Uint8Array.from(reference).buffer).getBigUint64(0, true));
    const read = (at: number, length: number) => {
      const bytes = new Uint8Array(Math.max(0, Math.min(length, this.bytes - at)));
      if (bytes.length === 0) return bytes;
      return bytes.subarray(0, library.FS.read(this.stream, bytes, 0, bytes.length, at));
    };
    return storageAt(read, address);
  }

  /** Through the library's own memory; its decoded strings would end at the first NUL. */
  private copy(library: Library, name: string, size: number, refuse: (why: string) => Error): Uint8Array {
    const at = library._malloc(size);
    if (at === 0) throw refuse(`has ${size} bytes, for which there is no memory`);
    try {
      const status = library.get_dataset_data(this.id, name, null, null, null, BigInt(at));
      if (status < 0) throw new Error(`status ${status}`); // `call` says what that means
      return library.HEAPU8.slice(at, at + size);
    } finally {
      library._free(at);
    }
  }
}

/** Why a storage is refused. */
const unfit: Record<Exclude<DatasetStorage, "contiguous" | "compact">, string> = {
  chunked: "is stored in chunks; frames are stored whole",
  virtual: "lies in virtual storage, which is not followed",
  external: "lies in external storage, which is not followed",
  unknown: "has a header that is not understood",
};

/** Bytes of a data set of a kind that frames are stored in. */
function sizeOf(metadata: Metadata, refuse: (why: string) => Error): number {
  const { type, size, total_size, shape, vlen } = metadata;
  if (vlen || ![INTEGER, STRING, OPAQUE].includes(type) || (type === INTEGER && size !== 1))
    throw refuse("is neither a fixed-length string nor bytes");
  if (shape === null || shape.length > (type === STRING ? 0 : 1))
    throw refuse(`has ${shape === null ? "no value" : `${shape.length} axes`}, expected one value`);
  const bytes = size * total_size;
  if (!Number.isSafeInteger(bytes) || bytes < 1) throw refuse(`has ${bytes} bytes, expected at least 1`);
  return bytes;
}

let loading: Promise<Hdf5> | undefined;

/**
 * A library of our own. The package's main module would make one and no second, and let it speak on stderr; the file beside
 * it makes as many as are wanted.
 */
async function load(): Promise<Hdf5> {
  const factory = new URL("./hdf5_util.js", import.meta.resolve("h5wasm/node"));
  const { default: make } = (await import(factory.href)) as { default: (options: object) => Promise<Library> };
  return new Hdf5(await make({ noInitialRun: true, print: () => {}, printErr: () => {} }));
}

/** Opens an HDF5 file; the library is loaded the first time. Anything but a regular HDF5 file is a FormatError. */
export async function openHdf5(path: string): Promise<Hdf5File> {
  loading ??= load();
  return (await loading).open(path);
}
