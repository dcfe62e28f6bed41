// `emotionclip runs` and `compare`: what they say of finished, running, stopped and damaged folders.
import { spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Lock } from "../../data/formats/lock.ts";
import { runCommand } from "../../cli/cli.ts";
import { runComparisonPage } from "../../cli/pages/compare-page.ts";
import type { Curve } from "../../cli/pages/curves.ts";
import { runComparisonText, runsText } from "../../cli/pages/runs-text.ts";
import { compareRuns } from "../../train/runs/run-comparison.ts";
import { readRunRecord, runsBelow } from "../../train/runs/run-state.ts";
import { refusal } from "../kit/refusal.ts";
import { inTemporary } from "../kit/temporary.ts";

const model = { vision: { image: 32, width: 16, layers: 2 }, head: { kind: "transformer" } };

/** A run's folder as training leaves it; `results` make it a finished one. */
function makeRun(folder: string, losses: readonly number[], given: object = {}, results?: object): string {
  mkdirSync(folder, { recursive: true });
  const config = { model, steps: 4, batch: 2, seed: 1, data: "/somewhere/clips", ...given };
  writeFileSync(join(folder, "config.json"), JSON.stringify(config));
  const line = (loss: number, i: number) =>
    JSON.stringify({ step: i + 1, loss, lr: 1e-3, norm: 2, logitScale: 2.6, clipsPerSecond: 9 });
  writeFileSync(join(folder, "metrics.jsonl"), losses.map((loss, i) => `${line(loss, i)}\n`).join(""));
  if (results) writeFileSync(join(folder, "results.json"), JSON.stringify(results));
  return folder;
}

const measured = {
  after: [
    ["mAP", 0.5],
    ["R2", null, "nobody said it"],
  ],
  seconds: 3,
  steps: 4,
};

test("runs are told by state: finished, running while its lock is held, else unfinished with how far it came", () =>
  inTemporary(async (root) => {
    makeRun(join(root, "a"), [4, 3, 2, 1], {}, measured);
    makeRun(join(root, "b"), [4, 3]);
    makeRun(join(root, "tables", "c"), [4, 3, 2], { epochs: 2 });
    const lock = await Lock.take(join(root, "b"), () => {});
    const { runs, unreadable } = await runsBelow(root);
    await lock.release();
    assert.equal(unreadable, []);
    assert.equal(
      runs.map(({ folder, state, step, steps, epochs, loss }) => [folder, state, step, steps, epochs, loss]),
      [
        [join(root, "a"), "finished", 4, 4, null, 1],
        [join(root, "b"), "running", 2, 4, null, 3],
        [join(root, "tables", "c"), "unfinished", 3, null, 2, 2],
      ],
    );
    assert.equal(runs[0].figures, [
      ["mAP", 0.5],
      ["R2", null],
    ]);
    const text = runsText({ folder: root, runs });
    assert.match(text, /finished, 4 steps +ViT 16x2, 32 px +clips +1\.0000 .*mAP 50\.00, R2 not defined/);
    assert.ok(text.includes(`running at step 2 of 4, process ${process.pid} on ${hostname()}`), text);
    assert.match(text, /unfinished at step 3 \(2 epochs\), no checkpoint/);
    assert.is((await runsBelow(root)).runs[1].state, "unfinished");
  }));

test("a folder that is no run or is damaged is named and hides no other; nothing is written", () =>
  inTemporary(async (root) => {
    makeRun(join(root, "good"), [1]);
    mkdirSync(join(root, "notes"));
    writeFileSync(join(makeRun(join(root, "torn"), [1]), "config.json"), "{");
    writeFileSync(join(makeRun(join(root, "empty"), [1]), "results.json"), "");
    const before = readdirSync(root, { recursive: true }).sort();
    const { runs, unreadable } = await runsBelow(root);
    assert.equal(
      runs.map(({ folder }) => folder),
      [join(root, "good")],
    );
    assert.equal(
      unreadable.map(({ folder }) => folder),
      ["empty", "notes", "torn"].map((name) => join(root, name)),
    );
    assert.match(unreadable[1].reason, /^not a run: it has no config.json/);
    assert.equal(readdirSync(root, { recursive: true }).sort(), before);
    assert.equal((await runsBelow(join(root, "nowhere"))).runs, []);
    assert.equal((await runsBelow(join(root, "good"))).runs.length, 1);
  }));

