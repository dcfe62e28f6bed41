// Who holds a folder, where processes cannot see each other: containers have their own process ids and networks.
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { build } from "esbuild";
import { makeFolder, removeLeftovers } from "../../data/formats/disk.ts";
import { holderOf, Lock } from "../../data/formats/lock.ts";
import { BusyError, DiskError } from "../../engine/errors.ts";
import { makeCacheFolder as makeFolderOfLauncher } from "../../cli/launch/cache.mjs";
import { refusal } from "../kit/refusal.ts";
import { inTemporary } from "../kit/temporary.ts";

const root = mkdtempSync(join(tmpdir(), "emotionclip-"));
test.after(() => rmSync(root, { recursive: true, force: true }));

/** What a process elsewhere runs, as one file that Node can load. */
const bundle = join(root, "places.mjs");
await build({
  stdin: {
    contents: `export { Lock } from "./data/formats/lock.ts";
      export { makeFolder } from "./data/formats/disk.ts";
      export { makeCacheFolder as makeFolderOfLauncher } from "./cli/launch/cache.mjs";`,
    resolveDir: new URL("../..", import.meta.url).pathname,
  },
  bundle: true,
  platform: "node",
  format: "esm",
  outfile: bundle,
});
const module = JSON.stringify(bundle);

const canUnshare =
  spawnSync("unshare", ["--pid", "--net", "--mount", "--fork", "--mount-proc", "true"], { timeout: 20_000 }).status ===
  0;
const named = (name: string, run: () => unknown) =>
  canUnshare ? test(name, async () => void (await run())) : test.skip(`${name} (needs unshare as root)`, () => {});

/** Lets a process in namespaces of its own hold the lock of `folder` while `body` runs; it is killed afterwards. */
async function heldElsewhere(folder: string, body: () => Promise<void>): Promise<void> {
  const program = `const { Lock } = await import(${module});
    await Lock.take(${JSON.stringify(folder)}, console.error); console.log("held"); setInterval(() => {}, 1000);`;
  const node = [process.execPath, "--input-type=module", "-e", program];
  const flags = ["--pid", "--net", "--fork", "--mount-proc", "--kill-child"];
  const child = spawn("unshare", [...flags, ...node], { stdio: ["ignore", "pipe", "inherit"] });
  const ended = once(child, "exit");
  try {
    await Promise.race([once(child.stdout, "data"), ended]);
    assert.is(child.exitCode, null, "the other process holds the lock");
    await body();
  } finally {
    child.kill("SIGKILL");
    await ended;
  }
}

named("the lock of a live process in another container is not taken over", () =>
  inTemporary((folder) =>
    heldElsewhere(folder, async () => {
      const before = readFileSync(join(folder, "lock"), "utf8");
      const error = await refusal(Lock.take(folder, () => assert.unreachable("nothing is taken over")));
      assert.instance(error, BusyError);
      assert.match(error.message, /in another container \(pid:\[\d+\]\), since \d{4}-.*, last sign of life \d+ s ago/);
      assert.ok(error.message.endsWith(`if it has ended, delete ${join(folder, "lock")}`), error.message);
      assert.is(readFileSync(join(folder, "lock"), "utf8"), before);
    }),
  ),
);

test("only a lock whose owner is known to be dead is taken over, wherever he ran", () =>
  inTemporary(async (folder) => {
    const lock = await Lock.take(folder, () => {});
    const own = JSON.parse(readFileSync(join(folder, "lock"), "utf8"));
    await lock.release();
    const gone = 2 ** 30;
    const elsewhere = "pid:[1]";
    const cases: [string, object, number, RegExp | undefined][] = [
      ["another container", { pid: gone, namespace: elsewhere }, 9999, /in another container \(pid:\[1\]\)/],
      ["another host", { pid: gone, host: "else", namespace: elsewhere }, 9999, / on else, since 2/],
      [
        "a like-named machine, alive",
        { boot: "x", namespace: elsewhere },
        0,
        /on another boot or machine of that name/,
      ],
      ["a container of before the machine's start", { boot: "x", namespace: elsewhere }, 9999, undefined],
      ["before the machine's start", { boot: "x" }, 0, undefined],
      ["a version that told no namespace", { pid: gone, namespace: undefined, since: undefined }, 0, undefined],
    ];
    for (const [what, change, silent, refused] of cases) {
      const path = join(folder, "lock");
      writeFileSync(path, JSON.stringify({ ...own, ...change }));
      utimesSync(path, Date.now() / 1000 - silent, Date.now() / 1000 - silent);
      if (refused)
        assert.match(
          (
            await refusal(
              Lock.take(folder, () => {}),
              what,
            )
          ).message,
          refused,
          what,
        );
      else {
        const notices: string[] = [];
        await (await Lock.take(folder, (line) => notices.push(line))).release();
        assert.is(notices.length, 1, what);
      }
    }
  }));

