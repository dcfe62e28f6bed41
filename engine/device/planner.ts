// Plans: a segment's structure is looked up; a known one is replayed with new numbers, a new one is laid out, its kernels
// are chosen and compiled, its buffers taken and its bind groups made - once.
import { matchBindings } from "../declare/kernel-text.ts";
import type { Variant } from "../declare/pass.ts";
import { type Work, workOf } from "../declare/work.ts";
import { KernelError } from "../errors.ts";
import { choose, launchGrid, type Situation, writeImmediates } from "../plan/choice.ts";
import { type Layout, layOut } from "../plan/layout.ts";
import type { Call, Segment } from "../record/segment.ts";
import type { Storage, Value } from "../record/value.ts";
import type { Dispatch } from "./encode.ts";
import type { Memory, Slot } from "./memory.ts";
import type { Kernel, KernelCache } from "./pipeline.ts";

/** One dispatch of a plan, and what the profiler says of it. */
export interface Launch extends Dispatch {
  readonly label: string;
  readonly kernel: Kernel;
  readonly variant: Variant;
  readonly variantName: string;
  readonly work: Work;
  readonly hasNumbers: boolean;
  group: GPUBindGroup;
  grid: readonly [number, number, number];
}

/** A segment's structure, ready to run: its layout, its launches and their memory. */
export interface Plan {
  readonly structure: Int32Array;
  readonly layout: Layout;
  readonly launches: readonly Launch[];
  /** Where it is cut to be submitted in slices: launches that begin a new one. */
  readonly cuts: readonly number[];
  numbers: readonly number[];
  /** The buffer of each slot. */
  slots: readonly Slot[];
  /** Buffers outside the segment that its launches bind. */
  outside: ReadonlySet<GPUBuffer>;
  /** When it was last wanted, in plans. */
  used: number;
}

/** Plans kept; a training step has one to four. Beyond, the quarter that was not wanted for longest goes. */
export const mostPlans = 256;

export class Planner {
  readonly #plans = new Map<number, Plan[]>();
  readonly #groups = new Map<string, GPUBindGroup>();
  #wanted = 0;
  /** Bind groups created since the device opened: constant in the steady state. */
  bindGroups = 0;
  /** Plans made since the device opened. */
  made = 0;

  constructor(
    readonly device: GPUDevice,
    readonly kernels: KernelCache,
    readonly store: Memory,
    readonly situation: Situation,
  ) {}

  /** Plans that are known. */
  get known(): number {
    return this.#all().length;
  }

  /** The plan for a segment, with buffers and numbers up to date. */
  prepare(segment: Segment, structure: Int32Array, numbers: readonly number[]): Plan {
    const key = hash(structure, this.situation.forced);
    const plan = this.#plans.get(key)?.find((candidate) => equal(candidate.structure, structure));
    if (!plan) return this.#make(segment, structure, numbers, key);
    plan.used = ++this.#wanted;
    if (plan.slots.some(({ busy, destroyed }) => busy || destroyed)) this.#bind(plan, segment);
    this.#renumber(plan, segment, numbers);
    return plan;
  }

  /** Drops unwanted plans (all, where nothing is said), with the bind groups and idle buffers that no other plan uses. */
  forget(unwanted: (plan: Plan) => boolean = () => true): void {
    for (const [key, plans] of this.#plans) {
      const left = plans.filter((plan) => !unwanted(plan));
      if (left.length === plans.length) continue;
      if (left.length > 0) this.#plans.set(key, left);
      else this.#plans.delete(key);
    }
    const kept = this.#all();
    const groups = new Set(kept.flatMap(({ launches }) => launches.map(({ group }) => group)));
    for (const [key, group] of this.#groups) if (!groups.has(group)) this.#groups.delete(key);
    this.store.trim(new Set(kept.flatMap(({ slots }) => slots)));
  }

  #all(): Plan[] {
    return [...this.#plans.values()].flat();
  }

  #make(segment: Segment, structure: Int32Array, numbers: readonly number[], key: number): Plan {
    if (this.known >= mostPlans) this.#forgetOldest();
    this.made++;
    const layout = layOut(segment, this.store.maxBinding);
    const launches = segment.calls.map((call) => this.#launch(call));
    const plan: Plan = {
      structure: structure.slice(),
      layout,
      launches,
      cuts: cutsOf(launches, this.situation.facts.software),
      numbers,
      slots: [],
      outside: new Set(),
      used: ++this.#wanted,
    };
    this.#bind(plan, segment);
    this.#plans.set(key, [...(this.#plans.get(key) ?? []), plan]);
    return plan;
  }

  #forgetOldest(): void {
    const times = this.#all().map(({ used }) => used);
    const limit = times.sort((a, b) => a - b)[Math.floor(times.length / 4)];
    this.forget(({ used }) => used < limit);
  }

