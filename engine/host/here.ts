// The host this program runs on. package.json ("imports") says which file it is: bundlers for browsers take browser.ts by
// the condition of that name, everything else node.ts.
import { host } from "#host";
import { takes } from "../takes.ts";
import type { Host } from "./host.ts";

export const here: Host = host;

/** The user's cache folder for this project. */
export function cacheFolder(): string {
  takes("cacheFolder()", arguments);
  return here.cacheFolder();
}

/** Where the tuned choices for an adapter are kept; `adapter` is DeviceFacts.adapter. */
export function tunedPath(adapter: string): string {
  takes("tunedPath(adapter: text)", arguments);
  return here.tunedPath(adapter);
}
