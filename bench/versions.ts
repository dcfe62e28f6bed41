// The versions of the engines of the tables, as their packages say.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { versions } from "../train/runs/platform.ts";

/** Packages by the first word of an engine's name; all other rows are of this project. */
const packages: Readonly<Record<string, string>> = {
  "gpu.js": "gpu.js",
  tfjs: "@tensorflow/tfjs-backend-webgpu",
  "jax-js": "@jax-js/jax",
  onnxruntime: "onnxruntime-node",
};

/** The version of an engine; null where its package is not installed. */
export function versionOf(engine: string): string | null {
  const name = packages[engine.split(" ")[0]];
  if (name === undefined) return versions().program;
  for (const folder of createRequire(import.meta.url).resolve.paths(name) ?? []) {
    const version = versionIn(join(folder, name));
    if (version) return version;
  }
  return null;
}

function versionIn(folder: string): string | undefined {
  try {
    return (JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as { version?: string }).version;
  } catch {
    return undefined;
  }
}
