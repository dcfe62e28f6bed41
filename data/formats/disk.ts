// The one module that writes to the disk. A file or folder appears under its name only when it is complete and durable:
// temporary, all bytes, fsync, rename, fsync of the folder around it. Every call passes `watch`, so that a test can see the
// order of calls, fail the n-th, cut a write short, or stop there as a kill would.
import { createHash } from "node:crypto";
import {
  type FileHandle,
  mkdir,
  open,
  readdir,
  rename,
  rm,
  rmdir,
  stat,
  statfs,
  truncate,
  utimes,
} from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { DiskError } from "../../engine/errors.ts";
import { causeOf } from "./cause.ts";
import { isRunning, placeTag } from "./place.ts";

/** What a file holds: its length and the sha256 of its bytes in hex. */
export interface Written {
  readonly bytes: number;
  readonly sha256: string;
}

/** Pieces of a file, in order. A string is written as UTF-8. */
export type Chunks = string | Uint8Array | Iterable<Uint8Array> | AsyncIterable<Uint8Array>;

/** A call on the disk that is about to be made. */
export interface DiskCall {
  readonly op: "open" | "write" | "sync" | "close" | "rename" | "mkdir" | "remove" | "truncate";
  readonly path: string;
  /** The new name, of a rename. */
  readonly to?: string;
}

/** May throw in place of the call, or answer with the number of bytes that a write may take. */
export type DiskWatch = (call: DiskCall) => number | undefined;

/** Bytes handed to one write call. */
const PIECE = 8 * 2 ** 20;
let watch: DiskWatch = () => undefined;

/** For tests: `hook` sees each call before it is made. Returns how to remove it. */
export function watchDisk(hook: DiskWatch): () => void {
  watch = hook;
  return () => {
    watch = () => undefined;
  };
}

async function call<T>(op: DiskCall["op"], path: string, run: (most?: number) => Promise<T>, to?: string): Promise<T> {
  try {
    return await run(watch({ op, path, to }));
  } catch (error) {
    throw diskError(error, op, path);
  }
}

/** An open file that takes all bytes given to it, and sums them up. Owned by this module. */
class OutFile {
  private readonly hash = createHash("sha256");
  private bytes = 0;

  private constructor(
    readonly path: string,
    private readonly handle: FileHandle,
  ) {}

  static async open(path: string, flags: "wx" | "w" | "a"): Promise<OutFile> {
    return new OutFile(path, await call("open", path, () => open(path, flags)));
  }

  /** Loops: on a nearly full disk a write returns short without an error. */
  async write(bytes: Uint8Array): Promise<void> {
    for (let done = 0; done < bytes.byteLength; ) {
      const length = Math.min(PIECE, bytes.byteLength - done);
      const written = await call("write", this.path, async (most = length) => {
        return (await this.handle.write(bytes, done, Math.min(length, most))).bytesWritten;
      });
      done += written;
    }
    this.hash.update(bytes);
    this.bytes += bytes.byteLength;
  }

  /** What was given to it. Once only. */
  written(): Written {
    return { bytes: this.bytes, sha256: this.hash.digest("hex") };
  }

  sync(): Promise<void> {
    return call("sync", this.path, () => this.handle.sync());
  }

  /** By path: a descriptor that appends cannot cut on every system. */
  truncate(length: number): Promise<void> {
    return call("truncate", this.path, () => truncate(this.path, length));
  }

  /** The descriptor is released even where the call is made to fail. */
  async close(): Promise<void> {
    try {
      await call("close", this.path, async () => {});
    } finally {
      await this.handle.close();
    }
  }
}

/** A new file whose bytes have been handed to the system; they are durable once `commit` is through. */
export class NewFile {
  private open = true;
  private constructor(private readonly file: OutFile) {}

  /** Takes all chunks; a fault leaves no file open. */
  static async write(path: string, chunks: Chunks): Promise<NewFile> {
    const file = await OutFile.open(path, "wx");
    const made = new NewFile(file);
    try {
      for await (const chunk of pieces(chunks)) await file.write(chunk);
      return made;
    } catch (error) {
      await made.close();
      throw error;
    }
  }

  async commit(): Promise<Written> {
    try {
      await this.file.sync();
    } finally {
      await this.close();
    }
    return this.file.written();
  }

  /** Releases it as it is. */
  async close(): Promise<void> {
    if (!this.open) return;
    this.open = false;
    await this.file.close();
  }
}

/** Writes a new file in place and makes it durable. For files inside a folder that is not committed yet. */
export const writeNew = async (path: string, chunks: Chunks): Promise<Written> =>
  (await NewFile.write(path, chunks)).commit();

function pieces(chunks: Chunks): Iterable<Uint8Array> | AsyncIterable<Uint8Array> {
  if (typeof chunks === "string") return [new TextEncoder().encode(chunks)];
  return chunks instanceof Uint8Array ? [chunks] : chunks;
}

