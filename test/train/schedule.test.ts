// Learning rates against the official scheduler's sequences (golden/emotionclip/schedule.json, written by the official code).
import { readFile } from "node:fs/promises";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { learningRate, paperSchedule, stepSchedule } from "../../train/schedule.ts";
import { type Pace, scheduleOf } from "./official-schedule.ts";

interface Golden {
  name: string;
  hp: Pace;
  base_lrs: number[];
  lr_per_iteration_then_final: number[][];
}

const golden: Golden[] = JSON.parse(await readFile("test/golden/emotionclip/schedule.json", "utf8"));

assert.is(golden.length, 9);
for (const setting of golden) {
  test(`${setting.name}: every rate is the official scheduler's`, () => {
    const schedule = scheduleOf(setting.hp);
    setting.lr_per_iteration_then_final.forEach((rates, it) => {
      rates.forEach((want, group) => {
        const got = learningRate(setting.base_lrs[group], it, schedule);
        // The official cosine is a recurrence; after 25 epochs its rounding has grown to some 1e-13 of the base rate.
        const room = 1e-12 * setting.base_lrs[group];
        assert.ok(Math.abs(got - want) <= room, `iteration ${it}, group ${group}: ${got}, expected ${want}`);
      });
    });
  });
}

test("the published schedule warms up for 10,000 iterations and ends at its floor", () => {
  const schedule = paperSchedule(1000);
  assert.is(learningRate(5e-5, 0, schedule), 5e-10);
  const peak = learningRate(5e-5, 10_000, schedule);
  assert.ok(learningRate(5e-5, 9_999, schedule) < peak);
  assert.is(learningRate(5e-5, 10_999, schedule), peak); // the cosine moves once per epoch
  assert.ok(learningRate(5e-5, 11_000, schedule) < peak);
  assert.is(learningRate(5e-5, 25_000, schedule), 1e-10);
});

test("the schedule of short runs rises, then falls at every step, and ends at its floor", () => {
  const schedule = stepSchedule(100, 10, 1e-6);
  const rates = Array.from({ length: 101 }, (_, it) => learningRate(1e-3, it, schedule));
  for (let it = 1; it <= 100; it++)
    assert.ok(it <= 10 ? rates[it] > rates[it - 1] : rates[it] < rates[it - 1], `${it}`);
  assert.is(rates[0], 1e-5);
  assert.is(rates[100], 1e-6);
});

test("the base rate of short runs is reached after the warm-up, whatever its length, and the floor at the end", () => {
  for (const [steps, warmup] of [
    [80, 40],
    [450, 40],
    [10, 9],
    [10, 0],
    [1, 0],
  ]) {
    const schedule = stepSchedule(steps, warmup, 1e-5);
    const rates = Array.from({ length: steps }, (_, it) => learningRate(2e-3, it, schedule));
    assert.ok(Math.abs(Math.max(...rates) - 2e-3) < 1e-15, `${steps}, ${warmup}: ${Math.max(...rates)}`);
    assert.is(rates.indexOf(Math.max(...rates)), warmup);
    assert.is(learningRate(2e-3, steps, schedule), 1e-5);
  }
});

test("a warm-up as long as the run or longer rises to its end", () => {
  for (const warmup of [10, 11, 400]) {
    const rates = Array.from({ length: 10 }, (_, it) => learningRate(1e-3, it, stepSchedule(10, warmup, 0)));
    for (let it = 1; it < 10; it++) assert.ok(rates[it] > rates[it - 1]);
    assert.ok(rates[9] < 1e-3);
  }
});

test("without a warm-up the first rate is the base rate", () => {
  assert.is(learningRate(1e-3, 0, stepSchedule(10, 0, 0)), 1e-3);
});

test.run();
