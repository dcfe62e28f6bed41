// Work on its way: what was submitted and is not known to have run. It says where the device is, and bounds how much there
// may be: nothing is confirmed, and no memory of the driver's comes back, before the program awaits something.
import { UsageError } from "../errors.ts";
import type { Unit } from "../record/runner.ts";

/** A launch, as far as messages name it. */
interface Named {
  readonly label: string;
  readonly work: { readonly flops: number; readonly bytes: number };
}

/** Something submitted at once: launches `from` … `to − 1` of a segment, or a copy. */
export interface Leg {
  readonly launches: readonly Named[];
  readonly from: number;
  readonly to: number;
  /** What the program said it was at. */
  readonly during: Unit | undefined;
  /** The segment ends with it. */
  readonly ends: boolean;
}

export class Flight {
  /** Legs that are not known to have run, oldest first, the number of the first one, and of the last fence. */
  readonly #legs: (Leg & { readonly counts: boolean })[] = [];
  #first = 0;
  #fenced = 0;
  /** Segments among them, those of one unit as one. */
  #unfinished = 0;
  #unit: Unit | undefined;

  constructor(
    readonly queue: Pick<GPUQueue, "onSubmittedWorkDone">,
    /** Segments that may be unfinished at once, those of one unit as one. */
    readonly most: number,
  ) {}

  /** Segments submitted and not known to have run, those of one unit as one. */
  get unfinished(): number {
    return this.#unfinished;
  }

  /** Grows whenever something is known to have run. */
  get progress(): number {
    return this.#first;
  }

  /** Refuses one more segment than there may be. */
  check(unit: Unit | undefined): void {
    if (this.#unfinished < this.most || (unit && unit === this.#unit)) return;
    throw new UsageError(
      `${this.#unfinished} segments of work are on their way to the GPU and none is known to have run: without an \`await\` ` +
        "none ever is, and their memory piles up\n" +
        "  write `await gpu.idle()` in the loop, or await what it computes; openGpu({ inFlight: … }) allows more",
    );
  }

  /** Notes a leg that was submitted; returns its number, for `finish`. */
  begin(leg: Leg): number {
    const counts = leg.ends && (!leg.during || leg.during !== this.#unit);
    this.#legs.push({ ...leg, counts });
    if (counts) this.#unfinished++;
    if (leg.ends) this.#unit = leg.during;
    const number = this.#first + this.#legs.length;
    if (!leg.ends || number - Math.max(this.#fenced, this.#first) >= this.most / 4) this.#fence(number);
    return number;
  }

  /** Asks the device to say when it is here. */
  #fence(number: number): void {
    this.#fenced = number;
    this.queue.onSubmittedWorkDone().then(
      () => this.finish(number),
      () => {}, // a wait is told the cause
    );
  }

  /** Everything up to a leg is known to have run. */
  finish(number: number): void {
    if (number <= this.#first) return;
    for (const { counts } of this.#legs.splice(0, number - this.#first)) if (counts) this.#unfinished--;
    this.#first = number;
  }

  /** The number of the last leg. */
  get last(): number {
    return this.#first + this.#legs.length;
  }

  /** The oldest leg that is not known to have run, in words. */
  get where(): string {
    const [leg] = this.#legs;
    if (!leg) return "it had nothing to do";
    const { launches, from, to, during } = leg;
    const here = launches.slice(from, to);
    const step = during ? `${during.what}: ` : "";
    if (here.length === 0) return `${step}data on its way`;
    if (here.length === 1) return `${step}kernel ${here[0].label}`;
    const heaviest = here.reduce((a, b) => (b.work.flops + b.work.bytes > a.work.flops + a.work.bytes ? b : a));
    return `${step}launches ${from + 1} to ${to} of ${launches.length}, ${here[0].label} to ${here.at(-1)!.label}; the largest is ${heaviest.label}`;
  }
}
