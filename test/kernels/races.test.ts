// Every kernel text in an interpreter, without hardware: what it computes, and that no two invocations race.
import { test } from "uvu";
import * as assert from "uvu/assert";
import { ops } from "../../kernels/index.ts";
import { alternatives } from "./derive.ts";
import { interpret, type Launch } from "./interpret.ts";
import { chain, deepCases, inputsOf, leftOut, raceTest, timesRun, wrongValues } from "./race-test.ts";

for (const op of ops)
  test(`${op.name}: no race, nothing outside its buffers, the values of its reference`, () => raceTest(op));

const barrier = "workgroupBarrier();";

/** Kernels with workgroup memory, and the axis that must be longer than their tiles before every barrier is needed. */
const tiled = { matmul: "K", matmulNT: "K", matmulTN: "N", attention: "L" };

for (const [name, axis] of Object.entries(tiled))
  test(`${name}: a barrier less is a race (control)`, () => {
    const op = ops.find((each) => each.name === name)!;
    const found = new Map<string, boolean[]>();
    for (const c of deepCases(op, [axis]))
      for (const forced of alternatives(op))
        for (const launch of chain(op, c, forced).filter(({ pass }) => !pass.backward || name === "attention")) {
          const { code } = launch.text;
          const seen = found.get(code) ?? new Array<boolean>(code.split(barrier).length - 1).fill(false);
          found.set(code, seen);
          for (const [i, already] of seen.entries())
            seen[i] = already || interpret(without(launch, i), inputsOf(op, c)).length > 0;
        }
    assert.ok([...found.values()].some((seen) => seen.length > 0));
    for (const [code, seen] of found) assert.ok(seen.every(Boolean), `${seen} in ${code.slice(0, 200)}`);
  });

/** The launch without its i-th barrier. */
function without(launch: Launch, i: number): Launch {
  const parts = launch.text.code.split(barrier);
  const code = [...parts.slice(0, i), parts[i] + parts[i + 1], ...parts.slice(i + 2)].join(barrier);
  return { ...launch, text: { ...launch.text, code } };
}

test("a text that is left out is counted", () => {
  const left = [...leftOut].map(([reason, texts]) => `${texts.size} left out because ${reason}`);
  console.log([`${timesRun.size} kernel texts interpreted`, ...left].join("; "));
  for (const [name, why] of Object.entries(wrongValues)) console.log(`  ${name}: accesses only, ${why}`);
  assert.ok(timesRun.size > ops.length);
});

test.run();
