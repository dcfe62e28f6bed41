// Plans on the device: a segment's structure is looked up; a known one is replayed with new numbers, a new one is laid
// out, its kernels are chosen and compiled, its buffers taken and its bind groups made - once.
import { KernelError } from "../errors.ts";
import {
  completeText,
  joinSource,
  type Kernel,
  type KernelCache,
  matchBindings,
  writeFields,
} from "../device/pipeline.ts";
import type { ArenaBuffer, Memory } from "../device/memory.ts";
import type { DeviceFacts, Variant } from "../declare/op.ts";
import { type Call, type Layout, layOut, type Segment } from "./layout.ts";
import type { Storage, Value } from "../record/tensor.ts";
import { type Work, workOf } from "../declare/work.ts";

/** One dispatch, ready to encode. */
export interface Launch {
  readonly label: string;
  readonly kernel: Kernel;
  readonly variant: Variant;
  readonly variantName: string;
  readonly work: Work;
  readonly immediates: ArrayBuffer;
  readonly hasNumbers: boolean;
  group: GPUBindGroup;
  grid: readonly [number, number, number];
}

/** A plan with its memory. */
export interface Plan {
  readonly structure: Int32Array;
  readonly layout: Layout;
  readonly launches: Launch[];
  numbers: readonly number[];
  buffers: ArenaBuffer[];
}

/** Bytes that a plan takes, for reports. */
export const planBytes = (layout: Layout): number =>
  layout.slots.reduce((sum, bytes) => sum + Math.ceil(bytes / 256) * 256, 0);

export class Planner {
  readonly #plans = new Map<number, Plan[]>();
  readonly #groups = new Map<string, GPUBindGroup>();
  /** Bind groups created since the device opened: constant in the steady state. */
  bindGroups = 0;
  /** Plans made since the device opened. */
  made = 0;

  constructor(
    readonly device: GPUDevice,
    readonly kernels: KernelCache,
    readonly memory: Memory,
    readonly facts: DeviceFacts,
    readonly forced: ReadonlySet<string>,
    readonly sizeControl: boolean,
  ) {}

  /** The plan for a segment, with buffers and numbers up to date. */
  prepare(segment: Segment, structure: Int32Array, numbers: readonly number[]): Plan {
    const key = hash(structure, this.forced);
    const bucket = this.#plans.get(key) ?? [];
    let plan = bucket.find((candidate) => equal(candidate.structure, structure));
    if (!plan) {
      plan = this.#make(segment, structure, numbers);
      this.#plans.set(key, [...bucket, plan]);
      return plan;
    }
    if (plan.buffers.some(({ busy, destroyed }) => busy || destroyed)) this.#bind(plan, segment);
    this.#renumber(plan, segment, numbers);
    return plan;
  }

  /** Drops all plans (their buffers stay in the arena). */
  forget(): void {
    this.#plans.clear();
  }

  #make(segment: Segment, structure: Int32Array, numbers: readonly number[]): Plan {
    this.made++;
    const layout = layOut(segment, this.memory.maxBinding);
    const launches = segment.calls.map((call) => this.#launch(call));
    const plan: Plan = { structure: structure.slice(), layout, launches, numbers, buffers: [] };
    this.#bind(plan, segment);
    return plan;
  }

  #launch(call: Call): Launch {
    const { pass, dims, attrs, T } = call;
    const variantName = this.#choose(call);
    const variant = pass.pass.variants.get(variantName)!;
    const source = joinSource(variant.source, { dims, attrs, device: this.facts });
    const text = completeText(source, { T, subgroup: this.facts.subgroup, sizeControl: this.sizeControl }, pass.label);
    const kernel = this.kernels.get(text, variant.constants ?? {}, pass.label);
    const immediates = new ArrayBuffer(4 * text.fields.length);
    const hasNumbers = Object.values(attrs).some((value) => typeof value === "number");
    const launch: Launch = {
      label: pass.label,
      kernel,
      variant,
      variantName,
      work: workOf(call),
      immediates,
      hasNumbers,
      group: undefined as unknown as GPUBindGroup,
      grid: [1, 1, 1],
    };
    this.#fill(launch, call);
    return launch;
  }

  #choose({ pass, dims, attrs }: Call): string {
    const { variants } = pass.pass;
    for (const [name, variant] of variants)
      if (this.forced.has(name) && (variant.available?.(this.facts, dims, attrs) ?? true)) return name;
    const name = pass.pass.pick(dims, this.facts, attrs);
    if (!variants.has(name))
      throw new KernelError(`${pass.label}: picked "${name}"; it has ${[...variants.keys()].join(", ")}`);
    return name;
  }

  /** Immediates and workgroups from the call's sizes and attributes. */
  #fill(launch: Launch, { dims, attrs }: Call): void {
    const { variant, kernel, label } = launch;
    const uniforms = variant.uniforms?.(dims, attrs) ?? {};
    writeFields(new DataView(launch.immediates), kernel.text.fields, [uniforms, attrs, dims], label);
    launch.grid = fold(variant.grid(dims, { ...kernel.consts, SG: this.facts.subgroup }, attrs), label);
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
    const { layout } = plan;
    plan.buffers = this.memory.takeSlots(layout.slots);
    for (const [i, launch] of plan.launches.entries()) {
      const { pass, values } = segment.calls[i];
      const order = matchBindings(launch.kernel.text, pass, launch.variant);
      const storages = order.map((at) => {
        const value = values[pass.slots[at]];
        return { storage: this.locate(plan, segment, value, pass.label), bytes: value.bytes };
      });
      launch.group = this.#group(launch.kernel, storages);
    }
  }

  /** Where a value of the segment, or an outer one, lives. */
  locate(plan: Plan, segment: Segment, value: Value, label: string): Storage {
    if (segment.values[value.index] === value) return plan.buffers[plan.layout.slotOf[value.index]];
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

/** Up to 65535 workgroups in x; more are folded into y. */
function fold(grid: number | readonly number[], label: string): [number, number, number] {
  const [x, y = 1, z = 1] = typeof grid === "number" ? [grid] : grid;
  if (!Number.isInteger(x * y * z) || x < 1) throw new KernelError(`${label}: the grid is [${x}, ${y}, ${z}]`);
  if (typeof grid === "number" && x > 65535) return [65535, Math.ceil(x / 65535), 1];
  if (x > 65535 || y > 65535 || z > 65535) throw new KernelError(`${label}: the grid [${x}, ${y}, ${z}] passes 65535`);
  return [x, y, z];
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
