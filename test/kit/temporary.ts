// For tests that write files.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Runs `body` with a fresh folder, which is removed afterwards. */
export async function inTemporary(body: (folder: string) => unknown): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "emotionclip-"));
  try {
    await body(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