/** A file written piece by piece: `commit` puts it in place of what `path` holds, `abort` leaves nothing behind. */
export class AtomicFile {
  private open = true;

  private constructor(
    private readonly path: string,
    private readonly file: OutFile,
  ) {}

  static async create(path: string): Promise<AtomicFile> {
    return new AtomicFile(path, await OutFile.open(temporaryName(path), "wx"));
  }

  write(bytes: Uint8Array): Promise<void> {
    return this.file.write(bytes);
  }

  /** At once: a reader sees the old file or the whole new one. */
  async commit(): Promise<Written> {
    await this.file.sync();
    this.open = false;
    await this.file.close();
    await renameDurably(this.file.path, this.path);
    return this.file.written();
  }

  async abort(): Promise<void> {
    if (this.open) await this.file.close().catch(() => {});
    await remove(this.file.path).catch(() => {});
  }
}

/** Puts a file in place of what `path` holds now, at once: a reader sees the old one or the whole new one. */
export async function replaceFile(path: string, chunks: Chunks): Promise<Written> {
  const file = await AtomicFile.create(path);
  try {
    for await (const chunk of pieces(chunks)) await file.write(chunk);
    return await file.commit();
  } catch (error) {
    await file.abort();
    throw error;
  }
}

/**
 * Makes the folder `path` appear complete: `fill` writes into a temporary folder beside it, which then takes the name.
 * A folder of that name is moved aside first and removed after the commit.
 */
export async function commitFolder(path: string, fill: (folder: string) => Promise<void>): Promise<void> {
  const temporary = temporaryName(path);
  await call("mkdir", temporary, () => mkdir(temporary));
  try {
    await fill(temporary);
    await syncFolder(temporary);
  } catch (error) {
    await remove(temporary).catch(() => {});
    throw error;
  }
  const old = temporaryName(path);
  const replaced = (await listFolder(dirname(path))).includes(basename(path));
  if (replaced) await move(path, old);
  await renameDurably(temporary, path);
  if (replaced) await remove(old);
}

let count = 0;

/** Temporary names that this process has given away. */
const given = new Set<string>();

/** A name beside `path` that `isTemporary` knows: who writes it, and where he runs. */
export function temporaryName(path: string): string {
  const name = `${path}.tmp-${process.pid}-${++count}-${placeTag}`;
  given.add(resolve(name));
  return name;
}

/** As `temporaryName` makes them; before 0.2 they did not tell where. */
const TEMPORARY = /\.tmp-(\d+)-\d+(?:-([0-9a-f]{8}))?$/;

/** Whether a name in a folder is something a killed writer left behind. */
export function isTemporary(name: string): boolean {
  return TEMPORARY.test(name);
}

/** Hours after which a temporary file of another machine or container, whose processes cannot be seen, is left over. */
const foreignHours = 24;

/**
 * Removes what killed writers of files named `prefix…` left in a folder that nobody locks; a writer that lives is left
 * alone, and so is one elsewhere that wrote within a day. (Whoever holds a folder's lock removes all that `isTemporary` knows.)
 */
export async function removeLeftovers(folder: string, prefix: string): Promise<void> {
  for (const name of await listFolder(folder)) {
    const [, writer, tag = placeTag] = TEMPORARY.exec(name) ?? [];
    if (!writer || !name.startsWith(prefix)) continue;
    const path = join(folder, name);
    const pid = Number(writer);
    if (given.has(resolve(path))) continue; // else one of our number is of an earlier process
    const lives = tag === placeTag ? pid !== process.pid && isRunning(pid) : await isYoung(path);
    if (!lives) await remove(path);
  }
}

/** Whether something was written within `foreignHours`. One that is gone is no matter. */
async function isYoung(path: string): Promise<boolean> {
  const { mtimeMs } = await stat(path).catch(() => ({ mtimeMs: 0 }));
  return Date.now() - mtimeMs < foreignHours * 3600e3;
}

/** Renames, and makes the new name durable. */
export async function renameDurably(from: string, to: string): Promise<void> {
  await move(from, to);
  await syncFolder(dirname(to));
}

/** Renames only. */
export function move(from: string, to: string): Promise<void> {
  return call("rename", from, () => rename(from, to), to);
}

/** Makes the names in a folder durable. Windows cannot open a folder and needs no such call. */
export async function syncFolder(path: string): Promise<void> {
  if (process.platform === "win32") return;
  const folder = await call("open", path, () => open(path, "r"));
  try {
    await call("sync", path, () => folder.sync());
  } finally {
    await folder.close();
  }
}

/** Removes a file or a folder with what is in it; one that is not there is fine. */
export function remove(path: string): Promise<void> {
  return call("remove", path, () => rm(path, { recursive: true, force: true }));
}

