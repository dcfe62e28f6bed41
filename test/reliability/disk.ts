// The disk under a training: each of its calls fails in turn, their order, damaged checkpoints, and folders nobody can write to.
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  cpSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import {
  checkpointName,
  checkpointSteps,
  digest,
  newestCheckpoint,
  readManifest,
} from "../../model/checkpoint/folder.ts";
import { failingDisk } from "./hooks.ts";
import { seeded } from "./kills.ts";
import { type Finding, firstFault, type Row, type Scale, skipped, Tally, triedOf } from "./row.ts";
import {
  difference,
  emotionclip,
  type Ended,
  finished,
  lastLines,
  logged,
  runFolder,
  site,
  train,
  until,
} from "./site.ts";

/** A run that is short, since each of its calls costs two of it. */
const short = ["--steps", "4"];

const place = join("runs", "tiny");

/** Calls on the run folder of a short run. */
async function callsOf(): Promise<number> {
  const { err } = await train({ flags: short, hook: failingDisk({ folder: place, at: 0, code: "" }) });
  return Number(/calls on the disk: (\d+)/.exec(err)?.[1]);
}

export const killedCalls: Row = {
  name: "killed calls",
  bar: "SIGKILL at every call on the run folder: 100 % resume to the same bits",
  async measure(scale: Scale): Promise<Finding> {
    const tally = new Tally();
    const calls = await callsOf();
    for (const at of triedOf(calls, scale)) {
      const folder = site("killed");
      await train({ folder, flags: short, hook: failingDisk({ folder: place, at, code: "SIGKILL" }) });
      tally.note(`call ${at}`, await finished(folder, short));
    }
    return tally.finding(`of ${calls} calls: killed there, resumed to the same bits`);
  },
};

export const failedCalls: Row = {
  name: "failing calls",
  bar: "EIO, ENOSPC, EACCES at every call: told with path and cause or overcome, then 100 % identical",
  async measure(scale: Scale): Promise<Finding> {
    const tally = new Tally();
    const calls = await callsOf();
    for (const at of triedOf(calls, scale)) {
      const folder = site("failed");
      const code = ["EIO", "ENOSPC", "EACCES"][at % 3];
      const ended = await train({ folder, flags: short, hook: failingDisk({ folder: place, at, code }) });
      tally.note(`${code} at call ${at}`, (await failureFault(ended, folder, code)) ?? (await finished(folder, short)));
    }
    return tally.finding(`of ${calls} calls: reported by path and cause, resumed to the same bits`);
  },
};

/** What is wrong with how a failing call was met: overcome, with the same result, or told by path, cause and exit code. */
async function failureFault(ended: Ended, folder: string, code: string): Promise<string | undefined> {
  if (ended.code === 0) {
    const fault = await difference(folder, ended, short);
    rmSync(runFolder(folder), { recursive: true, force: true }); // finished: it is not gone on with
    return fault;
  }
  const message = ended.err.split("\n").find((line) => line.startsWith("error: ")) ?? "";
  return firstFault(
    [ended.code !== 6 && ended.code !== 3, `exit code ${ended.code}: ${lastLines(ended)}`],
    [!message.includes(place) && !/ckpt-|config\.json|metrics\.jsonl/.test(message), `no path: ${message}`],
    [!message.includes(code) && !/no space|denied|permission|input\/output/i.test(message), `no cause: ${message}`],
  );
}

