// Why a call on the file system failed, in words that a person can act on.
import { DiskError } from "../../engine/errors.ts";

const reasons: Readonly<Record<string, string>> = {
  ENOSPC: "the disk is full",
  EDQUOT: "the disk quota is used up",
  EROFS: "the file system is read-only",
  EACCES: "permission denied",
  EPERM: "not permitted",
  EIO: "input/output error",
  EISDIR: "it is a folder",
  ENOTDIR: "a part of the path is a file",
  EEXIST: "something of that name exists",
  ENOENT: "no such file or folder",
  EMFILE: "this process has too many open files",
  ENFILE: "the system has too many open files",
  ELOOP: "its links lead in a circle",
  EBUSY: "it is in use",
  ETXTBSY: "it is in use",
  ENAMETOOLONG: "the name is too long",
  ENOTEMPTY: "the folder is not empty",
};

const codeIn = (error: unknown) => (error as NodeJS.ErrnoException | undefined)?.code;

/** "permission denied (EACCES)"; the message of an error without a code. */
export function causeOf(error: unknown): string {
  const code = codeIn(error);
  const { message = String(error) } = error as Error;
  return code === undefined ? message : `${reasons[code] ?? message} (${code})`;
}

/** The same of a file that was to be read, as a message goes on after its name. */
export const readFault = (error: unknown): string =>
  codeIn(error) === "ENOENT" ? "no such file" : `cannot be read: ${causeOf(error)}`;

/** For `catch`: what is not there is undefined; any other fault is one of the disk, with the path (the system does not always tell it) and its cause. */
export const orMissing =
  (path: string) =>
  (error: unknown): undefined => {
    if (codeIn(error) !== "ENOENT") unreadable(path)(error);
  };

/** For `catch`: whatever keeps us from reading a file is a fault of the disk, with its path and cause. */
export const unreadable =
  (path: string) =>
  (error: unknown): never => {
    throw new DiskError(`${path}: ${readFault(error)}`, { cause: error });
  };

/** Whether the system kept us from reading what may well be sound: no right to it, too many open files, a sick disk. */
export function isSystemFault(error: unknown): boolean {
  const code = codeIn((error as Error).cause);
  return code !== undefined && code !== "ENOENT";
}
