// GPU buffers: every byte is counted, a budget is checked before allocating, buffers of plans are shared between plans.
import { GpuError, LimitError, ShapeError } from "../errors.ts";
import { serves } from "../plan/layout.ts";
import type { DeviceMemory } from "../record/runner.ts";
import { nextId, type Purpose, type Storage, type TypedArray } from "../record/value.ts";

/** A buffer for one slot of plans; `busy` while values outlive the segment that wrote them. */
export interface Slot extends Storage {
  busy: boolean;
  destroyed: boolean;
}

const mb = (bytes: number) => `${(bytes / 2 ** 20).toFixed(1)} MB`;

/** Rounds up to the alignment of storage offsets that every adapter accepts. */
export const align256 = (bytes: number): number => Math.ceil(bytes / 256) * 256;

export class Memory implements DeviceMemory {
  readonly live: Record<Purpose, number> = {
    parameters: 0,
    gradients: 0,
    optimizer: 0,
    activations: 0,
    staging: 0,
    other: 0,
  };
  /** Buffers created since the device opened: constant in the steady state. */
  created = 0;
  /** The most bytes there were at once. */
  peak = 0;
  readonly #slots: Slot[] = [];
  readonly #staging: { buffer: GPUBuffer; bytes: number }[] = [];

  constructor(
    readonly device: GPUDevice,
    public budget: number,
    readonly maxBinding: number,
  ) {}

  get total(): number {
    return Object.values(this.live).reduce((a, b) => a + b, 0);
  }

  /** A buffer of its own, bound whole. */
  allocate(
    bytes: number,
    purpose: Purpose,
    usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST,
  ): Storage {
    const size = align256(bytes);
    if (purpose !== "staging") this.#checkBinding(size, purpose);
    this.#checkBudget(size, purpose);
    this.created++;
    this.live[purpose] += size;
    this.peak = Math.max(this.peak, this.total);
    const buffer = this.device.createBuffer({ size, usage, label: purpose });
    return { id: nextId(), buffer, offset: 0, bytes: size, owner: this };
  }

  /** Refuses what would pass the budget or cannot be bound, before the first of several buffers is made. */
  demand(sizes: readonly number[], purpose: Purpose): void {
    for (const bytes of sizes) this.#checkBinding(bytes, purpose);
    this.#checkBudget(
      sizes.reduce((sum, bytes) => sum + bytes, 0),
      purpose,
    );
  }

  #checkBinding(bytes: number, purpose: Purpose): void {
    if (bytes <= this.maxBinding) return;
    throw new LimitError(`${purpose}: one buffer of ${mb(bytes)}; this adapter binds at most ${mb(this.maxBinding)}`);
  }

  /**
   * Host data into storage, ordered with what was submitted before and after. Errors: ShapeError where it does not fit, so
   * that the driver, for which that is the end, never sees it.
   */
  write(storage: Storage, data: TypedArray | Uint16Array, at = 0): void {
    const bytes = Math.ceil(data.byteLength / 4) * 4;
    const whole = bytes === data.byteLength ? data : padded(data, bytes);
    if (!(Number.isInteger(at / 4) && at >= 0 && at + bytes <= storage.bytes))
      throw new ShapeError(`write: ${bytes} bytes at ${at} do not fit ${storage.bytes} bytes`);
    const { buffer, offset } = storage;
    this.device.queue.writeBuffer(buffer, offset + at, whole.buffer as ArrayBuffer, whole.byteOffset, bytes);
  }

  /** Destroys a buffer; work that was submitted with it still runs. */
  free(storage: Storage, purpose: Purpose): void {
    storage.buffer.destroy();
    this.live[purpose] -= storage.bytes;
  }

  /** Makes room for `bytes` by destroying idle slots other than `spared`; an error where that is not enough. */
  #checkBudget(bytes: number, purpose: Purpose, spared: ReadonlySet<Slot> = new Set()): void {
    if (this.total + bytes > this.budget) this.trim(spared);
    if (this.total + bytes <= this.budget) return;
    const parts = Object.entries(this.live)
      .filter(([, n]) => n > 0)
      .map(([name, n]) => `${name} ${mb(n)}`);
    throw new LimitError(
      `GPU memory: ${mb(bytes)} more for ${purpose} would pass the budget of ${mb(this.budget)}\n` +
        `  in use: ${parts.join(", ") || "nothing"}\n` +
        `  ${mb(this.budget - this.total)} would fit; use a smaller batch, or a larger budget`,
    );
  }

  /** Destroys slots that hold nothing, but for those spared. */
  trim(spared: ReadonlySet<Slot>): void {
    for (const entry of this.#slots.splice(0)) {
      if (entry.busy || spared.has(entry)) this.#slots.push(entry);
      else {
        entry.destroyed = true;
        this.free(entry, "activations");
      }
    }
  }

  /**
   * Buffers for the slots of a plan, largest slot first: existing ones of nearly the right size where they are idle,
   * new ones otherwise. Two plans may hold the same buffer: they never run at the same time.
   */
  takeSlots(slots: readonly number[]): Slot[] {
    const taken = new Set<Slot>();
    const plan = slots.map((bytes) => {
      const fit = this.#find(bytes, taken);
      if (fit) taken.add(fit);
      return fit;
    });
    const missing = slots.reduce((sum, bytes, i) => sum + (plan[i] ? 0 : align256(bytes)), 0);
    this.#checkBudget(missing, "activations", taken);
    return slots.map((bytes, i) => plan[i] ?? this.#grow(bytes));
  }

  #find(bytes: number, taken: Set<Slot>): Slot | undefined {
    let best: Slot | undefined;
    for (const entry of this.#slots) {
      if (entry.busy || taken.has(entry) || !serves(entry.bytes, bytes)) continue;
      if (!best || entry.bytes < best.bytes) best = entry;
    }
    return best;
  }

  #grow(bytes: number): Slot {
    const entry: Slot = { ...this.allocate(bytes, "activations"), busy: false, destroyed: false };
    this.#slots.push(entry);
    return entry;
  }

  /**
   * A buffer that stays busy until given back: for values kept beyond their segment. Not one of the plan that has just
   * written them: it may hold what is still to be kept or read.
   */
  takeKept(bytes: number, plan: readonly Slot[]): Slot {
    const spared = new Set(plan);
    let entry = this.#find(bytes, spared);
    if (!entry) {
      this.#checkBudget(align256(bytes), "activations", spared);
      entry = this.#grow(bytes);
    }
    entry.busy = true;
    return entry;
  }

  giveBack(storage: Storage): void {
    const entry = this.#slots.find(({ id }) => id === storage.id);
    if (entry) entry.busy = false;
  }

  /** A mappable buffer of at least `bytes`; return it with `returnStaging` after unmapping. */
  takeStaging(bytes: number): { buffer: GPUBuffer; bytes: number } {
    const at = this.#staging.findIndex((entry) => entry.bytes >= bytes && entry.bytes <= 4 * bytes + 1024);
    if (at >= 0) return this.#staging.splice(at, 1)[0];
    const { buffer, bytes: size } = this.allocate(bytes, "staging", GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST);
    return { buffer, bytes: size };
  }

  returnStaging(entry: { buffer: GPUBuffer; bytes: number }): void {
    if (entry.buffer.mapState !== "unmapped") throw new GpuError("a staging buffer came back mapped");
    this.#staging.push(entry);
  }
}

function padded(data: TypedArray | Uint16Array, bytes: number): Uint8Array {
  const whole = new Uint8Array(bytes);
  whole.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  return whole;
}
