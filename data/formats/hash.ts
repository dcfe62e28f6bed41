// The sha256 of a file, which shard indexes and checkpoints compare.
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";

/** The sha256 of the file at `path`, in hex; read in pieces, so that its size does not matter. */
export async function sha256Of(path: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(path, { highWaterMark: 2 ** 20 })) hash.update(chunk);
  return hash.digest("hex");
}