test("temporary files of a writer elsewhere stay for a day, those of a dead one here do not", () =>
  inTemporary(async (folder) => {
    const file = (name: string, hours: number) => {
      writeFileSync(join(folder, name), "");
      utimesSync(join(folder, name), Date.now() / 1000 - hours * 3600, Date.now() / 1000 - hours * 3600);
    };
    file("a.tmp-999999999-1-00000000", 1);
    file("b.tmp-999999999-1-00000000", 25);
    file("c.tmp-999999999-1", 1);
    await removeLeftovers(folder, "");
    assert.equal(
      ["a", "b"].map((name) => existsSync(join(folder, `${name}.tmp-999999999-1-00000000`))),
      [true, false],
    );
    assert.not.ok(existsSync(join(folder, "c.tmp-999999999-1")));
  }));

named("a folder on a read-only file system is refused for that reason, also several levels deep", () =>
  inTemporary((folder) => {
    const program = `const { makeFolder, makeFolderOfLauncher } = await import(${module});
      for (const path of ["a", "a/b/c"]) {
        await makeFolder(${JSON.stringify(folder)} + "/" + path).catch((error) => console.log(error.message));
        try { makeFolderOfLauncher(${JSON.stringify(folder)} + "/" + path); } catch (error) { console.log(error.code); }
      }`;
    const line = `mount -t tmpfs -o ro none "$0" && exec "$@"`;
    const node = [process.execPath, "--input-type=module", "-e", program];
    const { stdout } = spawnSync("unshare", ["--mount", "sh", "-c", line, folder, ...node], { encoding: "utf8" });
    const reason = "cannot make the folder: the file system is read-only (EROFS)";
    const want = [`${folder}/a: ${reason}`, "EROFS", `${folder}/a/b/c: ${reason}`, "EROFS"];
    assert.equal(stdout.trim().split("\n"), want);
  }),
);

test("a folder is made with those above it, once, and never through a file", () =>
  inTemporary(async (folder) => {
    const takeBack = await makeFolder(join(folder, "a", "b", "c"));
    await makeFolder(join(folder, "a", "b", "c"));
    makeFolderOfLauncher(join(folder, "a", "b", "c", "d", "e"));
    makeFolderOfLauncher(join(folder, "a", "b", "c", "d", "e"));
    rmSync(join(folder, "a", "b", "c", "d"), { recursive: true });
    await takeBack();
    assert.not.ok(existsSync(join(folder, "a")));
    writeFileSync(join(folder, "file"), "");
    const error = await refusal(makeFolder(join(folder, "file", "a", "b")));
    assert.instance(error, DiskError);
    assert.match(error.message, /a part of the path is a file \(ENOTDIR\)$/);
    assert.throws(() => makeFolderOfLauncher(join(folder, "file", "a")), /ENOTDIR/);
  }));

test("a lock that cannot be read is named with its cause, when it is given back and when it is asked for; nobody is called its owner", () =>
  inTemporary(async (folder) => {
    const lock = await Lock.take(folder, () => {});
    const path = join(folder, "lock");
    rmSync(path);
    mkdirSync(path); // what cannot be read, also by root
    for (const work of [() => lock.release(), () => Lock.take(folder, () => {}), () => holderOf(folder)]) {
      const error = await refusal(work());
      assert.instance(error, DiskError);
      assert.ok(error.message.startsWith(`${path}: cannot be read: it is a folder`), error.message);
    }
  }));

test.run();