test("a damaged line of a log costs its step alone", () =>
  inTemporary(async (root) => {
    const folder = makeRun(join(root, "a"), [3, 2, 1]);
    const path = join(folder, "metrics.jsonl");
    writeFileSync(path, readFileSync(path, "utf8").replace('"loss":2', '"loss":\0'));
    const { rows, damaged } = await readRunRecord(folder);
    assert.equal([rows.map(({ step }) => step), damaged], [[1, 3], 1]);
    assert.match((await refusal(readRunRecord(root))).message, /not a run/);
  }));

test("the command prints a table, one JSON object, and warnings on stderr", () =>
  inTemporary(async (root) => {
    makeRun(join(root, "a"), [1], {}, measured);
    mkdirSync(join(root, "notes"));
    const run = (...words: string[]) =>
      spawnSync(process.execPath, [join("dist", "cli.js"), "runs", ...words], { encoding: "utf8" });
    const { stdout, stderr, status } = run(root, "--json");
    assert.is(status, 0, stderr);
    const { runs, unreadable } = JSON.parse(stdout);
    assert.equal([runs.length, runs[0].state, unreadable.length], [1, "finished", 1]);
    assert.match(stderr, /warning: .*notes: not a run/);
    assert.match(run(root).stdout, /finished, 4 steps/);
    assert.match(run(join(root, "gone")).stderr, /there is no folder/);
    assert.is(run(join(root, "gone")).status, 2);
  }));

test("a comparison has the settings that differ, the figures of all, and the losses at common steps", () =>
  inTemporary(async (root) => {
    const a = makeRun(join(root, "a"), [4, 3, 2, 1], { lr: 1 }, measured);
    const b = makeRun(join(root, "b"), [4, 3, 2.5], { lr: 2, model: { ...model, head: { kind: "mean" } } });
    const records = [await readRunRecord(a), await readRunRecord(b)];
    const comparison = compareRuns(records);
    assert.equal(comparison.settings, [
      { name: "model.head.kind", values: ['"transformer"', '"mean"'] },
      { name: "lr", values: ["1", "2"] },
    ]);
    assert.equal(comparison.figures, [
      { name: "mAP", values: [0.5, null] },
      { name: "R2", values: [null, null] },
    ]);
    const { common, firstDifference, at } = comparison.losses;
    assert.equal([common, firstDifference, at.map(({ step }) => step)], [3, 3, [1, 2, 3]]);
    assert.equal(at[2].values, [2, 2.5]);
    const text = runComparisonText(comparison);
    assert.match(text, /^lr +1 +2$/m);
    assert.match(text, /^mAP, % +50\.00 +–$/m);
    assert.match(text, /some of the 3 steps that all have; the first that differs is of step 3/);
    assert.match(runComparisonText(compareRuns([records[0], records[0]])), /no setting differs[\s\S]*the same losses/);
  }));

test("the page of a comparison draws a line a run over the steps of both, and foreign text stays text", () =>
  inTemporary(async (root) => {
    const a = makeRun(join(root, "a<b>"), [4, 3, 2, 1], { data: "x" }, measured);
    const b = makeRun(join(root, "b"), [4, 3], { data: "</script><i>" });
    const records = [await readRunRecord(a), await readRunRecord(b)];
    const page = await runComparisonPage(compareRuns(records), records);
    const [, json] = /id="curves">([\s\S]*?)<\/script>/.exec(page)!;
    const loss = JSON.parse(json)[0] as Curve;
    assert.equal([loss.id, loss.steps], ["loss", [1, 2, 3, 4]]);
    assert.equal(
      loss.lines.filter(({ kind }) => kind === "bold").map(({ run, values }) => [run, values]),
      [
        [0, [4, 3, 2, 1]],
        [1, [4, 3, null, null]],
      ],
    );
    assert.not.match(page, /a<b>|<i>/);
  }));

test("compare refuses one run alone and names the folder whose file is damaged", () =>
  inTemporary(async (root) => {
    const a = makeRun(join(root, "a"), [1]);
    const b = makeRun(join(root, "b"), [1], {}, {});
    assert.match((await refusal(runCommand(["compare", a, `${a}/`]))).message, /two different runs are needed/);
    const { message } = await refusal(runCommand(["compare", a, b]));
    assert.ok(message.startsWith(`${b}: results.json: after`), message);
    assert.match((await refusal(runCommand(["compare", a, join(root, "c")]))).message, /not a run: it has no config/);
  }));

test.run();
