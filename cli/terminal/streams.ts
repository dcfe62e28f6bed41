// stdout and stderr when nobody reads them any more.

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
