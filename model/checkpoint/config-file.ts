// A configuration as a person names it: a published model, or a JSON file of the official form or of ours.
import { basename } from "node:path";
import { readRegular } from "../../data/regular.ts";
import type { ModelConfig } from "../config.ts";
import { preset } from "../presets.ts";
import { parseStoredConfig } from "./stored-config.ts";

const most = 2 ** 20;

/** "ViT-B-16" or a path that ends in .json -> the configuration. */
export async function configNamed(text: string): Promise<ModelConfig> {
  if (!text.endsWith(".json")) return preset(text);
  const name = basename(text);
  return parseStoredConfig(await readRegular(text, most, name), name);
}
