// A configuration as a person names it: a published model, or a JSON file of the official form or of ours.
import { readFile, stat } from "node:fs/promises";
import { basename } from "node:path";
import { FormatError } from "../../engine/errors.ts";
import type { ModelConfig } from "../config.ts";
import { preset } from "../presets.ts";
import { parseStoredConfig } from "./stored-config.ts";

const most = 2 ** 20;

/** "ViT-B-16" or a path that ends in .json -> the configuration. */
export async function configNamed(text: string): Promise<ModelConfig> {
  if (!text.endsWith(".json")) return preset(text);
  const name = basename(text);
  const found = await stat(text).catch(() => undefined);
  if (!found?.isFile()) throw new FormatError(`${name}: ${found ? "not a regular file" : "no such file"}`);
  if (found.size > most) throw new FormatError(`${name}: ${found.size} bytes; at most ${most} are allowed`);
  return parseStoredConfig(await readFile(text), name);
}