  #launch(call: Call): Launch {
    const { name, variant, text } = choose(call, this.situation);
    const kernel = this.kernels.get(text, variant.constants ?? {}, call.pass.label);
    const launch: Launch = {
      label: call.pass.label,
      kernel,
      variant,
      variantName: name,
      work: workOf(call),
      immediates: new ArrayBuffer(4 * text.fields.length),
      hasNumbers: Object.values(call.attrs).some((value) => typeof value === "number"),
      group: undefined as unknown as GPUBindGroup,
      grid: [1, 1, 1],
    };
    this.#fill(launch, call);
    return launch;
  }

  /** Immediates and workgroups from the call's sizes and attributes. */
  #fill(launch: Launch, call: Call): void {
    const { variant, kernel } = launch;
    writeImmediates(launch.immediates, kernel.text.fields, variant, call);
    launch.grid = launchGrid(variant, { ...kernel.consts, SG: this.situation.facts.subgroup }, call);
  }

  #renumber(plan: Plan, segment: Segment, numbers: readonly number[]): void {
    const before = plan.numbers;
    for (const [i, launch] of plan.launches.entries()) {
      if (!launch.hasNumbers) continue;
      const call = segment.calls[i];
      let at = call.firstNumber;
      for (const name in call.pass.op.attrs) {
        if (typeof call.attrs[name] !== "number") continue;
        if (numbers[at] !== before[at]) {
          this.#fill(launch, call);
          break;
        }
        at++;
      }
    }
    plan.numbers = numbers;
  }

  #bind(plan: Plan, segment: Segment): void {
    plan.slots = this.store.takeSlots(plan.layout.slots);
    const outside = new Set<GPUBuffer>();
    for (const [i, launch] of plan.launches.entries()) {
      const { pass, values } = segment.calls[i];
      const order = matchBindings(launch.kernel.text, pass, launch.variant);
      const storages = order.map((at) => {
        const value = values[pass.slots[at]];
        const storage = this.locate(plan, segment, value, pass.label);
        if (segment.values[value.index] !== value) outside.add(storage.buffer);
        return { storage, bytes: value.bytes };
      });
      launch.group = this.#group(launch.kernel, storages);
    }
    plan.outside = outside;
  }

  /** Where a value of the segment, or an outer one, lives. */
  locate(plan: Plan, segment: Segment, value: Value, label: string): Storage {
    if (segment.values[value.index] === value) return plan.slots[plan.layout.slotOf[value.index]];
    if (!value.storage) throw new KernelError(`${label}: a tensor was declared but never allocated or computed`);
    return value.storage;
  }

  #group(kernel: Kernel, storages: readonly { storage: Storage; bytes: number }[]): GPUBindGroup {
    const indices = kernel.text.bindings.map(({ index }) => index);
    const access = kernel.text.bindings.map(({ index, write }) => `${index}${write ? "w" : "r"}`);
    const key = `${access}|${kernel.text.fields.length}|${storages.map(({ storage, bytes }) => `${storage.id}:${bytes}`)}`;
    let group = this.#groups.get(key);
    if (!group) {
      this.bindGroups++;
      const entries = storages.map(({ storage: { buffer, offset }, bytes }, i) => {
        return { binding: indices[i], resource: { buffer, offset, size: bytes } };
      });
      this.#groups.set(key, (group = this.device.createBindGroup({ layout: kernel.layout, entries })));
    }
    return group;
  }
}

/** Operations and bytes of a slice on a software adapter: seconds there, up to a minute on a slow one. */
const mostWork = 2 ** 37;
/** Launches of a slice on a GPU. */
const mostLaunches = 256;

/** Slices: a GPU starts early with them, and a software adapter shows with them that it makes progress. */
function cutsOf(launches: readonly Launch[], software: boolean): number[] {
  if (!software) return launches.map((_, i) => i).filter((i) => i > 0 && i % mostLaunches === 0);
  const cuts: number[] = [];
  let done = 0;
  for (const [i, { work }] of launches.entries()) {
    if (done > mostWork) {
      cuts.push(i);
      done = 0;
    }
    done += work.flops + work.bytes;
  }
  return cuts;
}

function hash(structure: Int32Array, forced: ReadonlySet<string>): number {
  let h = 0x811c9dc5;
  for (let i = 0; i < structure.length; i++) h = Math.imul(h ^ structure[i], 0x01000193);
  for (const name of forced) for (let i = 0; i < name.length; i++) h = Math.imul(h ^ name.charCodeAt(i), 0x01000193);
  return h;
}

function equal(a: Int32Array, b: Int32Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}
