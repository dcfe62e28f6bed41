// Features of frozen towers, which lie beside the runs: killed or stopped while they are made, and damaged afterwards.
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { failingDisk } from "./hooks.ts";
import { type Finding, firstFault, nothingTried, type Row, type Scale, Tally, triedOf } from "./row.ts";
import { differenceTo, type Ended, lastLines, type Launch, site, stateOf, train, until } from "./site.ts";

/** Both towers are frozen, so both have features. */
const flags = ["--lock-image", "--lock-text", "--cache-features", "--steps", "4"];

const kept = (folder: string) => join(folder, "cache", "emotionclip", "features");

/** A training whose features lie in a folder's own cache; the driver's compiled kernels stay where they are. */
function trained(folder: string, launch: Launch = {}, owner = folder): Promise<Ended> {
  const caches = process.env.XDG_CACHE_HOME ?? join(homedir(), ".cache");
  const env = { XDG_CACHE_HOME: join(owner, "cache"), MESA_SHADER_CACHE_DIR: caches };
  return train({ ...launch, folder, flags, env });
}

export const features: Row = {
  name: "kept features",
  bar: "killed at every call on them, stopped while they are made, damaged: made anew where they lack, same bits",
  async measure(scale: Scale): Promise<Finding> {
    const whole = site("whole");
    const first = await trained(whole, { hook: failingDisk({ folder: "features", at: 0, code: "" }) });
    if (first.code !== 0) return { measured: lastLines(first), ok: false };
    const calls = Number(/calls on the disk: (\d+)/.exec(first.err)?.[1]);
    const nothing = nothingTried("calls on the disk", calls, calls, scale);
    if (nothing) return nothing;
    const wanted = await stateOf(whole);
    const tally = new Tally();
    for (const at of triedOf(calls, scale)) {
      const folder = site("features");
      const killed = await trained(folder, { hook: failingDisk({ folder: "features", at, code: "SIGKILL" }) });
      const fault = firstFault([killed.code !== null, `not killed: exit code ${killed.code}`]);
      tally.note(`call ${at}`, fault ?? (await goneOn(folder, wanted)));
    }
    tally.note("SIGINT", await stopped(wanted));
    tally.note("a flipped bit", await damaged(whole, wanted));
    return tally.finding(`faults of features with ${calls} calls: same bits`);
  },
};

async function goneOn(folder: string, wanted: string): Promise<string | undefined> {
  const ended = await trained(folder);
  return firstFault([ended.code !== 0, lastLines(ended)]) ?? differenceTo(wanted, folder);
}

async function stopped(wanted: string): Promise<string | undefined> {
  const folder = site("features");
  let sent = 0;
  const ended = await trained(folder, {
    meanwhile: async (child) => {
      await until(child, () => existsSync(kept(folder)) && rowsIn(folder).length > 0);
      child.kill("SIGINT");
      sent = performance.now();
    },
  });
  const seconds = (performance.now() - sent) / 1000;
  return (
    firstFault([ended.code !== 130, `exit code ${ended.code}: ${lastLines(ended)}`], [seconds > 10, `${seconds} s`]) ??
    goneOn(folder, wanted)
  );
}

/** Another run on the same features, one of which has another bit. */
async function damaged(folder: string, wanted: string): Promise<string | undefined> {
  const [path] = rowsIn(folder);
  const bytes = readFileSync(path);
  bytes[bytes.length >> 1] ^= 1;
  writeFileSync(path, bytes);
  const elsewhere = site("features");
  const ended = await trained(elsewhere, {}, folder);
  return firstFault([ended.code !== 0, lastLines(ended)]) ?? differenceTo(wanted, elsewhere);
}

const rowsIn = (folder: string): string[] =>
  readdirSync(kept(folder))
    .map((name) => join(kept(folder), name, "features.f32"))
    .filter((path) => existsSync(path));