const hasStrace = () => {
  try {
    execFileSync("strace", ["-V"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
};

/** What the system saw of a training: one call a line, with paths of descriptors. */
async function traced(calls: string, folder: string): Promise<string[] | undefined> {
  if (!hasStrace()) return undefined;
  const log = join(folder, "strace.txt");
  const ended = await train({
    folder,
    under: ["strace", "-f", "-qq", "-y", "-s", "256", "-e", `trace=${calls}`, "-o", log],
  });
  if (ended.code !== 0) throw new Error(`under strace: ${lastLines(ended)}`);
  return joined(readFileSync(log, "utf8").split("\n"));
}

/** A call that was interrupted by another thread's stands where it ended. */
function joined(lines: readonly string[]): string[] {
  const begun = new Map<string, string>();
  return lines.flatMap((line) => {
    const thread = line.split(" ")[0];
    if (line.endsWith("<unfinished ...>")) {
      begun.set(thread, line.replace(/\s*<unfinished \.\.\.>$/, ""));
      return [];
    }
    return /<\.\.\. \w+ resumed>/.test(line)
      ? [`${begun.get(thread) ?? thread}${line.replace(/^.*?resumed>/, "")}`]
      : [line];
  });
}

export const callOrder: Row = {
  name: "order of calls",
  bar: "0 renames before fsync, 0 folders unflushed, 0 deletes before the commit",
  async measure(): Promise<Finding> {
    const folder = site("order");
    const lines = await traced("write,pwrite64,writev,fsync,rename,renameat,renameat2,unlink,unlinkat,rmdir", folder);
    if (!lines) return skipped("strace is not installed (npm test holds the order of our own calls)");
    const tally = new Tally();
    for (const [at, line] of lines.entries()) {
      const [, from, to] = /rename\w*\(.*?"([^"]*tiny\/[^"]+)".*?"([^"]*)"/.exec(line) ?? [];
      if (from?.includes(".tmp-")) tally.note(to.slice(-40), orderFault(lines, at, from, to));
    }
    return tally.finding("names appeared after their bytes, and durably before anything was deleted");
  },
};

function orderFault(lines: readonly string[], at: number, from: string, to: string): string | undefined {
  const name = from.slice(from.lastIndexOf("/") + 1);
  const lastOf = (calls: RegExp) => {
    const found = new Map<string, number>();
    for (const [i, line] of lines.slice(0, at).entries()) {
      const path = calls.test(line) ? /<(\/[^>]*)>/.exec(line)?.[1] : undefined;
      if (path?.includes(name)) found.set(path, i);
    }
    return found;
  };
  const [written, flushed] = [lastOf(/ (write|pwrite64|writev)\(/), lastOf(/ fsync\(/)];
  const unflushed = [...written].find(([path, i]) => !((flushed.get(path) ?? -1) > i));
  const isFolder = /ckpt-\d+$/.test(to);
  const after = lines.slice(at + 1);
  const durable = after.findIndex((line) => / fsync\(/.test(line) && line.includes(`${place}>`));
  const deleted = after.findIndex((line) => / (unlink|unlinkat|rmdir)\(/.test(line) && line.includes("ckpt-"));
  return firstFault(
    [written.size === 0, "nothing was written"],
    [unflushed !== undefined, `${unflushed?.[0].slice(-60)} was not flushed before`],
    [isFolder && ![...flushed.keys()].some((path) => path.endsWith(name)), "the folder was not flushed before"],
    [durable < 0, "the run folder was not flushed after"],
    [deleted >= 0 && deleted < durable, "a checkpoint was deleted before the new one was durable"],
  );
}

const files = ["manifest.json", "model.safetensors", "optimizer.safetensors"];
const damages: readonly ((file: string, at: number) => void)[] = [
  (file, at) => {
    const bytes = readFileSync(file);
    bytes[Math.floor(at * bytes.length)] ^= 1 << Math.floor((at * 8191) % 8);
    writeFileSync(file, bytes);
  },
  (file, at) => truncateSync(file, Math.floor(statSync(file).size * at)),
  (file) => writeFileSync(file, new Uint8Array(statSync(file).size)),
  (file) => unlinkSync(file),
];

export const damagedCheckpoints: Row = {
  name: "damaged checkpoint",
  bar: "flipped, cut, zero-filled, missing: 100 % detected, the one before used; named itself: refused",
  async measure({ damages: count }: Scale): Promise<Finding> {
    const origin = site("sound");
    await train({
      folder: origin,
      meanwhile: async (child) => (await until(child, () => logged(origin) > 12)) && child.kill("SIGKILL"),
    });
    const [newest, before] = await checkpointSteps(runFolder(origin));
    const wanted = await digestIn(join(runFolder(origin)), before);
    const tally = new Tally();
    const random = seeded(2);
    for (let k = 0; k < count; k++) {
      const folder = site("damaged");
      cpSync(origin, folder, { recursive: true });
      const damaged = join(runFolder(folder), checkpointName(newest));
      damages[k % 4](join(damaged, files[Math.floor(random() * 3)]), random());
      tally.note(`damage ${k + 1}`, await fallbackFault(folder, before, wanted));
      if (k < 4)
        tally.note(`run after damage ${k + 1}`, (await namedFault(folder, newest)) ?? (await finished(folder)));
      rmSync(folder, { recursive: true });
    }
    return tally.finding("damages detected, the checkpoint before used");
  },
};

const digestIn = async (run: string, step: number): Promise<string> =>
  digest(await readManifest(join(run, checkpointName(step))));

async function fallbackFault(folder: string, before: number, wanted: string): Promise<string | undefined> {
  const warned: string[] = [];
  const found = await newestCheckpoint(runFolder(folder), (line) => warned.push(line));
  await found?.close();
  return firstFault(
    [warned.length !== 1, `${warned.length} warnings`],
    [found?.manifest.step !== before, `step ${found?.manifest.step} was used`],
    [found !== undefined && digest(found.manifest) !== wanted, "other bits"],
  );
}

async function namedFault(folder: string, step: number): Promise<string | undefined> {
  const { code, err } = await emotionclip(["inspect", "--digest", join(place, checkpointName(step))], { folder });
  return firstFault([code !== 3, `named itself: exit code ${code}`], [!err.includes(checkpointName(step)), err]);
}

export const unwritable: Row = {
  name: "unwritable folder",
  bar: "read-only, a file in the way, no space for two checkpoints: found before the GPU is opened, exit 6 or 2, both numbers",
  async measure(): Promise<Finding> {
    const tally = new Tally();
    const inTheWay = site("file");
    mkdirSync(join(inTheWay, "runs"));
    writeFileSync(runFolder(inTheWay), "");
    tally.note("a file", refusalFault(await train({ folder: inTheWay }), /runs\/tiny: .*(exists|not a)/i));
    const full = site("full");
    if (mounted(full, "600k")) {
      tally.note("no space", refusalFault(await train({ folder: full }), /needs \d+ MB, but only \d+ MB are free/));
      unmounted(full);
    }
    const readOnly = site("read-only");
    if (mounted(readOnly, "8m", "ro")) {
      tally.note("read-only", refusalFault(await train({ folder: readOnly }), /runs.*(read-only|EROFS)/i));
      unmounted(readOnly);
    } else {
      mkdirSync(join(readOnly, "runs"));
      chmodSync(join(readOnly, "runs"), 0o555);
      if (process.getuid?.() !== 0)
        tally.note("read-only", refusalFault(await train({ folder: readOnly }), /runs.*(denied|EACCES)/i));
    }
    return tally.finding("found before the GPU is opened");
  },
};

/** A refusal that names what is wrong, before a device was asked for. */
const refusalFault = (ended: Ended, message: RegExp): string | undefined =>
  firstFault(
    [ended.code !== 6, `exit code ${ended.code}: ${lastLines(ended)}`],
    [!message.test(ended.err), lastLines(ended)],
    [/ on .*(llvmpipe|swiftshader|nvidia|amd|intel)/i.test(ended.out), "the GPU had been opened"],
  );

/** A disk of its own under a site's runs, where this process may mount one. */
function mounted(folder: string, size: string, mode = "rw"): boolean {
  mkdirSync(join(folder, "runs"), { recursive: true });
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", `size=${size},${mode}`, "tmpfs", join(folder, "runs")], {
      stdio: "ignore",
    });
    return true;
  } catch {
    return false;
  }
}

const unmounted = (folder: string) => execFileSync("umount", [join(folder, "runs")], { stdio: "ignore" });

export const fullDisk: Row = {
  name: "full disk",
  bar: "a disk that fills up on the way: exit 6 with path and cause; with room again the same bits",
  async measure(): Promise<Finding> {
    const folder = site("filled");
    if (!mounted(folder, "4m")) return skipped("a tmpfs cannot be mounted here (needs root)");
    const filler = join(folder, "runs", "filler");
    try {
      const ended = await train({
        folder,
        meanwhile: async (child) => (await until(child, () => logged(folder) >= 3)) && fill(filler),
      });
      const fault = firstFault(
        [ended.code !== 6, `exit code ${ended.code}: ${lastLines(ended)}`],
        [!/runs\/tiny.*(no space|ENOSPC)/i.test(ended.err), lastLines(ended)],
      );
      rmSync(filler);
      const tally = new Tally();
      tally.note("the disk", fault ?? (await finished(folder)));
      return tally.finding("runs stopped with exit 6 and resumed to the same bits");
    } finally {
      unmounted(folder);
    }
  },
};

/** Writes until nothing more fits. */
function fill(path: string): void {
  const piece = Buffer.alloc(2 ** 14);
  try {
    for (;;) writeFileSync(path, piece, { flag: "a" });
  } catch {} // it is full
}

/** No connection, as the system saw it. */
export const noNetwork: Row = {
  name: "no network",
  bar: "0 connections",
  async measure(): Promise<Finding> {
    const lines = await traced("connect,sendto", site("network"));
    if (!lines) return skipped("strace is not installed");
    const outside = lines.filter((line) => /AF_INET/.test(line));
    return {
      measured: `${outside.length} connections${outside[0] ? `: ${outside[0].slice(0, 100)}` : ""}`,
      ok: outside.length === 0,
    };
  },
};
