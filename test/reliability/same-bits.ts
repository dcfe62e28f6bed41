// What may not change a bit: threads, workers, memory, Node's own locks; and what may, which is then said.
import { cpSync, existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { createHash } from "node:crypto";
import { join, resolve } from "node:path";
import { checkpointName, checkpointSteps } from "../../model/checkpoint/folder.ts";
import { type Finding, firstFault, type Row, type Scale, Tally } from "./row.ts";
import {
  difference,
  type Ended,
  lastLines,
  type Launch,
  logged,
  runFolder,
  site,
  stateOf,
  train,
  undisturbed,
  until,
} from "./site.ts";

/** The digest of a run's last checkpoint. */
const bitsOf = async (folder: string) => (await stateOf(folder)).split("\n")[0];

export const threads: Row = {
  name: "threads",
  bar: "workers 0, 1, 2, 4 and raster threads 1, 2: equal digests",
  async measure(): Promise<Finding> {
    const tally = new Tally();
    const wanted = (await undisturbed()).split("\n")[0];
    const cases: [string, Launch][] = [
      ...["1", "2", "4"].map((n): [string, Launch] => [`${n} workers`, { flags: ["--workers", n] }]),
      ...["1", "2"].map((n): [string, Launch] => [`${n} raster threads`, { env: { LP_NUM_THREADS: n } }]),
    ];
    for (const [name, launch] of cases) {
      const folder = site("threads");
      const ended = await train({ ...launch, folder });
      const isSame = ended.code === 0 && (await bitsOf(folder)) === wanted;
      tally.note(name, firstFault([ended.code !== 0, lastLines(ended)], [!isSame, "other bits"]));
    }
    return tally.finding("digests equal");
  },
};

export const hostMemory: Row = {
  name: "host memory",
  bar: "--max-old-space-size=128 and at most 500 MB resident: same bits",
  async measure(): Promise<Finding> {
    const folder = site("memory");
    const ended = await train({ folder, node: ["--max-old-space-size=128"] });
    const logs = readFileSync(join(runFolder(folder), "metrics.jsonl"), "utf8");
    const most = Math.max(ended.peak, ...[...logs.matchAll(/"rss":(\d+)/g)].map(([, bytes]) => Number(bytes)));
    const fault = await difference(folder, ended);
    return { measured: fault ?? `${Math.round(most / 1e6)} MB, same bits`, ok: fault === undefined && most <= 500e6 };
  },
};

/** The collector looks twenty times a second: what only it held a reference to is gone. */
const collecting = "setInterval(() => globalThis.gc(), 50).unref();";

export const collections: Row = {
  name: "forced collections",
  bar: "the collector runs every 50 ms: 0 crashes, 0 hangs, same bits",
  async measure({ kills }: Scale): Promise<Finding> {
    const tally = new Tally();
    const flags = ["--steps", "4"];
    for (let k = 1; k <= Math.ceil(kills / 4); k++) {
      const folder = site("collections");
      const ended = await train({ folder, flags, node: ["--expose-gc"], hook: collecting });
      tally.note(`run ${k}`, await difference(folder, ended, flags));
    }
    return tally.finding("runs under forced collections, same bits");
  },
};

const permission = Number(process.versions.node.split(".")[0]) >= 24 ? "--permission" : "--experimental-permission";

export const locks: Row = {
  name: "Node's locks",
  bar: "no prototypes, frozen intrinsics, no code from strings; writing allowed in the run folder alone: same bits",
  async measure(): Promise<Finding> {
    const tally = new Tally();
    const intrinsics = ["--disable-proto=throw", "--frozen-intrinsics", "--disallow-code-generation-from-strings"];
    const first = site("locks");
    tally.note("intrinsics", await difference(first, await train({ folder: first, node: intrinsics })));
    const second = site("locks");
    const rights = [
      permission,
      "--allow-addons",
      "--allow-fs-read=*",
      `--allow-fs-write=${join(second, "runs")}`,
      `--allow-fs-write=${join(second, "runs", "*")}`,
    ];
    tally.note("permissions", await difference(second, await train({ folder: second, node: rights })));
    return tally.finding("locks, same bits");
  },
};

export const elsewhere: Row = {
  name: "moved run",
  bar: "another adapter, another subgroup size, other data at the resume: said or refused",
  async measure(): Promise<Finding> {
    const tally = new Tally();
    tally.note(
      "adapter",
      saidFault(await resumed((folder) => relabel(folder, { adapter: "another" })), /adapter another ->/),
    );
    tally.note(
      "subgroups",
      saidFault(await resumed((folder) => relabel(folder, { subgroupSize: 64 })), /lanes of a subgroup 64 ->/),
    );
    tally.note("data", await clipsFault());
    return tally.finding("moves said or refused");
  },
};

/** Other clips in the folder of a run that was killed: refused, and accepted where they are named. */
export async function clipsFault(): Promise<string | undefined> {
  const data = join(site("data"), "clips");
  cpSync(tinyData(), data, { recursive: true });
  const folder = site("clips");
  const flags = ["--train-data", data, "--steps", "6"];
  await killedAt(folder, flags, 3);
  changeData(data);
  const refused = await train({ folder, flags });
  const named = await train({ folder, flags: [...flags, "--override", "clips"] });
  return firstFault(
    [refused.code !== 2 || !/clips "\w+.* -> .*--override clips/.test(refused.err), lastLines(refused)],
    [named.code !== 0 || !/settings other than the run began with: clips/.test(named.err), lastLines(named)],
  );
}

const killedAt = (folder: string, flags: readonly string[], most: number) =>
  train({
    folder,
    flags,
    meanwhile: async (child) => (await until(child, () => logged(folder) > most)) && child.kill("SIGKILL"),
  });

/** A run that is killed, changed and gone on with. */
async function resumed(change: (folder: string) => unknown): Promise<Ended> {
  const folder = site("moved");
  await killedAt(folder, [], 7);
  await change(folder);
  return train({ folder });
}

const saidFault = (ended: Ended, message: RegExp): string | undefined =>
  firstFault([ended.code !== 0, lastLines(ended)], [!message.test(ended.err), "not said"]);

/** Gives the newest checkpoint another place of origin, with a sound manifest. */
async function relabel(folder: string, change: object): Promise<void> {
  const [step] = await checkpointSteps(runFolder(folder));
  const path = join(runFolder(folder), checkpointName(step), "manifest.json");
  const { self: _, ...manifest } = JSON.parse(readFileSync(path, "utf8"));
  const changed = { ...manifest, ...change };
  const self = createHash("sha256").update(JSON.stringify(changed)).digest("hex");
  writeFileSync(path, `${JSON.stringify({ ...changed, self }, null, 2)}\n`);
}

/** Where the clips of the tiny preset lie once it has run. */
function tinyData(): string {
  const base = resolve("data", "stage", "shards");
  const name = existsSync(base) ? readdirSync(base).find((each) => each.endsWith("-tiny")) : undefined;
  if (name === undefined) throw new Error(`${base}: the tiny clips are not there; a run of the tiny preset makes them`);
  return join(base, name);
}

/** Makes the shard anew: other bytes (a later date), and a sound index of them. */
function changeData(folder: string): void {
  const path = join(folder, "train-index.json");
  const index = JSON.parse(readFileSync(path, "utf8"));
  const shard = join(folder, index.shards[0].file);
  const bytes = readFileSync(shard);
  const header = bytes.subarray(0, 512);
  header.write("14000000001", 136, "latin1");
  header.fill(" ", 148, 156);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  writeFileSync(shard, bytes);
  index.shards[0].sha256 = createHash("sha256").update(bytes).digest("hex");
  writeFileSync(path, JSON.stringify(index));
}
