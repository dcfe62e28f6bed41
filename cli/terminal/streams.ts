// What is printed for who asked, and both streams when nobody reads them any more.

import { isSilent } from "./speaker.ts";

/** A reader that went away (`| head`), a lost terminal. */
const GONE = new Set(["EPIPE", "EIO", "ERR_STREAM_DESTROYED"]);

/** From now on a closed stream stops the printing, not the work; any other fault of a stream is one of the disk. */
export function outliveReaders(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on("error", (error: NodeJS.ErrnoException) => {
      if (!GONE.has(error.code ?? "")) process.exit(6);
    });
  }
}

/** The one way of the commands to stdout: `text`, and the end of its last line. Of several ranks, rank 0's. */
export function print(text: string): void {
  if (isSilent()) return;
  process.stdout.write(text.endsWith("\n") ? text : `${text}\n`);
}

/** A result: as one line of JSON where that is asked for, as a page of text otherwise. */
export function printResult<R>(asJson: boolean | undefined, result: R, page: (result: R) => string): void {
  print(asJson ? JSON.stringify(result) : page(result));
}

/** A file's name may hold what a terminal would obey. */
export const visible = (text: string): string =>
  text.replace(/(?!\n)[\p{C}\p{Zl}\p{Zp}]/gu, (char) => `\\u{${char.codePointAt(0)!.toString(16)}}`);

/** What a person should know of a result, whatever stdout is for. */
export function warn(lines: readonly string[]): void {
  if (isSilent()) return;
  for (const line of lines) process.stderr.write(`${visible(line)}\n`);
}
