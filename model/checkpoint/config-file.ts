// A configuration as a person names it: a published model, or a JSON file of a published form or of ours.
import { basename } from "node:path";
import { parseJson } from "../../data/formats/json.ts";
import { readRegular } from "../../data/formats/regular.ts";
import { type Known, overrideIn, presetNamed } from "../families.ts";

const most = 2 ** 20;

/** "ViT-B-16" or a path that ends in .json -> what it says of the model; what it leaves open the checkpoint decides. */
export const configNamed = async (text: string): Promise<object> => (await knownNamed(text)).config;

/** The same, and whose it is. */
export async function knownNamed(text: string): Promise<Known> {
  if (!text.endsWith(".json")) return presetNamed(text);
  const name = basename(text);
  return overrideIn(parseJson(await readRegular(text, most, name), name, most), name);
}
