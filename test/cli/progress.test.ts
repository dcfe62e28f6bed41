// The progress line: what it says, how often, and that a reader who goes away does not end the work.
import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { build } from "esbuild";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { bar, clock, Progress } from "../../cli/terminal/progress.ts";

function stage(isTTY: boolean) {
  const at = { ms: 0 };
  const written: string[] = [];
  const stream = { isTTY, columns: 100, write: (text: string) => written.push(text) };
  const phases = [
    ["data", 10],
    ["train", 100],
    ["probes", 20],
  ] as const;
  return { at, written, progress: new Progress({ phases, stream, now: () => at.ms }) };
}

test("what a file's name does to a terminal is seen, not done", () => {
  const { at, written, progress } = stage(false);
  progress.start("data", 10);
  at.ms = 20_000;
  progress.at(1, "a\u001b[31m.mp4");
  progress.say("b\u001b[2J.mp4");
  assert.not.ok(written.join("").includes("\u001b"));
  assert.match(written.join(""), /a\\u\{1b\}\[31m\.mp4.*\nb\\u\{1b\}\[2J\.mp4\n/s);
});

test("time left is this phase at its measured speed and the later ones as expected", () => {
  const { at, progress } = stage(false);
  progress.start("data", 10);
  assert.is(progress.secondsLeft(), 130);
  at.ms = 2000;
  assert.is(progress.secondsLeft(), 128);
  progress.at(5);
  assert.is(progress.secondsLeft(), 2 + 120);
});

test("phases that took twice as long as expected double what is expected of the later ones", () => {
  const { at, progress } = stage(false);
  progress.start("data", 10);
  at.ms = 20_000;
  progress.start("train", 100);
  assert.is(progress.secondsLeft(), 2 * 100 + 2 * 20);
  at.ms = 21_000;
  progress.at(1);
  assert.is(progress.secondsLeft(), 99 + 40);
});

test("a resumed phase is judged by what this process did", () => {
  const { at, progress } = stage(false);
  progress.start("train", 100, 90);
  at.ms = 5_000;
  progress.at(95);
  assert.is(progress.secondsLeft(), 5 + 20);
});

test("a phase that is behind begins anew: work that lost its GPU", () => {
  const { at, progress } = stage(false);
  progress.start("train", 100);
  at.ms = 50_000;
  progress.at(50);
  progress.start("train", 100, 40);
  assert.ok(progress.secondsLeft() > 0);
  progress.start("probes", 10);
});

test("elsewhere than on a terminal there is one plain line every five seconds", () => {
  const { at, written, progress } = stage(false);
  progress.start("train", 100);
  for (let i = 1; i <= 100; i++) {
    at.ms = i * 120;
    progress.at(i, `loss ${i}`);
  }
  progress.say("done");
  assert.equal(written, [
    "[2/3] train  0/100  0 %  2:00 left\n",
    "[2/3] train  42/100  42 %  loss 42  0:27 left\n",
    "[2/3] train  84/100  84 %  loss 84  0:22 left\n",
    "done\n",
  ]);
});

test("a terminal has one line, redrawn, never wider than it, and gone at the end", () => {
  const { at, written, progress } = stage(true);
  progress.start("train", 100);
  at.ms = 1000;
  progress.at(10, "loss 3.21 ".repeat(20));
  at.ms = 1050;
  progress.at(11); // too soon to redraw
  progress.say("kept");
  progress.at(12);
  progress.end();
  assert.is(written.length, 4);
  assert.match(
    written[1].replace("\r\x1b[2K", "clear "),
    /^clear \[2\/3\] train {2}██·{18} {2}10\/100 {2}0:29 left {2}loss/,
  );
  for (const line of written.slice(0, 2)) assert.ok(line.length <= 5 + 99);
  assert.equal(written.slice(2), ["\r\x1b[2K", "kept\n"]);
});

test("a phase nobody announced is our mistake", () => {
  assert.throws(() => stage(false).progress.start("tarin", 1), /no phase "tarin"; known: data, train, probes/);
});

test("a bar is empty at 0, full at 1, and 20 cells wide in between", () => {
  assert.is(bar(0), "·".repeat(20));
  assert.is(bar(1), "█".repeat(20));
  for (let share = 0; share <= 1; share += 1 / 97) assert.is([...bar(share)].length, 20);
});

test("times read as clocks do", () => {
  assert.equal([0, 59.6, 75, 3675, -1].map(clock), ["0:00", "1:00", "1:15", "1:01:15", "0:00"]);
});

test("a closed stdout and stderr do not end the work", async () => {
  const root = await mkdtemp(join(tmpdir(), "emotionclip-pipe-"));
  const done = join(root, "done");
  const source = `import { Progress } from "./cli/terminal/progress.ts";
    import { outliveReaders } from "./cli/terminal/streams.ts";
    import { writeFileSync } from "node:fs";
    if (process.argv[3]) outliveReaders();
    const progress = new Progress({ phases: [["work", 1]], every: 0 });
    progress.start("work", 50);
    for (let i = 1; i <= 50; i++) { progress.at(i); console.log(i); await new Promise((r) => setTimeout(r, 4)); }
    writeFileSync(process.argv[2], "done");`;
  const outfile = join(root, "work.mjs");
  await build({ stdin: { contents: source, resolveDir: "." }, bundle: true, platform: "node", format: "esm", outfile });
  const run = (...args: string[]) =>
    new Promise<number | null>((resolve) => {
      const child = spawn(process.execPath, [outfile, done, ...args], { stdio: ["ignore", "pipe", "pipe"] });
      for (const pipe of [child.stdout, child.stderr]) pipe.once("data", () => pipe.destroy());
      child.on("exit", resolve);
    });
  assert.is.not(await run(), 0); // the control: Node ends a process whose reader has gone
  assert.is(await run("tolerate"), 0);
  assert.is(await readFile(done, "utf8"), "done");
  await rm(root, { recursive: true });
});

test.run();
