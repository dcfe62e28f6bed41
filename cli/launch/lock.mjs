// One process at a time: a folder that its holder touches every second.
import { mkdirSync, rmSync, statSync, utimesSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";

/** A holder that has not touched its lock for so long (ms) is gone. */
const GONE = 30_000;

/**
 * Runs `work` while no other process works under the same lock.
 * @template R
 * @param {string} path of a folder that does not exist otherwise
 * @param {() => Promise<R>} work
 * @param {() => void} waiting told once, if another process is at it
 * @param {AbortSignal} stop ends the waiting
 * @returns {Promise<R>}
 */
export async function alone(path, work, waiting, stop) {
  for (let told = false; !taken(path); await pause(500, undefined, { signal: stop })) {
    if (!told) waiting();
    told = true;
  }
  const beat = setInterval(() => utimesSync(path, new Date(), new Date()), 1000);
  try {
    return await work();
  } finally {
    clearInterval(beat);
    rmSync(path, { recursive: true, force: true });
  }
}

function taken(path) {
  try {
    mkdirSync(path);
    return true;
  } catch (error) {
    if (error.code !== "EEXIST") throw error;
    const held = statSync(path, { throwIfNoEntry: false });
    if (held && Date.now() - held.mtimeMs > GONE) rmSync(path, { recursive: true, force: true });
    return false;
  }
}
