// Where this process runs. A process id means something only there: containers have the host's name and boot, or each other's,
// and yet count processes of their own.
import { createHash } from "node:crypto";
import { readFileSync, readlinkSync } from "node:fs";
import { hostname } from "node:os";

export interface Place {
  readonly host: string;
  /** The kernel's boot id; "" where the system does not tell. */
  readonly boot: string;
  /** The namespace that process ids belong to, as in pid:[4026531836]; "" where the system has none. */
  readonly namespace: string;
}

export const placeHere: Place = {
  host: hostname(),
  boot: told(() => readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim()),
  namespace: told(() => readlinkSync("/proc/self/ns/pid")),
};

/** Eight hex digits that differ from place to place. */
export const placeTag: string = createHash("sha256")
  .update([placeHere.host, placeHere.boot, placeHere.namespace].join("\n"))
  .digest("hex")
  .slice(0, 8);

/** Whether a process of this number runs here: who wrote a temporary file, or who holds a lock. */
export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

function told(read: () => string): string {
  try {
    return read();
  } catch {
    return "";
  }
}
