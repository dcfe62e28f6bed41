// Every kernel text in an interpreter, without hardware: what it computes, and that no two invocations race.
import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { KernelText } from "../engine/kernel.ts";
import { numelOf, type Term } from "../engine/signature.ts";
import { ops } from "../kernels/index.ts";
import {
  alternatives,
  type Case,
  casesOf,
  drawInputs,
  drawUpstream,
  fullSizes,
  near,
  type Op,
  slopesAgree,
} from "./derive.ts";
import { interpret, type Launch, launchOf, type Memory, memoryOf } from "./interpret.ts";
import { madeUp } from "./texts.ts";

/**
 * Subgroups of one lane, as the interpreter has. On software adapters the taller tiles of a product are no candidates at these
 * sizes: they are the text of the smallest with more lines, and would take minutes.
 */
const device = madeUp(1, true, false);

/** Ops whose values the interpreter gets wrong, though not their accesses, and why. */
const wrongValues: Record<string, string> = {
  initUniform: "constants inside vectors are rounded to f32",
  initNormal: "constants inside vectors are rounded to f32",
  dropout: "constants inside vectors are rounded to f32",
  squareSums: "a bitcast of a negative number keeps its sign",
};

/**
 * Products of queries with keys are as wide as rows of whole vec4s: keys past the last one are read too, for the last sequence
 * past the buffer. Robust access answers, and nobody uses what comes of it.
 */
const readsPadding = ({ pass }: Launch): boolean =>
  /^(attention|subjectAttention)\w* (scores|ds|dw|dr)$/.test(pass.label);

/** Lanes that exchange values need neighbours; places do not depend on them. */
const exchanges = ({ code }: KernelText): boolean => /\bsubgroupShuffle/.test(code);

/** Why the interpreter cannot run a text, if it cannot. */
const beyond = ({ code }: KernelText): string | undefined => (/\bf16\b/.test(code) ? "they store f16" : undefined);

/** Texts -> how often they ran, and reasons -> the texts that cannot. */
const timesRun = new Map<string, number>();
const leftOut = new Map<string, Set<string>>();

/** Each text runs at two shapes, unrolled ones at one. */
const isNew = ({ code }: KernelText): boolean => (timesRun.get(code) ?? 0) < (code.length > 5000 ? 1 : 2);

for (const op of ops)
  test(`${op.name}: no race, nothing outside its buffers, the values of its reference`, () => {
    const cases = fc.sample(casesOf(op, 200), { numRuns: 16, seed: 2022 });
    for (const name of [undefined, ...alternatives(op)])
      for (const c of cases) {
        const launches = chain(op, c, name);
        if (canRun(launches) && launches.some(({ text }) => isNew(text))) run(op, c, launches);
      }
  });

function canRun(launches: readonly Launch[]): boolean {
  for (const { text } of launches) {
    const reason = beyond(text);
    if (reason) leftOut.set(reason, (leftOut.get(reason) ?? new Set()).add(text.code));
  }
  return launches.every(({ text }) => beyond(text) === undefined);
}

/** The launches of an op and its gradient with one alternative in force. */
function chain(op: Op, c: Case, forced: string | undefined): Launch[] {
  const dims = fullSizes(op, c)!;
  const way = forced !== undefined && op.ways.has(forced) ? forced : op.way(dims, device, c.attrs);
  const { forward, backward } = op.ways.get(way)!;
  return [...forward, ...backward].map((pass) => {
    const { variants, pick } = pass.pass;
    const wanted = forced === undefined ? undefined : variants.get(forced);
    const offered = wanted && (wanted.available?.(device, dims, c.attrs) ?? true);
    const variant = offered ? wanted : variants.get(pick(dims, device, c.attrs))!;
    return launchOf(pass, variant, dims, c.attrs, device);
  });
}

function run(op: Op, c: Case, launches: readonly Launch[]): void {
  const inputs = drawInputs(op, c);
  const upstream = op.differentiable.size ? drawUpstream(op, c) : {};
  const values = inputsOf(op, c);
  const found = (name: string) => values[op.names.indexOf(name)]!;
  const play = (launch: Launch) => {
    timesRun.set(launch.text.code, (timesRun.get(launch.text.code) ?? 0) + 1);
    const faults = interpret(launch, values).filter(
      (fault) => !(readsPadding(launch) && /^read of b outside/.test(fault)),
    );
    const where = `${launch.pass.label} ${JSON.stringify(launch.dims)}`;
    assert.is(faults.length, 0, `${where}: ${faults.slice(0, 3).join("; ")}`);
  };
  launches.filter(({ pass }) => !pass.backward).forEach(play);
  const valuesHold = !(op.name in wrongValues) && !launches.some(({ text }) => exchanges(text));
  if (valuesHold) {
    const want = op.ref(inputs, fullSizes(op, c)!, c.attrs);
    for (const { name } of op.sig.outputs)
      near(found(name).subarray(0, want[name].length), want[name], op.test.tolerance ?? 2e-5, `${op.name} ${name}`);
  }
  if (op.differentiable.size === 0) return;
  launches.filter(({ pass }) => pass.backward).forEach(play);
  if (!valuesHold) return;
  const gradients = [...op.differentiable].map((name) => [name, found(`d${name}`).subarray(0, inputs[name].length)]);
  slopesAgree(op, c, inputs, upstream, Object.fromEntries(gradients));
}

/** An op's inputs and what flows into its outputs, by position in op.names; the rest is not there yet. */
function inputsOf(op: Op, c: Case): (Memory | undefined)[] {
  const inputs = drawInputs(op, c);
  const upstream = op.differentiable.size ? drawUpstream(op, c) : {};
  return op.names.map((name) => {
    const term = op.sig.inputs.find((input) => input.name === name);
    if (term) return memory(inputs[name], term.dtype);
    const output = name.slice(1);
    return name === `d${output}` && upstream[output] ? memory(upstream[output], "f32") : undefined;
  });
}

function memory(data: ArrayLike<number>, dtype: Term["dtype"]): Memory {
  const made = memoryOf(data.length, dtype);
  made.set(data);
  return made;
}

/** Kernels with workgroup memory, and the axis that must be longer than their tiles before every barrier is needed. */
const tiled = { matmul: "K", matmulNT: "K", matmulTN: "N", attention: "L" };

for (const [name, axis] of Object.entries(tiled))
  test(`${name}: a barrier less is a race (control)`, () => {
    const op = ops.find((each) => each.name === name)!;
    const deep = fc.sample(casesOf(op, 1500), { numRuns: 400, seed: 2022 }).filter(({ sizes }) => sizes[axis] > 16);
    const found = new Map<string, boolean[]>();
    for (const c of deep.sort((a, b) => elements(op, a) - elements(op, b)).slice(0, 6))
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

const elements = (op: Op, c: Case): number => op.sig.inputs.reduce((sum, t) => sum + numelOf(t, c.sizes), 0);

const barrier = "workgroupBarrier();";

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
