// The embedded data set as it is made on disk: on any number of threads, stopped on the way, gone on with.
import { createHash } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { openShards } from "../../data/shards/shards.ts";
import { makeStage, type Split, type StageClip, type StageOptions, splits } from "../../data/stage/index.ts";
import { Progress } from "../../cli/terminal/progress.ts";
import { ensureStage, missingClips, type StagePlace } from "../../data/stage/on-disk.ts";
import type { StopRequest } from "../../data/threads/long-work.ts";
import { failure } from "../kit/refusal.ts";

const root = mkdtempSync(join(tmpdir(), "stage-data-"));
const place = (name: string): StagePlace => ({ folder: join(root, name), sizes: { train: 7, val: 3, test: 4 } });

const seen: string[] = [];
/** Progress whose lines come after every clip. */
const progress = () =>
  new Progress({ phases: [["make data", 1]], stream: { write: (line) => seen.push(line) }, every: 0 });
const goOn: StopRequest = { requested: undefined };

async function clipsOf(options: StageOptions): Promise<StageClip[]> {
  const clips: StageClip[] = [];
  for await (const clip of makeStage(options)) clips.push(clip);
  return clips;
}

function digest(folder: string): Record<string, string> {
  const sha = (file: string) =>
    createHash("sha256")
      .update(readFileSync(join(folder, file)))
      .digest("hex");
  return Object.fromEntries(
    readdirSync(folder)
      .sort()
      .map((file) => [file, sha(file)]),
  );
}

test("any number of threads makes the same clips in the same order", async () => {
  const options: StageOptions = { seed: 11, split: "train", count: 8 };
  const bytes = (clips: StageClip[]) => clips.map((clip) => ({ ...clip, frames: clip.frames.map((f) => [...f]) }));
  const want = bytes(await clipsOf(options));
  assert.is(new Set(want.map(({ key }) => key)).size, 8);
  for (const workers of [1, 2, 3])
    assert.equal(bytes(await clipsOf({ ...options, workers })), want, `${workers} threads`);
});

test("a fault in a thread is the fault of making, and who stops asking ends the threads", async () => {
  const broken = { seed: 1, split: "nobody" as Split, count: 5 };
  const want = await failure(clipsOf(broken));
  const got = await failure(clipsOf({ ...broken, workers: 2 }));
  assert.equal([got.name, got.message], [want.name, want.message]);
  assert.match(got.stack ?? "", /MessagePort/, "the stack is the thread's");
  for await (const { key } of makeStage({ seed: 1, split: "val", count: 50, workers: 2 })) {
    assert.is(key, "stage-val-000000");
    break; // the test's process would not end with a thread alive
  }
});

test("the set is made once, clip by clip in the progress, and reads back", async () => {
  const at = place("once");
  assert.is(missingClips(at), 14);
  assert.is(await ensureStage(at, progress(), goOn), at.folder);
  assert.ok(
    seen.some((line) => line.includes("14/14")),
    seen.at(-1),
  );
  assert.is(missingClips(at), 0);
  for (const split of splits)
    assert.is((await openShards(at.folder, split, { hash: true })).samples, at.sizes[split], split);
  const before = digest(at.folder);
  const lines = seen.length;
  assert.is(await ensureStage(at, progress(), goOn), at.folder);
  assert.equal(digest(at.folder), before);
  assert.is(seen.length, lines, "nothing was to be made");
});

test("a stop leaves nothing of the split being made, and the next start ends with the same bytes", async () => {
  const whole = place("whole");
  const at = place("stopped");
  await ensureStage(whole, progress(), goOn);
  let asked = 0;
  const stop: StopRequest = {
    get requested() {
      return ++asked > 9 ? 130 : undefined; // in the third clip of the second split
    },
  };
  assert.is(await ensureStage(at, progress(), stop), undefined);
  assert.equal(readdirSync(at.folder).sort(), ["train-00000.tar", "train-index.json"]);
  assert.is(missingClips(at), 7);
  assert.is(await ensureStage(at, progress(), goOn), at.folder);
  assert.equal(digest(at.folder), digest(whole.folder));
});

test.after(() => rmSync(root, { recursive: true, force: true }));
test.run();
