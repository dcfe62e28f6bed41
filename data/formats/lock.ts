// One process per run folder. The lock is a file that names its owner and where he runs; an owner that is known to be dead
// loses it with one line of notice. Of one on another host or in another container nothing is known but the lock's time, which
// its owner renews: such a lock is never taken over by its pid. On Linux an abstract socket, which the kernel releases even after SIGKILL, decides between two who take over at once.
import { createHash, randomUUID } from "node:crypto";
import { readFile, realpath, stat } from "node:fs/promises";
import { createServer, type Server } from "node:net";
import { join } from "node:path";
import { BusyError } from "../../engine/errors.ts";
import { orMissing, unreadable } from "./cause.ts";
import { createExclusive, move, remove, temporaryName, touch } from "./disk.ts";
import { placeHere, isRunning, type Place } from "./place.ts";

/** Seconds between two signs of life of a lock's owner. */
const beat = 15;

/** Seconds without one after which an owner of before the machine's last start counts as dead. */
const silence = 4 * beat;

interface Owner extends Place {
  readonly pid: number;
  /** Start time of the process in clock ticks since boot; "" where the system does not tell. */
  readonly started: string;
  /** When the lock was taken, for people. */
  readonly since: string;
  readonly token: string;
}

/** A held lock on a run folder. */
export class Lock {
  private readonly heart: NodeJS.Timeout;

  private constructor(
    private readonly path: string,
    private readonly text: string,
    private readonly socket: Server | undefined,
  ) {
    this.heart = setInterval(() => touch(path).catch(() => {}), beat * 1000).unref();
  }

  /** Takes the lock of `folder`, or throws BusyError with what is known of its owner and what to do. */
  static async take(folder: string, notice: (line: string) => void): Promise<Lock> {
    const path = join(folder, "lock");
    const place = await realpath(folder).catch(unreadable(folder));
    const socket = await listen(place);
    try {
      if (socket === "busy") throw await busy(folder, ownerIn(await textOf(path)));
      const text = JSON.stringify(await self());
      await claim(folder, path, text, notice);
      return new Lock(path, text, socket);
    } catch (error) {
      if (socket && socket !== "busy") socket.close();
      throw error;
    }
  }

  /** Gives the folder back, unless someone else holds it by now. Errors: DiskError where that cannot be read, or the lock not be removed. */
  async release(): Promise<void> {
    clearInterval(this.heart);
    try {
      if ((await textOf(this.path)) === this.text) await remove(this.path);
    } finally {
      this.socket?.close();
    }
  }
}

/** Who holds the lock of `folder`, in words; undefined where nobody is known to. Takes and changes nothing. */
export async function holderOf(folder: string): Promise<string | undefined> {
  const path = join(folder, "lock");
  const owner = ownerIn(await textOf(path));
  if (!owner || !(await mayLive(owner, path))) return undefined;
  return `process ${owner.pid} on ${owner.host}${elsewhere(owner) ?? ""}`;
}

async function claim(folder: string, path: string, text: string, notice: (line: string) => void): Promise<void> {
  for (let attempt = 0; attempt < 5; attempt++) {
    if (await createExclusive(path, text)) return;
    const found = await textOf(path);
    if (found === undefined) continue; // released meanwhile
    const owner = ownerIn(found);
    if (await mayLive(owner, path)) throw await busy(folder, owner);
    // Moved aside before it is removed: had someone taken over meanwhile, his lock would show here.
    const aside = temporaryName(path);
    await move(path, aside);
    const moved = await textOf(aside);
    await remove(aside);
    if (moved !== found) throw await busy(folder, ownerIn(moved));
    notice(
      `${folder}: the process before${owner ? ` (${owner.pid})` : ""} ended without releasing its lock; taken over`,
    );
  }
  throw await busy(folder, undefined);
}

async function busy(folder: string, owner: Owner | undefined): Promise<BusyError> {
  if (!owner) return new BusyError(`${folder}: in use by another process`);
  const message = `${folder}: in use by process ${owner.pid} on ${owner.host}`;
  const where = elsewhere(owner);
  if (where === undefined) return new BusyError(message);
  const lock = join(folder, "lock");
  const age = await ageOf(lock);
  const life = age === undefined ? "" : `, last sign of life ${Math.round(age)} s ago (it gives one every ${beat} s)`;
  return new BusyError(
    `${message}${where}, since ${owner.since}${life}; whether it still runs cannot be seen from here: if it has ended, delete ${lock}`,
  );
}

/** How an owner's place differs from ours, in words; undefined where its pid means something here. */
function elsewhere({ host, boot, namespace }: Owner): string | undefined {
  if (host !== placeHere.host) return "";
  if (boot !== placeHere.boot)
    return namespace === placeHere.namespace ? undefined : ", on another boot or machine of that name";
  return namespace === placeHere.namespace ? undefined : `, in another container (${namespace || "unknown"})`;
}

/**
 * False only when the owner is known to be dead. An unreadable lock was never finished. One in a container that ran before the
 * last start of the machine is dead; of one in a container of a like-named machine the lock is young.
 */
async function mayLive(owner: Owner | undefined, path: string): Promise<boolean> {
  if (!owner) return false;
  if (owner.host !== placeHere.host) return true;
  const [sameBoot, sameNamespace] = [owner.boot === placeHere.boot, owner.namespace === placeHere.namespace];
  if (!sameBoot) return !sameNamespace && ((await ageOf(path)) ?? 0) < silence;
  return !sameNamespace || (isRunning(owner.pid) && owner.started === (await startOf(owner.pid)));
}

/** Seconds since a lock's owner last renewed it. */
async function ageOf(path: string): Promise<number | undefined> {
  const found = await stat(path).catch(() => undefined);
  return found && Math.max(0, (Date.now() - found.mtimeMs) / 1000);
}

async function self(): Promise<Owner> {
  const { pid } = process;
  return { pid, started: await startOf(pid), ...placeHere, since: new Date().toISOString(), token: randomUUID() };
}

function ownerIn(text: string | undefined): Owner | undefined {
  try {
    const {
      pid,
      started,
      host,
      boot,
      namespace = placeHere.namespace,
      since = "unknown",
      token,
    } = JSON.parse(text ?? "");
    const whole = Number.isSafeInteger(pid) && pid > 0;
    if (!whole || typeof host !== "string") return undefined;
    return { pid, started, host: plain(host), boot, namespace: plain(namespace), since: plain(since), token };
  } catch {
    return undefined;
  }
}

/** What a terminal may show. A lock of before 0.2 tells neither namespace nor time. */
const plain = (text: unknown): string =>
  String(text)
    .replace(/[^\w.:[\]-]/g, "?")
    .slice(0, 80);

/** Field 22 of /proc/<pid>/stat; the name in field 2 may hold spaces, so fields count from its closing bracket. */
async function startOf(pid: number): Promise<string> {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => undefined);
  return stat?.slice(stat.lastIndexOf(")") + 2).split(" ")[19] ?? "";
}

/** What a lock says; undefined where there is none. Errors: DiskError for one that is there and cannot be read. */
const textOf = (path: string): Promise<string | undefined> => readFile(path, "utf8").catch(orMissing(path));

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
