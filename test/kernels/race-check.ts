// All texts of an op at one case in the interpreter, for races alone: what it computes is the device's to say.
import { numelOf } from "../../engine/declare/signature.ts";
import {
  alternatives,
  type Case,
  drawInputs,
  drawUpstream,
  fullSizes,
  near,
  type Op,
  slopesAgree,
  wanted,
} from "./derive.ts";
import { interpret, type Launch, type Memory } from "./interpret.ts";
import { beyond, chain, exchanges, inputsOf, wrongValues } from "./race-test.ts";

/** What the interpreter said of the texts of an op, by text. */
export interface Findings {
  /** Texts that ran with nothing wrong. */
  readonly tested: Set<string>;
  /** Texts that could not run, or not be trusted: which pass, and why. */
  /** How often each text has run, as wide as written and with few lanes. */
  readonly times: Map<string, number>;
  readonly leftOut: Map<string, { readonly kernel: string; readonly reason: string }>;
}

/** Runs every text of an op at a case, each as wide as it is written and with workgroups of few lanes; returns races and barriers. */
export function raceCheck(op: Op, c: Case, findings: Findings): string[] {
  const wrong = new Set<string>();
  for (const forced of [undefined, ...alternatives(op)])
    for (const lanes of [undefined, Infinity]) {
      const launches = chain(op, c, forced);
      if (launches.some(({ text }) => isNew(text.code, lanes, findings)))
        for (const fault of checkChain(op, c, launches, lanes, findings)) wrong.add(fault);
      if (isTelling(op, c)) for (const { text } of launches) count(text.code, lanes, findings);
    }
  return [...wrong];
}

/** Each text runs at two telling cases, unrolled ones at one: those of products take seconds. */
const isNew = (code: string, lanes: number | undefined, { times }: Findings): boolean =>
  (times.get(`${lanes} ${code}`) ?? 0) < (code.length > 3000 ? 1 : 2);

function count(code: string, lanes: number | undefined, { times }: Findings): void {
  times.set(`${lanes} ${code}`, (times.get(`${lanes} ${code}`) ?? 0) + 1);
}

/** With fewer elements there is one lane at work, and no race to see. */
const isTelling = (op: Op, c: Case): boolean => op.sig.inputs.some((term) => numelOf(term, c.sizes) > 8);

function checkChain(op: Op, c: Case, launches: Launch[], lanes: number | undefined, findings: Findings): string[] {
  const values = inputsOf(op, c);
  const faults: string[] = [];
  const played: Launch[] = [];
  for (const backward of [false, true]) {
    for (const launch of launches.filter(({ pass }) => pass.backward === backward)) {
      const found = play(launch, values, lanes);
      if (typeof found === "string") return [...faults, ...leave(launches, played, found, findings)];
      faults.push(...found.map((text) => `${launch.pass.label} ${JSON.stringify(launch.dims)}: ${text}`));
      played.push(launch);
    }
    if (faults.length > 0) return faults;
    const reason = strange(op, c, launches, values, backward);
    if (reason) return leave(launches, [], reason, findings);
    for (const { text, pass } of launches) if (pass.backward === backward) findings.tested.add(text.code);
  }
  return faults;
}

/** Notes the launches that were not tested. */
function leave(all: readonly Launch[], done: readonly Launch[], reason: string, { leftOut, tested }: Findings): [] {
  for (const { text, pass } of all)
    if (!done.some((each) => each.text === text) && !tested.has(text.code))
      leftOut.set(text.code, { kernel: pass.label, reason });
  return [];
}

/** Races and barriers of one launch, or the reason why there is nothing to say. */
function play(launch: Launch, values: (Memory | undefined)[], lanes: number | undefined): string[] | string {
  const reason = beyond(launch.text);
  if (reason) return reason;
  const { error } = console;
  const unknown: string[] = [];
  console.error = (...said: unknown[]) => void unknown.push(said.join(" "));
  try {
    const faults = interpret(launch, values, lanes).filter(({ kind }) => kind === "race" || kind === "barrier");
    if (unknown.length > 0) return `the interpreter does not know it: ${unknown[0]}`;
    const [first] = faults;
    if (first && /\bsubgroup[A-Z]|@builtin\(subgroup/.test(launch.text.code))
      return `subgroups have one lane in the interpreter; there it has a ${first.text}`;
    return faults.map(({ text }) => text);
  } catch (thrown) {
    return `the interpreter cannot run it: ${(thrown as Error).message.split("\n")[0]}`;
  } finally {
    console.error = error;
  }
}

/** Why its accesses cannot be trusted: it computed other values than the reference. */
function strange(
  op: Op,
  c: Case,
  launches: readonly Launch[],
  values: readonly (Memory | undefined)[],
  backward: boolean,
): string | undefined {
  if (op.name in wrongValues || launches.some(({ text }) => exchanges(text))) return undefined;
  const found = (name: string, numel: number) => values[op.names.indexOf(name)]?.subarray(0, numel) ?? [];
  const inputs = drawInputs(op, c);
  try {
    if (backward) {
      const names = [...op.differentiable];
      const gradients = Object.fromEntries(names.map((name) => [name, found(`d${name}`, inputs[name].length)]));
      slopesAgree(op, c, inputs, op.differentiable.size > 0 ? drawUpstream(op, c) : {}, gradients);
    } else {
      const full = fullSizes(op, c)!;
      const want = wanted(op, c, inputs);
      for (const term of op.sig.outputs)
        near(found(term.name, numelOf(term, full)), want[term.name], op.test.tolerance ?? 2e-5, term.name);
    }
    return undefined;
  } catch (error) {
    return `there it computes other values than its reference: ${(error as Error).message.split("\n")[0]}`;
  }
}
