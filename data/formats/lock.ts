// One process per run folder. The lock is a file that names its owner; an owner that is dead loses it with one line of
// notice. On Linux an abstract socket, which the kernel releases even after SIGKILL, decides between two who take over at once.
import { createHash, randomUUID } from "node:crypto";
import { readFile, realpath } from "node:fs/promises";
import { createServer, type Server } from "node:net";
import { hostname } from "node:os";
import { join } from "node:path";
import { BusyError } from "../../engine/errors.ts";
import { createExclusive, isRunning, move, remove, temporaryName } from "./disk.ts";

interface Owner {
  readonly pid: number;
  /** Start time of the process in clock ticks since boot; "" where the system does not tell. */
  readonly started: string;
  readonly host: string;
  readonly boot: string;
  readonly token: string;
}

/** A held lock on a run folder. */
export class Lock {
  private constructor(
    private readonly path: string,
    private readonly text: string,
    private readonly socket: Server | undefined,
  ) {}

  /** Takes the lock of `folder`, or throws BusyError naming pid and host of its owner. */
  static async take(folder: string, notice: (line: string) => void): Promise<Lock> {
    const path = join(folder, "lock");
    const socket = await listen(await realpath(folder));
    try {
      if (socket === "busy") throw busy(folder, ownerIn(await textOf(path)));
      const text = JSON.stringify(await self());
      await claim(folder, path, text, notice);
      return new Lock(path, text, socket);
    } catch (error) {
      if (socket && socket !== "busy") socket.close();
      throw error;
    }
  }

  /** Gives the folder back, unless someone else holds it by now. */
  async release(): Promise<void> {
    try {
      if ((await textOf(this.path)) === this.text) await remove(this.path);
    } finally {
      this.socket?.close();
    }
  }
}

async function claim(folder: string, path: string, text: string, notice: (line: string) => void): Promise<void> {
  for (let attempt = 0; attempt < 5; attempt++) {
    if (await createExclusive(path, text)) return;
    const found = await textOf(path);
    if (found === undefined) continue; // released meanwhile
    const owner = ownerIn(found);
    if (await mayLive(owner)) throw busy(folder, owner);
    // Moved aside before it is removed: had someone taken over meanwhile, his lock would show here.
    const aside = temporaryName(path);
    await move(path, aside);
    const moved = await textOf(aside);
    await remove(aside);
    if (moved !== found) throw busy(folder, ownerIn(moved));
    notice(
      `${folder}: the process before${owner ? ` (${owner.pid})` : ""} ended without releasing its lock; taken over`,
    );
  }
  throw busy(folder, undefined);
}

function busy(folder: string, owner: Owner | undefined): BusyError {
  if (!owner) return new BusyError(`${folder}: in use by another process`);
  const elsewhere = owner.host === hostname() ? "" : `; if it has ended, delete ${join(folder, "lock")}`;
  return new BusyError(`${folder}: in use by process ${owner.pid} on ${owner.host}${elsewhere}`);
}

/** False only when the owner is known to be dead. An unreadable lock was never finished. */
async function mayLive(owner: Owner | undefined): Promise<boolean> {
  if (!owner) return false;
  if (owner.host !== hostname()) return true;
  if (owner.boot !== (await bootId())) return false;
  return isRunning(owner.pid) && owner.started === (await startOf(owner.pid));
}

async function self(): Promise<Owner> {
  const { pid } = process;
  return { pid, started: await startOf(pid), host: hostname(), boot: await bootId(), token: randomUUID() };
}

function ownerIn(text: string | undefined): Owner | undefined {
  try {
    const { pid, started, host, boot, token } = JSON.parse(text ?? "");
    const whole = Number.isSafeInteger(pid) && pid > 0;
    return whole && typeof host === "string"
      ? { pid, started, host: host.replace(/[^\w.-]/g, "?"), boot, token }
      : undefined;
  } catch {
    return undefined;
  }
}

/** Field 22 of /proc/<pid>/stat; the name in field 2 may hold spaces, so fields count from its closing bracket. */
async function startOf(pid: number): Promise<string> {
  const stat = await textOf(`/proc/${pid}/stat`);
  return stat?.slice(stat.lastIndexOf(")") + 2).split(" ")[19] ?? "";
}

async function bootId(): Promise<string> {
  return (await textOf("/proc/sys/kernel/random/boot_id"))?.trim() ?? "";
}

async function textOf(path: string): Promise<string | undefined> {
  return readFile(path, "utf8").catch(() => undefined);
}

/** Holds the abstract socket of a folder; undefined where there is no such thing. */
function listen(folder: string): Promise<Server | "busy" | undefined> {
  if (process.platform !== "linux") return Promise.resolve(undefined);
  const name = createHash("sha256").update(folder).digest("hex").slice(0, 32);
  return new Promise((resolve) => {
    const server = createServer((connection) => connection.destroy());
    server.once("error", (error: NodeJS.ErrnoException) => resolve(error.code === "EADDRINUSE" ? "busy" : undefined));
    server.listen({ path: `\0emotionclip-${name}` }, () => resolve(server.unref()));
  });
}