/** Makes a folder and the ones above it, durably. Returns how to take back those that it made, as far as they are empty. */
export async function makeFolder(path: string): Promise<() => Promise<void>> {
  const first = await call("mkdir", path, () => makeFolders(resolve(path)));
  const takeBack = () => (first ? removeEmpty(resolve(path), resolve(first)) : Promise.resolve());
  try {
    if (first) await syncFolder(dirname(first));
  } catch (error) {
    await takeBack();
    throw error;
  }
  return takeBack;
}

/** The first folder that had to be made. Node's recursive mkdir answers ENOENT whatever the reason is: read-only, say. */
async function makeFolders(path: string): Promise<string | undefined> {
  try {
    await mkdir(path);
    return path;
  } catch (error) {
    if (await isFolder(path)) return undefined;
    if ((error as NodeJS.ErrnoException).code !== "ENOENT" || dirname(path) === path) throw error;
    const first = await makeFolders(dirname(path));
    await mkdir(path).catch(async (again) => {
      if (!(await isFolder(path))) throw again; // else another process was faster
    });
    return first ?? path;
  }
}

const isFolder = (path: string): Promise<boolean> =>
  stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );

/** Removes `path` and the folders above it up to `last`, and stops at one that something lies in. */
async function removeEmpty(path: string, last: string): Promise<void> {
  try {
    await call("remove", path, () => rmdir(path));
    if (path.length > last.length) await removeEmpty(dirname(path), last);
  } catch {} // somebody uses it
}

/** The names in a folder. */
export async function listFolder(path: string): Promise<string[]> {
  try {
    return (await readdir(path)).sort();
  } catch (error) {
    throw diskError(error, "list", path);
  }
}

/** Says that a file's owner lives: its time becomes now. No call that a test counts, since a clock makes it. */
export async function touch(path: string): Promise<void> {
  const now = new Date();
  await utimes(path, now, now);
}

/** Creates a file that must not exist yet; false where it does. */
export async function createExclusive(path: string, text: string): Promise<boolean> {
  try {
    await writeNew(path, text);
    return true;
  } catch (error) {
    if (codeOf(error) === "EEXIST") return false;
    await remove(path).catch(() => {}); // ours, and incomplete
    throw error;
  }
}

/** A file that only grows. Pieces are written in the order of the calls. */
export class AppendFile {
  private last: Promise<void> = Promise.resolve();
  private constructor(private readonly file: OutFile) {}

  /** Opens `path`, cut to its first `length` bytes. */
  static async open(path: string, length: number): Promise<AppendFile> {
    const file = await OutFile.open(path, "a");
    try {
      await file.truncate(length);
      await file.sync();
    } catch (error) {
      await file.close();
      throw error;
    }
    return new AppendFile(file);
  }

  append(piece: string | Uint8Array): Promise<void> {
    const bytes = typeof piece === "string" ? new TextEncoder().encode(piece) : piece;
    const next = this.last.then(() => this.file.write(bytes));
    this.last = next;
    this.last.catch(() => {}); // reported to whoever awaits `append` or `sync`
    return next;
  }

  async sync(): Promise<void> {
    await this.last;
    await this.file.sync();
  }

  /** Flushes and closes. */
  async close(): Promise<void> {
    try {
      await this.sync();
    } finally {
      await this.file.close();
    }
  }
}

/** Refuses when the disk under `folder` has less than `bytes` free, naming both numbers. */
export async function checkSpace(folder: string, bytes: number, purpose: string): Promise<void> {
  const { bavail, bsize } = await call("open", folder, () => statfs(folder));
  const free = bavail * bsize;
  if (free >= bytes) return;
  throw new DiskError(`${folder}: ${purpose} needs ${megabytes(bytes)}, but only ${megabytes(free)} are free`);
}

const megabytes = (bytes: number) => `${Math.ceil(bytes / 1e6).toLocaleString("en")} MB`;

const verbs: Record<DiskCall["op"] | "list", string> = {
  open: "open",
  write: "write",
  sync: "flush",
  close: "close",
  rename: "rename",
  mkdir: "make the folder",
  remove: "remove",
  truncate: "cut",
  list: "list",
};

/** A system error as a DiskError that names path and cause; anything else as it is. */
function diskError(error: unknown, op: DiskCall["op"] | "list", path: string): unknown {
  const code = (error as NodeJS.ErrnoException)?.code;
  if (error instanceof DiskError || !(error instanceof Error) || !/^E(?!RR_)/.test(code ?? "")) return error;
  return new DiskError(`${path}: cannot ${verbs[op]}: ${causeOf(error)}`, { cause: error });
}

function codeOf(error: unknown): string | undefined {
  return error instanceof DiskError ? (error.cause as NodeJS.ErrnoException | undefined)?.code : undefined;
}
