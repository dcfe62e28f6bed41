// A configuration as a person names it: a published model, or a JSON file of the official form or of ours.
import { basename } from "node:path";
import { parseJson } from "../../data/formats/json.ts";
import { readRegular } from "../../data/formats/regular.ts";
import type { ModelConfig } from "../emotionclip/config.ts";
import { preset } from "../emotionclip/presets.ts";
import type { ConfigOverride } from "./describe.ts";
import { parseStoredConfig } from "./stored-config.ts";

const most = 2 ** 20;

/**
 * "ViT-B-16" or a path that ends in .json -> what it says of the model. A published name and an official file of towers
 * alone say nothing of head and subject, so the checkpoint decides those.
 */
export async function configNamed(text: string): Promise<ConfigOverride> {
  if (!text.endsWith(".json")) return towers(preset(text));
  const name = basename(text);
  const bytes = await readRegular(text, most, name);
  const config = parseStoredConfig(bytes, name);
  const json = parseJson(bytes, name, most);
  return typeof json === "object" && json !== null && "vision_cfg" in json ? towers(config) : config;
}

const towers = ({ embed, vision, text, activation }: ModelConfig): ConfigOverride => ({
  embed,
  vision,
  text,
  activation,
});
