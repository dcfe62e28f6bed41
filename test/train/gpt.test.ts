// The GPT of docs/examples/10-gpt.ts, as a user starts it, against the same program in float64 (test/reference/gpt.ts): same initial
// weights, same batches, fifty steps of AdamW.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { type Disturb, gptLosses } from "../reference/gpt.ts";
import { runProgram } from "../run/program.ts";

const path = join("docs", "examples", "sonnets.txt");
const text = readFileSync(path, "utf8");
const steps = 50;

/** Every gradient off by up to 2^-20, as after long sums and functions of few digits, and every weight by one rounding, at every step. */
const noise: Disturb = (() => {
  let state = 1;
  const random = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  };
  return (parameters) => {
    for (const { value, gradient } of parameters)
      for (let i = 0; i < value.length; i++) {
        gradient[i] *= 1 + 2 ** -20 * random();
        value[i] *= 1 + 2 ** -24 * random();
      }
  };
})();

const want = gptLosses(text, steps);
const disturbed = gptLosses(text, steps, noise);

/**
 * What float32 may make of the loss of step n: half of the last digit printed; eight roundings of the loss, for itself and for the
 * logits it is computed from; and what has become of the noise of all steps before, four times as much as in float64 under noise of
 * that size. Training is chaotic in the long run: this last term says whether it is by step n, instead of a number that we chose.
 */
const allowed = want.map((loss, n) => {
  const grown = Math.max(...disturbed.slice(0, n + 1).map((other, i) => Math.abs(other - want[i])));
  return 0.5e-6 + 8 * 2 ** -24 * loss + 4 * grown;
});

/** The first step at which `losses` leave what is allowed, with both numbers. */
const departure = (losses: readonly number[]) =>
  losses
    .map((loss, n) => ({ step: n + 1, loss, want: want[n], allowed: allowed[n] }))
    .find((each) => !(Math.abs(each.loss - each.want) <= each.allowed));

test("the example's losses are those of float64, step by step", async () => {
  const { code, stdout, stderr } = await runProgram(join("dist", "example-cli.js"), [
    "example",
    "10",
    path,
    `${steps}`,
    "1",
  ]);
  assert.is(code, 0, stderr.slice(-4000));
  const losses = [...stdout.matchAll(/^step \d+ {2}loss (\S+)$/gm)].map(([, loss]) => Number(loss));
  assert.is(losses.length, steps);
  assert.is(departure(losses), undefined);
});

test("fifty steps are before chaos: noise of float32's size stays below 1e-5", () => {
  for (const most of allowed) assert.ok(most < 1e-5, `${most}`);
  assert.ok(want[0] - want[steps - 1] > 1, "it learns");
});

test("a program that is a little wrong departs: one number of 27,000 whose gradient has the wrong sign", () => {
  const wrong = gptLosses(text, 20, (parameters) => {
    parameters[2].gradient[0] *= -1; // of the first block's first gain
  });
  assert.ok((departure(wrong)?.step ?? 99) < 10, JSON.stringify(departure(wrong)));
});

test.run();
