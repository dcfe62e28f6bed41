// Face sets in `emotionclip data check` and `emotionclip shards`: what is counted, what is stored, and what is refused.
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { openShards } from "../../data/shards/shards.ts";
import { writeDfew, writeFaces } from "../kit/face-set.ts";
import { runProgram } from "../run/program.ts";

const CLI = resolve("dist", "cli.js");
const root = mkdtempSync(join(tmpdir(), "emotionclip-face-commands-"));
process.on("exit", () => rmSync(root, { recursive: true, force: true }));

await writeDfew(join(root, "DFEW"), "train", [0, 1, 2], { frames: 5 });
await writeDfew(join(root, "DFEW"), "test", [3, 4]);
const call = (...words: string[]) => runProgram(CLI, words, { cwd: root });

test("data check holds both splits of a fold against the disk, and counts classes, captions and what is missing", async () => {
  rmSync(join(root, "DFEW", "DFEW_Frame_Face", "test-1"), { recursive: true });
  const { code, stdout } = await call("data", "check", "dfew:DFEW", "--fold", "1", "--json");
  assert.is(code, 0);
  const { splits } = JSON.parse(stdout);
  assert.equal(
    splits.map((split: Record<string, unknown>) => [
      split.split,
      split.listed,
      split.found,
      split.captions,
      split.missing,
    ]),
    [
      ["train", 3, 3, 0, []],
      ["test", 2, 1, 0, ["test-1"]],
    ],
  );
  assert.is(splits[0].classes.sadness, 1);
  assert.match(
    (await call("data", "check", "dfew:DFEW", "--fold", "1")).stdout,
    /dfew test, fold 1: 1 of 2 listed clips/,
  );
  await writeFaces(join(root, "DFEW", "DFEW_Frame_Face", "test-1"), 6, 5);
});

test("shards have both splits, every k-th frame, texts of the classes and the classes as labels", async () => {
  const { code, stderr } = await call("shards", "dfew:DFEW", "out", "--texts", "classes", "--every", "2");
  assert.is(code, 0, stderr);
  assert.match(stderr, /face sets do not tell frames a second; 25 is written/);
  const set = await openShards(join(root, "out"), "train");
  assert.equal([set.samples, set.categories.length, set.frameCount(0)], [3, 7, 3]);
  const { caption, labels, meta } = set.info(1);
  assert.match(caption, /a face of sadness and sorrow/);
  assert.equal(labels!.categories, [0, 1, 0, 0, 0, 0, 0]);
  assert.equal({ ...(meta as object) }, { emotion: "sadness", set: "dfew", fold: 1, every: 2 });
});

test("one's own list has no splits: its clips are stored once, each under a key of its own", async () => {
  const names = ["山田", "鈴木", "a b", "plain"];
  for (const [i, name] of names.entries()) await writeFaces(join(root, "own", name), 3, i);
  writeFileSync(join(root, "own", "list.csv"), `name,class,caption\n${names.map((n) => `${n},glad,${n}`).join("\n")}`);
  const { code, stderr } = await call("shards", "own:own/list.csv", "mine");
  assert.is(code, 0, stderr);
  assert.match(stderr, /own: a list has no splits; all its clips become train/);
  assert.not.ok(existsSync(join(root, "mine", "test-index.json")));
  const set = await openShards(join(root, "mine"), "train");
  assert.equal(
    [0, 1, 2, 3].map((i) => [set.nameOf(i), set.info(i).caption]),
    [
      ["++/0", "山田"],
      ["++/1", "鈴木"],
      ["a+b/2", "a b"],
      ["plain", "plain"],
    ],
  );
  for (const made of ["mine", "own"]) rmSync(join(root, made), { recursive: true });
});

test("what cannot be made is refused, and nothing is written", async () => {
  const faults: [string[], number, RegExp][] = [
    [["shards", "dfew:DFEW", "none"], 2, /--texts captions: dfew train, fold 1 has none/],
    [
      ["shards", "dfew:DFEW", "none", "--texts", "classes", "--side", "64"],
      2,
      /--side says something of another source/,
    ],
    [["shards", "dfew:DFEW", "none", "--texts", "classes", "--fold", "2"], 3, /none of DFEW_set_2_train\.txt/],
    [["data", "check", "dfew:DFEW", "--decode"], 2, /--split and --decode say something of shards/],
    [["data", "check", "dfew:DFEW", "--fold", "3"], 3, /none of DFEW_set_3_train\.txt/],
  ];
  for (const [words, code, message] of faults) {
    const found = await call(...words);
    assert.is(found.code, code, found.stderr);
    assert.match(found.stderr, message);
  }
  writeFileSync(join(root, "DFEW", "DFEW_Frame_Face", "train-0", "003.png"), "no picture");
  const { code, stderr } = await call("shards", "dfew:DFEW", "none", "--texts", "classes");
  assert.is(code, 5, stderr);
  assert.match(stderr, /003\.png/);
  assert.not.ok(existsSync(join(root, "none")));
  assert.equal(readdirSync(root).sort(), ["DFEW", "out"]);
});

test.run();
