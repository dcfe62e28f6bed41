// Files of weights for tests.
import { replaceFile, type Written } from "../../data/formats/disk.ts";
import { type SafetensorsEntry, safetensorsBytes } from "../../data/formats/safetensors.ts";

/** A safetensors file of any dtypes, complete or not there. */
export function writeSafetensors(
  path: string,
  entries: Iterable<SafetensorsEntry>,
  metadata: Record<string, string> = {},
): Promise<Written> {
  return replaceFile(path, safetensorsBytes(entries, metadata));
}
