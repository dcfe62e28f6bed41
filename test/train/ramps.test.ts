// The rates of schedule.constant, linear, cosine, cooldown and step: their formulas, ends and joints.
import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { learningRate, schedule, stepSchedule } from "../../train/index.ts";

const near = (got: number, want: number, what: string) =>
  assert.ok(Math.abs(got - want) <= 1e-14 * (1 + Math.abs(want)), `${what}: ${got}, expected ${want}`);

/** A run: warm-up, cooldown and the rest of its steps. */
const run = fc.record({
  warmup: fc.integer({ min: 0, max: 50 }),
  middle: fc.integer({ min: 0, max: 50 }),
  cooldown: fc.integer({ min: 1, max: 50 }),
  start: fc.constantFrom(0, 0.01, 0.5, 1),
  floor: fc.constantFrom(0, 1e-5, 3e-4),
  base: fc.constantFrom(1e-3, 0.5, 2e-4),
});

const property = (holds: (given: typeof run extends fc.Arbitrary<infer R> ? R & { steps: number } : never) => void) =>
  fc.assert(
    fc.property(run, (given) => holds({ ...given, steps: given.warmup + given.middle + given.cooldown } as never)),
    { seed: 2022 },
  );

test("every shape rises in a straight line from its start to the base rate, which it has after the warm-up", () =>
  property(({ warmup, start, steps, floor, cooldown, base }) => {
    const shapes = [
      schedule.constant({ warmup, start }),
      schedule.linear({ warmup, start, steps, floor }),
      schedule.cosine({ warmup, start, steps, floor }),
      schedule.cooldown({ warmup, start, steps, floor, cooldown }),
      schedule.step({ warmup, start, every: 7 }),
    ];
    for (const shape of shapes) {
      for (let it = 0; it < warmup; it++)
        near(
          learningRate(base, it, shape),
          base * (start * (1 - it / warmup) + it / warmup),
          `${shape.shape} at ${it}`,
        );
      near(learningRate(base, warmup, shape), base, `${shape.shape} after its warm-up`);
    }
  }));

test("linear and cosine come down to the floor at the last step, and stay there", () =>
  property(({ warmup, steps, floor, base }) => {
    const linear = schedule.linear({ warmup, steps, floor });
    const cosine = schedule.cosine({ warmup, steps, floor });
    for (let it = warmup; it <= steps; it++) {
      const x = (it - warmup) / (steps - warmup);
      near(learningRate(base, it, linear), base * (1 - x) + floor * x, `linear at ${it}`);
      near(
        learningRate(base, it, cosine),
        base * Math.cos((Math.PI * x) / 2) ** 2 + floor * Math.sin((Math.PI * x) / 2) ** 2,
        `cosine at ${it}`,
      );
    }
    for (const it of [steps, steps + 1, 3 * steps])
      for (const shape of [linear, cosine]) assert.is(learningRate(base, it, shape), floor);
  }));

test("cooldown stays at the base rate, then comes down in its own form", () =>
  property(({ warmup, steps, floor, cooldown, base }) => {
    const root = schedule.cooldown({ warmup, steps, floor, cooldown });
    const line = schedule.cooldown({ warmup, steps, floor, cooldown, form: "linear" });
    for (let it = warmup; it <= steps - cooldown; it++)
      for (const shape of [root, line]) near(learningRate(base, it, shape), base, `at ${it}`);
    for (let it = steps - cooldown; it <= steps; it++) {
      const x = (it - (steps - cooldown)) / cooldown; // Hägele et al. 2024, Eq. 1 and (1-sqrt)
      near(learningRate(base, it, root), floor + (base - floor) * (1 - x ** 0.5), `1-sqrt at ${it}`);
      near(learningRate(base, it, line), floor + (base - floor) * (1 - x), `linear at ${it}`);
    }
    assert.is(learningRate(base, steps, root), floor);
  }));

test("step goes down by gamma every so many steps after the warm-up", () => {
  const shape = schedule.step({ warmup: 3, every: 4, gamma: 0.5 });
  const rates = Array.from({ length: 13 }, (_, it) => learningRate(1, it, shape));
  assert.equal(rates.slice(3), [1, 1, 1, 1, 0.5, 0.5, 0.5, 0.5, 0.25, 0.25]);
  assert.is(learningRate(1, 9, schedule.step({ every: 10 })), 1);
  assert.is(learningRate(1, 10, schedule.step({ every: 10 })), 0.1);
});

test("milestones go down by gamma at each of theirs, counted from the run's beginning, as MultiStepLR", () => {
  const shape = schedule.milestones({ at: [4, 6, 11], gamma: 0.5 });
  const want = [1, 1, 1, 1, 0.5, 0.5, 0.25, 0.25, 0.25, 0.25, 0.25, 0.125, 0.125];
  assert.equal(
    want.map((_, it) => learningRate(1, it, shape)),
    want,
  );
  const warmed = schedule.milestones({ at: [4, 6], gamma: 0.5, warmup: 5, start: 0 });
  assert.equal(
    [0, 1, 4, 5, 6].map((it) => learningRate(1, it, warmed)),
    [0, 0.2, 0.4, 0.5, 0.25],
  );
});

test("the cosine is that of stepSchedule, within rounding", () => {
  const [ours, steps] = [schedule.cosine({ steps: 450, warmup: 40, floor: 1e-5 }), stepSchedule(450, 40, 1e-5)];
  for (let it = 0; it <= 450; it++) near(learningRate(1.5e-3, it, ours), learningRate(1.5e-3, it, steps), `at ${it}`);
});

test("rates of several groups at once are those of each", () => {
  const shape = schedule.cosine({ steps: 10, floor: 1e-4 });
  const rates = learningRate({ hidden: 0.02, rest: 3e-4 }, 4, shape);
  assert.equal(rates, { hidden: learningRate(0.02, 4, shape), rest: learningRate(3e-4, 4, shape) });
  assert.throws(() => learningRate({ hidden: -1 }, 4, shape), /base\.hidden is -1; expected/);
});

test("what does not fit is refused, and a schedule survives JSON", () => {
  assert.throws(
    () => schedule.cosine({ steps: 10, warmup: 10 }),
    /schedule\.cosine: 10 steps of warm-up do not fit into 10/,
  );
  assert.throws(
    () => schedule.cooldown({ steps: 10, warmup: 5, cooldown: 6 }),
    /5 steps of warm-up and 6 of cooldown do not fit into 10/,
  );
  assert.throws(() => schedule.linear({ steps: 0 }), /steps is 0; expected/);
  assert.throws(() => schedule.linear({ steps: 10, warmUp: 2 } as never), /did you mean warmup/);
  assert.throws(() => learningRate(1, 0, { shape: "sine" } as never), /shape is "sine"/);
  const shape = schedule.cooldown({ steps: 100, warmup: 5, cooldown: 20 });
  assert.is(learningRate(1, 90, JSON.parse(JSON.stringify(shape))), learningRate(1, 90, shape));
});

test.run();
