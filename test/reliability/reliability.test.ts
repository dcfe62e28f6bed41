// The quick part of `npm run reliability`: what only a whole training in a process of its own can show. Everything else of the table has
// its tests beside its module.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { lostDevice } from "./hooks.ts";
import { clipsFault } from "./same-bits.ts";
import { unwritable } from "./disk.ts";
import { nothingTried, Tally, triedOf } from "./row.ts";
import { rows } from "./rows.ts";
import { difference, emotionclip, lastLines, site, train } from "./site.ts";
import { grown, soak, soakText } from "./soak.ts";

test("a run that loses its GPU twice goes on from its checkpoints and ends with the same bits", async () => {
  const folder = site("lost");
  const ended = await train({ folder, hook: lostDevice({ at: 15, when: "after", times: 2 }) });
  assert.match(ended.err, /the GPU was lost .*restart 1 of 3.*restart 2 of 3/s, lastLines(ended));
  assert.is(await difference(folder, ended), undefined);
});

test("an ablation that loses its GPU goes on with the training it was at", async () => {
  const folder = site("ablation");
  const words = "ablate --preset tiny --steps 4 --warmup 1 --cells vanilla --seeds 1 --name lost".split(" ");
  const ended = await emotionclip(words, { folder, hook: lostDevice({ at: 15, when: "after" }) });
  assert.is(ended.code, 0, lastLines(ended));
  assert.match(ended.err, /the GPU was lost .*restart 1 of 3/);
  const results = readFileSync(join(folder, "runs", "lost", "vanilla-2022", "results.json"), "utf8");
  assert.is(JSON.parse(results).restarts.length, 1);
});

test("odd surroundings and Node's own locks change no bit", async () => {
  const folder = site('it\'s "odd" 100% 情感');
  const env = {
    TZ: "Pacific/Chatham",
    LC_ALL: "tr_TR.UTF-8",
    HOME: undefined,
    UV_THREADPOOL_SIZE: "1",
    LP_NUM_THREADS: "1",
  };
  const under = process.platform === "win32" ? [] : ["sh", "-c", 'ulimit -n 128; exec "$@"', "sh"];
  const node = ["--disable-proto=throw", "--frozen-intrinsics", "--disallow-code-generation-from-strings"];
  assert.is(await difference(folder, await train({ folder, env, under, node })), undefined);
});

test("a folder that cannot be written to is found before a GPU is opened", async () => {
  const { measured, ok } = await unwritable.measure({ kills: 1, stride: 1, from: 1, damages: 1 });
  assert.ok(ok, measured);
});

test("a run does not go on with other clips unless they are named", async () => {
  assert.is(await clipsFault(), undefined);
});

test("two hundred steps and a few more leave memory and open files as they are", async () => {
  const stretches = await soak(230, 5, 60);
  const faults = grown(stretches).filter((fault) => !fault.startsWith("a step takes")); // others use the processor too
  assert.equal(faults, [], soakText(stretches));
});

test("a row tells how many of its trials went well, and what the first others met", () => {
  const tally = new Tally();
  tally.note("one", undefined);
  tally.note("two", "other bits");
  assert.equal(tally.finding("resumed"), { measured: "1 of 2 resumed; two: other bits", ok: false });
  assert.is(new Tally().finding("tried").ok, false, "nothing tried is nothing shown");
  assert.is(new Set(rows.map(({ name }) => name)).size, rows.length);
});

test("passes that begin with each number of the stride try every call once", () => {
  const scale = { kills: 1, damages: 1 };
  const tried = [1, 2, 3].flatMap((from) => triedOf(8, { ...scale, stride: 3, from }));
  assert.equal(
    tried.sort((a, b) => a - b),
    [1, 2, 3, 4, 5, 6, 7, 8],
  );
  assert.equal(triedOf(2, { ...scale, stride: 1, from: 3 }), []);
});

test("a row that counted nothing, or of which nothing is tried, has missed its bar", () => {
  const scale = { kills: 1, damages: 1, stride: 1, from: 3 };
  assert.is(nothingTried("submits", 30, 3, scale), undefined);
  assert.is(nothingTried("submits", Number.NaN, Number.NaN, scale)?.measured, "no submits were counted");
  assert.equal(nothingTried("submits", 20, 2, scale), {
    measured: "nothing was tried: --from 3 is beyond the 2 that there are",
    ok: false,
  });
});

test("growth is told by what grew", () => {
  const flat = { until: 1, rss: 100e6, gpu: 1e6, milliseconds: 10, files: 30 };
  assert.equal(grown([flat, { ...flat, rss: 109e6, milliseconds: 12, files: 34 }]), []);
  assert.equal(grown([flat, { ...flat, rss: 120e6, gpu: 2e6, milliseconds: 20, files: 60 }]), [
    "memory grew by 20 %",
    "the engine's bytes grew by 100 %",
    "a step takes 100 % longer",
    "30 more files are open",
  ]);
});

test.run();
