// Every text of an op in the interpreter: what it computes, what it touches, and that no two invocations race.
import fc from "fast-check";
import * as assert from "uvu/assert";
import type { KernelText } from "../../engine/declare/kernel-text.ts";
import { numelOf, type Term } from "../../engine/declare/signature.ts";
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
  typeOf,
  wanted,
} from "./derive.ts";
import { interpret, type Launch, launchOf, type Memory, memoryOf } from "./interpret.ts";
import { madeUp } from "../kit/texts.ts";

/**
 * Subgroups of one lane, as the interpreter has. On software adapters the taller tiles of a product are no candidates at these
 * sizes: they are the text of the smallest with more lines, and would take minutes.
 */
const device = madeUp(1, true, false);

const vectorsOfIntegers = "it computes with vectors of integers as with floats";

/** Ops whose values the interpreter gets wrong, though not their accesses, and why. */
export const wrongValues: Record<string, string> = {
  initUniform: "constants inside vectors are rounded to f32",
  initNormal: "constants inside vectors are rounded to f32",
  dropout: "constants inside vectors are rounded to f32",
  rand: "constants inside vectors are rounded to f32",
  randn: "constants inside vectors are rounded to f32",
  randint: "constants inside vectors are rounded to f32",
  squareSums: "a bitcast of a negative number keeps its sign",
  ...Object.fromEntries(
    ["And", "Or", "Xor", "LeftShift", "RightShift"].map((name) => [`bitwise${name}`, vectorsOfIntegers]),
  ),
  toU32: vectorsOfIntegers,
  toI32: vectorsOfIntegers,
  notFinite: vectorsOfIntegers,
  wholeToF32: vectorsOfIntegers,
};

/**
 * Products of queries with keys are as wide as rows of whole vec4s: keys past the last one are read too, for the last sequence
 * past the buffer. Robust access answers, and nobody uses what comes of it.
 */
const readsPadding = ({ pass }: Launch): boolean =>
  /^(attention|subjectAttention)\w* (scores|ds|dw|dr)$/.test(pass.label);

/** Lanes that exchange values need neighbours; places do not depend on them. */
export const exchanges = ({ code }: KernelText): boolean => /\bsubgroupShuffle/.test(code);

/** What the interpreter does not do, or not as WGSL says, and how a text shows it. */
const limits: readonly [pattern: RegExp, reason: string][] = [
  [/\bf16\b/, "they store f16"],
  [/\bvar\s*<\s*private\s*>/, "their private variables would be shared"],
  [/\btexture\w*|\bsampler\b/, "they use textures"],
  [
    /\bfn (?!main\b)\w+\([^{]*\{(?:(?!\n\}|\bfn )[\s\S])*?(?:Barrier\(|workgroupUniformLoad)/,
    "they have a barrier inside a function",
  ],
];

/** Why the interpreter cannot run a text, if it cannot. */
export const beyond = ({ code }: KernelText): string | undefined => limits.find(([pattern]) => pattern.test(code))?.[1];

/** Texts -> how often they ran, and reasons -> the texts that cannot. */
export const timesRun = new Map<string, number>();
export const leftOut = new Map<string, Set<string>>();

/** Each text runs at two shapes, unrolled ones at one. */
const isNew = ({ code }: KernelText): boolean => (timesRun.get(code) ?? 0) < (code.length > 5000 ? 1 : 2);

/** Runs every text of an op at a few shapes, with `deep` also at one longer than a tile along each axis; throws what is wrong. */
export function raceTest(op: Op, deep = false): void {
  for (const name of [undefined, ...alternatives(op)]) {
    for (const c of fc.sample(casesOf(op, 200), { numRuns: 16, seed: 2022 })) {
      const launches = chain(op, c, name);
      if (canRun(launches) && launches.some(({ text }) => isNew(text))) run(op, c, launches);
    }
    for (const c of deep ? deepCases(op) : []) {
      const launches = chain(op, c, name);
      if (canRun(launches) && launches.some(({ text }) => text.code.includes("workgroupBarrier"))) run(op, c, launches);
    }
  }
}

/** For each axis the six smallest cases in which it is longer than a tile (16): there every barrier is needed. */
export function deepCases(op: Op, axes = op.axes): Case[] {
  const cases = fc.sample(casesOf(op, 1500), { numRuns: 400, seed: 2022 });
  const elements = (c: Case) => op.sig.inputs.reduce((sum, term) => sum + numelOf(term, c.sizes), 0);
  cases.sort((a, b) => elements(a) - elements(b));
  return [...new Set(axes.flatMap((axis) => cases.filter(({ sizes }) => sizes[axis] > 16).slice(0, 6)))];
}

function canRun(launches: readonly Launch[]): boolean {
  for (const { text } of launches) {
    const reason = beyond(text);
    if (reason) leftOut.set(reason, (leftOut.get(reason) ?? new Set()).add(text.code));
  }
  return launches.every(({ text }) => beyond(text) === undefined);
}

/** The launches of an op and its gradient with one alternative in force. */
export function chain(op: Op, c: Case, forced: string | undefined): Launch[] {
  const dims = fullSizes(op, c)!;
  const way = forced !== undefined && op.ways.has(forced) ? forced : op.way(dims, device, c.attrs);
  const { forward, backward } = op.ways.get(way)!;
  return [...forward, ...backward].map((pass) => {
    const { variants, pick } = pass.pass;
    const wanted = forced === undefined ? undefined : variants.get(forced);
    const offered = wanted && (wanted.available?.(device, dims, c.attrs, "f32") ?? true);
    const variant = offered ? wanted : variants.get(pick(dims, device, c.attrs, "f32"))!;
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
      ({ text }) => !(readsPadding(launch) && /^read of b outside/.test(text)),
    );
    const where = `${launch.pass.label} ${JSON.stringify(launch.dims)}`;
    assert.is(
      faults.length,
      0,
      `${where}: ${faults
        .slice(0, 3)
        .map(({ text }) => text)
        .join("; ")}`,
    );
  };
  launches.filter(({ pass }) => !pass.backward).forEach(play);
  const valuesHold = !(op.name in wrongValues) && !launches.some(({ text }) => exchanges(text));
  if (valuesHold) {
    const want = wanted(op, c, inputs);
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
export function inputsOf(op: Op, c: Case): (Memory | undefined)[] {
  const inputs = drawInputs(op, c);
  const upstream = op.differentiable.size ? drawUpstream(op, c) : {};
  return op.names.map((name) => {
    const term = op.sig.inputs.find((input) => input.name === name);
    if (term) return memory(inputs[name], typeOf(op, term));
    const output = name.slice(1);
    return name === `d${output}` && upstream[output] ? memory(upstream[output], "f32") : undefined;
  });
}

function memory(data: ArrayLike<number>, dtype: Term["dtype"]): Memory {
  const made = memoryOf(data.length, dtype);
  made.set(data);
  return made;
}
