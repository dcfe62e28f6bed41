// A check decides golden files of one kind, in any folder: which ones it takes, and how they are compared.
import type { Folder } from "./folder.ts";
import type { Verdict } from "./verdict.ts";

export interface Check {
  /** Whether this check decides the file; by name and content, never by folder. */
  readonly takes: (file: string, folder: Folder) => boolean;
  /** Compares; what it throws is the file's failure. */
  readonly run: (verdict: Verdict) => void | Promise<void>;
}

/** Safetensors files that hold at least these tensors. `stem`: also only if the base name is this. */
export function holding(names: readonly string[], folder: Folder, file: string): boolean {
  return isTensors(file) && folder.has(file) && names.every((name) => folder.tensors(file).has(name));
}

export const isTensors = (file: string): boolean => file.endsWith(".safetensors");
