// Tuned kernel choices: one small JSON file per adapter in the user's cache folder, written by `emotionclip tune`.
import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";

/** The user's cache folder for this project. */
export const cacheFolder = (): string => join(process.env.XDG_CACHE_HOME ?? join(homedir(), ".cache"), "emotionclip");

/** Where the choices for an adapter are kept; `adapter` is DeviceFacts.adapter. */
export const tunedPath = (adapter: string): string =>
  join(cacheFolder(), `tuned-${adapter.replace(/[^\w.]+/g, "-")}.json`);

/** Choices by shape class; empty where there is no readable file: tuning is never needed to run. */
export function loadTuned(adapter: string): ReadonlyMap<string, string> {
  try {
    const file = JSON.parse(readFileSync(tunedPath(adapter), "utf8")) as {
      version: number;
      choices: Record<string, string>;
    };
    return new Map(file.version === 1 ? Object.entries(file.choices) : []);
  } catch {
    return new Map();
  }
}
