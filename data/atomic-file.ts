// A file that appears whole or not at all: temporary name, fsync, rename, fsync of the folder.
import { createHash } from "node:crypto";
import { type FileHandle, open, readdir, rename, unlink } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { DiskError } from "../engine/errors.ts";

/** A file being written; `commit` makes it appear under its name, `abort` leaves nothing behind. */
export class AtomicFile {
  private readonly hash = createHash("sha256");
  private written = 0;

  private constructor(
    private readonly path: string,
    private readonly temporary: string,
    private readonly handle: FileHandle,
  ) {}

  static async create(path: string): Promise<AtomicFile> {
    const temporary = `${path}.tmp-${process.pid}`;
    return onDisk(path, async () => new AtomicFile(path, temporary, await open(temporary, "w")));
  }

  get bytes(): number {
    return this.written;
  }

  /** Appends all bytes: a write may be short without an error on a disk that is nearly full. */
  async write(bytes: Uint8Array): Promise<void> {
    await onDisk(this.path, async () => {
      for (let at = 0; at < bytes.length; ) at += (await this.handle.write(bytes, at)).bytesWritten;
    });
    this.hash.update(bytes);
    this.written += bytes.length;
  }

  /** Makes the file durable and visible; returns its sha256 in hex. */
  async commit(): Promise<string> {
    await onDisk(this.path, async () => {
      await this.handle.sync();
      await this.handle.close();
      await rename(this.temporary, this.path);
      await syncFolder(dirname(this.path));
    });
    return this.hash.digest("hex");
  }

  async abort(): Promise<void> {
    await this.handle.close().catch(() => {});
    await unlink(this.temporary).catch(() => {});
  }
}

/** Writes one small file whole. */
export async function writeAtomically(path: string, bytes: Uint8Array): Promise<void> {
  const file = await AtomicFile.create(path);
  try {
    await file.write(bytes);
    await file.commit();
  } catch (error) {
    await file.abort();
    throw error;
  }
}

/** Removes what killed writers of files named `prefix…` left in the folder; writers that live are left alone. */
export async function removeLeftovers(folder: string, prefix: string): Promise<void> {
  for (const name of await readdir(folder)) {
    const pid = /\.tmp-(\d+)$/.exec(name)?.[1];
    if (pid && name.startsWith(prefix) && !isAlive(Number(pid))) await unlink(join(folder, name)).catch(() => {});
  }
}

export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function isAlive(pid: number): boolean {
  if (pid === process.pid) return false; // ours would still be open; this one is from an earlier life of the number
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

/** Runs file operations; what the system refuses becomes a DiskError that names the file. */
export async function onDisk<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (!code) throw error;
    throw new DiskError(
      `${basename(path)}: cannot be written in ${dirname(path)} (${code}: ${REASONS[code] ?? "I/O"})`,
    );
  }
}

const REASONS: Record<string, string> = {
  ENOSPC: "the disk is full",
  EDQUOT: "the quota is used up",
  EROFS: "the file system is read-only",
  EACCES: "no permission",
  EPERM: "no permission",
  ENOENT: "no such folder",
  ENOTDIR: "a file is where the folder should be",
  EISDIR: "a folder is where the file should be",
  EIO: "the device failed",
};
