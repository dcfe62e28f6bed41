// The user's cache folder: unpacked drivers, found adapters, tuned tables. Nothing in it is needed; all of it can be deleted.
import { accessSync, constants, mkdirSync, renameSync, statSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join } from "node:path";

/**
 * A folder that only this user can write: XDG_CACHE_HOME or ~/.cache, else `.cache` in the project.
 * Never the shared temporary folder, since a driver is loaded from here.
 * @param {string} root the project's folder
 * @returns {string}
 */
export function launchCacheFolder(root) {
  const tried = [];
  for (const folder of [usualFolder(), join(root, ".cache", "emotionclip")]) {
    if (!folder) continue;
    try {
      makeCacheFolder(folder, 0o700);
      accessSync(folder, constants.W_OK);
      if (process.getuid && statSync(folder).uid !== process.getuid()) throw new Error("it belongs to another user");
      return folder;
    } catch (error) {
      tried.push(`${folder}: ${error.message}`);
    }
  }
  throw Object.assign(new Error(`no folder for the cache; set XDG_CACHE_HOME\n  ${tried.join("\n  ")}`), {
    exitCode: 6,
  });
}

function usualFolder() {
  const { XDG_CACHE_HOME } = process.env;
  try {
    return join(XDG_CACHE_HOME || join(homedir(), ".cache"), "emotionclip"); // as engine/host/node.ts has it
  } catch {
    return undefined; // no HOME and no entry in the password file
  }
}

/**
 * Makes a folder and the ones above it. Node's recursive mkdir answers ENOENT whatever the reason is: read-only, say.
 * @param {string} path
 * @param {number} [mode]
 */
export function makeCacheFolder(path, mode) {
  try {
    mkdirSync(path, { mode });
  } catch (error) {
    if (statSync(path, { throwIfNoEntry: false })?.isDirectory()) return;
    if (error.code !== "ENOENT" || dirname(path) === path) throw error;
    makeCacheFolder(dirname(path), mode);
    try {
      mkdirSync(path, { mode });
    } catch (again) {
      if (!statSync(path, { throwIfNoEntry: false })?.isDirectory()) throw again; // else another process was faster
    }
  }
}

/**
 * A file appears whole or not at all, also when two processes write it at once.
 * @param {string} path
 * @param {string | Uint8Array} content
 */
export function writeWhole(path, content) {
  makeCacheFolder(dirname(path));
  const temporary = `${path}.tmp-${process.pid}`;
  writeFileSync(temporary, content);
  renameSync(temporary, path);
}
