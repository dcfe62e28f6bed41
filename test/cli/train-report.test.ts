// The page of a training: written anew while it runs and no oftener than that is cheap, with what the log had before, and kept at the end.
import { existsSync, mkdirSync, readFileSync, rmdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { SeriesLog } from "../../cli/pages/series.ts";
import { TrainReport } from "../../cli/pages/train-report.ts";
import { DiskError } from "../../engine/errors.ts";
import { faultsIn } from "../../train/runs/faults.ts";
import { refusal } from "../kit/refusal.ts";
import { inTemporary } from "../kit/temporary.ts";

const line = (step: number, more: object = {}) => {
  const pace = { clipsPerSecond: 100, tflops: 0.5, mfu: 0.25, waiting: 0.03, gpuBytes: 2 ** 20, rss: 1 };
  return { step, loss: 4 / step, lr: 1e-3, norm: 2, logitScale: Math.log(20), ...pace, ...more };
};

/** A report of a folder, its clock and what it says. */
function reportIn(folder: string) {
  const clock = { now: 0 };
  const said: string[] = [];
  const path = join(folder, "report.html");
  const report = new TrainReport({
    path,
    log: join(folder, "metrics.jsonl"),
    title: "Training <tiny>",
    settings: { lr: 1e-3 },
    facts: [["Adapter", "made up"]],
    steps: 100,
    unreadable: () => 3,
    say: (text) => void said.push(text),
    now: () => clock.now,
  });
  return { report, clock, said, path, page: () => readFileSync(path, "utf8") };
}

const written = async (path: string) => {
  for (let i = 0; i < 500 && !existsSync(path); i++) await sleep(10);
};

const curvesIn = (page: string): { id: string; steps: number[]; lines: { values: (number | null)[] }[] }[] =>
  JSON.parse(/id="curves">(.*?)<\/script>/s.exec(page)![1]);

test("the page comes with the first step, anew after a minute and not before, and stays at the end", () =>
  inTemporary(async (folder) => {
    const { report, clock, path, page, said } = reportIn(folder);
    report.logged(line(1));
    await written(path);
    await sleep(20);
    assert.match(page(), /Running, step 1 of 100/);
    assert.match(page(), /<meta http-equiv="refresh" content="60">/);
    rmSync(path);
    clock.now = 59_000;
    report.logged(line(2, { probes: { "R@1 video-text": 0.25, R2: null } }));
    await sleep(50);
    assert.not(existsSync(path));
    clock.now = 61_000;
    report.logged(line(3, { loss: Number.NaN, skipped: 7, replaced: ["a", "b"] }));
    await written(path);
    assert.match(page(), /Running, step 3 of 100/);
    await report.end("stopped after step 3 of 100");
    const last = page();
    assert.not.match(last, /http-equiv="refresh"/);
    for (const wanted of [
      "Stopped after step 3",
      "Training &#60;tiny&#62;",
      "0.05",
      "not finite",
      "500 GFLOP/s (25 %)",
      "0.250",
    ])
      assert.ok(last.includes(wanted), wanted);
    assert.match(last, /As measured at step 2/);
    assert.match(last, /Skipped steps<\/dt><dd>1, /);
    assert.match(last, /Clips<\/dt><dd>3 unreadable[^<]*, 2 showings/);
    assert.equal(
      curvesIn(last).map(({ id }) => id),
      ["loss", "rate", "norm", "scale", "speed", "probes"],
    );
    assert.equal(curvesIn(last)[0].lines[0].values, [4, 2, null]);
    assert.equal(said, []);
  }));

test("a resumed run has the steps of before from the log, and none twice", () =>
  inTemporary(async (folder) => {
    const rows = [line(1), line(2, { skipped: 1 }), line(3)].map((row) => JSON.stringify(row));
    writeFileSync(join(folder, "metrics.jsonl"), [...rows, "torn", ""].join("\n"));
    const { report, page } = reportIn(folder);
    report.logged(line(3));
    await report.end("finished");
    assert.equal(curvesIn(page())[0].steps, [1, 2, 3]);
    assert.match(page(), /Skipped steps<\/dt><dd>1, /);
    assert.match(page(), /1 damaged lines/);
    const again = reportIn(folder); // went on at the last step: nothing new is logged
    await again.report.end("finished");
    assert.equal(curvesIn(again.page())[0].steps, [1, 2, 3]);
  }));

test("a page that cannot be written is said once and stops nothing", () =>
  inTemporary(async (folder) => {
    const { report, said } = reportIn(join(folder, "nowhere"));
    report.logged(line(1));
    await report.end("finished");
    assert.is(said.length, 1);
    assert.match(said[0], /^warning: no report\.html: [\s\S]*; training goes on$/);
  }));

test("curves of a long run keep a bounded number of points, each the mean of its steps", () => {
  const log = new SeriesLog();
  for (let step = 1; step <= 50_000; step++) log.add(line(step, { loss: step }));
  const { step, loss, norm } = log.series;
  assert.ok(step.length <= 6000 && step.length > 2900, `${step.length}`);
  assert.is(norm!.length, step.length);
  const width = step[1] - step[0];
  assert.equal(loss[0], (1 + width) / 2);
  assert.equal(loss[10], step[10] + (width - 1) / 2);
});

test("a log that cannot be read once costs one page, which is said; the next one has all steps", () =>
  inTemporary(async (folder) => {
    const { report, clock, said, page, path } = reportIn(folder);
    mkdirSync(join(folder, "metrics.jsonl")); // cannot be read
    report.logged(line(1));
    for (let i = 0; i < 500 && said.length === 0; i++) await sleep(10);
    assert.match(said.join(), /no report\.html: metrics\.jsonl: /);
    rmdirSync(join(folder, "metrics.jsonl"));
    writeFileSync(join(folder, "metrics.jsonl"), "");
    await sleep(20);
    clock.now = 70_000;
    report.logged(line(2));
    await written(path);
    await report.end("ended");
    assert.equal(curvesIn(page())[0].steps, [1, 2]);
    assert.is(said.length, 1);
  }));

test("a log that cannot be read when results are made is an error of the disk, not ours", () =>
  inTemporary(async (folder) => {
    mkdirSync(join(folder, "metrics.jsonl"));
    const error = await refusal(faultsIn(join(folder, "metrics.jsonl")));
    assert.instance(error, DiskError);
    assert.match(error.message, /metrics\.jsonl: cannot be read: it is a folder \(EISDIR\)/);
  }));

test.run();
