// A runner around a runner that finds kernels which read what was never written, or write where they may not: every value
// lies alone in poisoned memory, with a margin behind it that nobody may touch. For tests.
import type { DeviceFacts } from "../declare/facts.ts";
import { bytesPer } from "../declare/signature.ts";
import { GpuError } from "../errors.ts";
import type { DeviceMemory, Runner } from "../record/runner.ts";
import type { Segment, Wanted } from "../record/segment.ts";
import { type Purpose, type Storage, type TypedArray, Value } from "../record/value.ts";

/** NaN and large finite numbers by turns (as f32 and as f16), and in each value others, so that copied ones show too. */
const poisons = [0x7fff7f00, 0x4cbe7000];
/** Bytes behind each value. */
const margin = 256;
/** Begins the structure of a guarded segment: its values are larger, so no other segment may share its plan. */
const guarded = -0x60a2d;

export class Guard implements Runner {
  #turn: number;
  #checks: Promise<void>[] = [];

  /** `turn` says with which of the poisons the first run begins. */
  constructor(
    readonly inner: Runner,
    turn = 0,
  ) {
    this.#turn = turn;
  }

  get facts(): DeviceFacts {
    return this.inner.facts;
  }

  get maxBinding(): number {
    return this.inner.maxBinding;
  }

  get forced(): Set<string> {
    return this.inner.forced;
  }

  get store(): DeviceMemory | undefined {
    return this.inner.store;
  }

  check(): void {
    this.inner.check?.();
  }

  get broken(): boolean {
    return this.inner.broken ?? false;
  }

  run(segment: Segment, structure: Int32Array, numbers: readonly number[], wanted: Wanted) {
    const wide = segment.values.map(widened);
    const replace = (value: Value) => (segment.values[value.index] === value ? wide[value.index] : value);
    const poison = poisons[this.#turn++ % poisons.length];
    const alone: Segment = {
      ...segment,
      calls: segment.calls.map((call) => ({ ...call, values: call.values.map((value) => value && replace(value)) })),
      values: wide,
      uploads: [
        ...wide.map((value) => ({ value, data: new Uint32Array(value.bytes / 4).fill(poison + value.index) })),
        ...segment.uploads.map(({ value, data }) => ({ value: replace(value), data })),
      ],
      wanted: segment.wanted.map(replace),
      pinned: true,
    };
    const keeps = wanted.keeps.map(replace);
    const result = this.inner.run(alone, Int32Array.of(guarded, ...structure), numbers, {
      reads: wanted.reads.map(replace),
      keeps,
    });
    for (const [i, value] of segment.values.entries()) {
      this.#check(this.#marginOf(segment, value, wide[i], poison));
      if (segment.pinned || keeps.includes(wide[i])) value.storage = wide[i].storage;
      else if (wide[i].storage) this.inner.giveBack(wide[i].storage!);
    }
    return { reads: result.reads.map(async (read, i) => (await read).slice(0, wanted.reads[i].numel)) };
  }

  #check(check: Promise<void>): void {
    check.catch(() => {}); // idle() throws it
    this.#checks.push(check);
  }

  async #marginOf({ calls }: Segment, value: Value, wide: Value, poison: number): Promise<void> {
    const words = (await this.inner.read(new Value(wide.bytes / 4, "u32"), wide.storage!)) as Uint32Array;
    for (let i = value.bytes / 4; i < words.length; i++) {
      if (words[i] === poison + value.index) continue;
      const writer = calls.find(({ pass, values }) =>
        pass.slots.some((slot, k) => pass.writes[k] && values[slot] === value),
      );
      throw new GpuError(
        `${writer?.pass.label}: wrote ${4 * i - value.bytes} bytes behind a tensor of ${value.numel} elements`,
      );
    }
  }

  read(value: Value, storage: Storage): Promise<TypedArray> {
    return this.inner.read(value, storage);
  }

  giveBack(storage: Storage): void {
    this.inner.giveBack(storage);
  }

  free(storages: readonly Storage[], purpose: Purpose): void {
    this.inner.free(storages, purpose);
  }

  /** Waits for the device; throws the first margin that was written. */
  async idle(): Promise<void> {
    await this.inner.idle();
    await Promise.all(this.#checks.splice(0));
  }
}

/** The same elements, and a margin; padding and margin both hold poison at first. */
function widened(value: Value): Value {
  const wide = new Value(value.numel + margin / bytesPer(value.dtype), value.dtype);
  wide.index = value.index;
  return wide;
}
