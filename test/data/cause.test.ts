// What the file system refuses is told by its true cause, by every reader, and is never taken for "nothing there".
import { mkdtempSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { causeOf, isSystemFault, orMissing, readFault } from "../../data/formats/cause.ts";
import { readNpyFile } from "../../data/formats/npy.ts";
import { readRegular } from "../../data/formats/regular.ts";
import { SafetensorsFile } from "../../data/formats/safetensors.ts";
import { openWeights } from "../../data/formats/weights.ts";
import { openBenchmark } from "../../data/sets/index.ts";
import { openShards } from "../../data/shards/shards.ts";
import { FeatureCache } from "../../eval/features/cache.ts";
import { FormatError } from "../../engine/errors.ts";
import { finishedRuns } from "../../train/runs/runs.ts";
import { refusal } from "../kit/refusal.ts";

const root = mkdtempSync(join(tmpdir(), "emotionclip-cause-"));
test.after(() => rmSync(root, { recursive: true, force: true }));
writeFileSync(join(root, "file"), "");
const below = join(root, "file", "x");

const fault = (code: string) => Object.assign(new Error(`${code}: as Node says it`), { code });

const readers: readonly [string, () => unknown][] = [
  ["shards", () => openShards(below, "train")],
  ["a data set", () => openBenchmark("bold", below, { split: "val" })],
  ["a .npy", () => readNpyFile(below)],
  ["a .safetensors", () => SafetensorsFile.open(below)],
  ["weights", () => openWeights(below)],
  ["a file of a user", () => readRegular(below, 10, "x")],
  ["runs", () => finishedRuns(below)],
];

for (const [name, read] of readers)
  test(`${name} below a file: the cause is told`, async () => {
    const error = await refusal((async () => read())(), name);
    assert.match(error.message, /a part of the path is a file \(ENOTDIR\)/);
  });

test("a cache whose list cannot be read is not started anew", async () => {
  const folder = join(root, "cache");
  mkdirSync(join(folder, "batches.jsonl"), { recursive: true }); // a folder: reading it is EISDIR
  const input = { kind: "image", frames: 1, side: 8 } as const;
  const key = { benchmark: "emotic", split: "val", checkpoint: "c", input, data: "d", samples: 1, width: 2 } as const;
  const error = await refusal(FeatureCache.open(folder, key));
  assert.match(error.message, /it is a folder \(EISDIR\)/);
});

test("codes have words, and what has none keeps Node's", () => {
  for (const code of ["EROFS", "ENOSPC", "EACCES", "ENOTDIR", "EMFILE", "EIO", "EDQUOT", "ELOOP"])
    assert.match(causeOf(fault(code)), new RegExp(`^(?!.*Node)[a-z'/ -]+ \\(${code}\\)$`));
  assert.is(causeOf(fault("EODD")), "EODD: as Node says it (EODD)");
  assert.is(causeOf(new Error("no code")), "no code");
  assert.is(readFault(fault("ENOENT")), "no such file");
  assert.is(readFault(fault("EMFILE")), "cannot be read: this process has too many open files (EMFILE)");
});

test("only what is not there is missing", () => {
  assert.is(orMissing("/a/log")(fault("ENOENT")), undefined);
  assert.throws(() => orMissing("/a/log")(fault("EACCES")), /\/a\/log: cannot be read: permission denied/);
  assert.is(isSystemFault(new FormatError("x: damaged")), false);
  assert.is(isSystemFault(new FormatError("x: no such file", { cause: fault("ENOENT") })), false);
  assert.is(isSystemFault(new FormatError("x: cannot be read", { cause: fault("EMFILE") })), true);
});

test.run();
