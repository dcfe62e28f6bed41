// The meter of a training's steps: what counts as waiting, what a step's rate is made of, and how it reads.
import { setTimeout as sleep } from "node:timers/promises";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { paceText, StepMeter } from "../../train/step-meter.ts";

test("time in which no batch is there is waiting, time at work is not, and each lap begins anew", async () => {
  const meter = new StepMeter(4e9, 8, () => 2 ** 20);
  let closed = false;
  async function* slow() {
    try {
      for (let i = 0; i < 9; i++) {
        await sleep(20);
        yield i;
      }
    } finally {
      closed = true;
    }
  }
  const seen: number[] = [];
  for await (const i of meter.timed(slow())) {
    seen.push(i);
    const { waiting, clipsPerSecond, tflops, gpuBytes, rss } = meter.lap();
    assert.ok(waiting > 0 && waiting <= 1, `${waiting}`);
    assert.ok(Math.abs(tflops / clipsPerSecond / (4e-3 / 8) - 1) < 0.01);
    assert.ok(gpuBytes === 2 ** 20 && rss > 2 ** 20);
    assert.is(meter.lap().waiting, 0);
    if (i === 1) break;
  }
  assert.equal([seen, closed], [[0, 1], true]);
});

test("the share of a measured rate is that of the step's arithmetic, and stands there only where it was measured", () => {
  const { tflops, mfu } = new StepMeter(4e9, 8, () => 0, 2e12).lap();
  assert.ok(Math.abs(mfu! - tflops / 2) <= 5e-4 + 1e-3 * mfu!, `${mfu} of ${tflops}`);
  assert.not("mfu" in new StepMeter(4e9, 8, () => 0).lap());
});

test("time with other ranks is a share of the step, and stands there only where there are any", async () => {
  const meter = new StepMeter(1, 1, () => 0);
  await sleep(40);
  const { ranks } = meter.lap(20);
  assert.ok(ranks! > 0 && ranks! <= 0.5, `${ranks}`);
  assert.not("ranks" in meter.lap());
});

test("a pace is told in the unit that fits it", () => {
  const pace = { clipsPerSecond: 119.6, tflops: 0.01234, waiting: 0.126, gpuBytes: 212 * 2 ** 20, rss: 1 };
  assert.is(paceText(pace), "120 clips/s  12.3 GFLOP/s  data 13 %  212.0 MiB");
  assert.match(paceText({ ...pace, tflops: 12.34 }), /12\.3 TFLOP\/s {2}data/);
  assert.match(paceText({ ...pace, tflops: 12.34, mfu: 0.413 }), /12\.3 TFLOP\/s \(41 %\) {2}data/);
  assert.match(paceText({ ...pace, ranks: 0.297 }), /data 13 % {2}ranks 30 % {2}212/);
});

test.run();
