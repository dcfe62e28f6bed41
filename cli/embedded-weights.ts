// Weights that come with the program, by the name that a recipe or --checkpoint has for them.
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** Name -> file below the program's folder. */
const embedded: Readonly<Record<string, string>> = { "clip-stage": "data/stage/faces/clip.safetensors" };

/** The path of weights: what is on the disk under this name, or else what comes with the program. */
export const weightsAt = (given: string): string =>
  Object.hasOwn(embedded, given) && !existsSync(given) ? join(root, embedded[given]) : given;
