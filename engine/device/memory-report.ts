// What a GPU's memory is used for, in bytes for programs and as a table for people.
import { inspected } from "../record/shown.ts";
import type { Purpose } from "../record/value.ts";

const sizeOf = (bytes: number): string =>
  bytes < 2 ** 20 ? `${(bytes / 2 ** 10).toFixed(1)} KB` : `${(bytes / 2 ** 20).toFixed(1)} MB`;

/** Memory at one moment: bytes by purpose, all together, the most that there were since the device was opened, and the budget. */
export class MemoryReport implements Readonly<Record<Purpose, number>> {
  readonly parameters: number;
  readonly gradients: number;
  readonly optimizer: number;
  readonly activations: number;
  readonly staging: number;
  readonly other: number;
  readonly total: number;

  constructor(
    live: Readonly<Record<Purpose, number>>,
    readonly peak: number,
    readonly budget: number,
  ) {
    ({
      parameters: this.parameters,
      gradients: this.gradients,
      optimizer: this.optimizer,
      activations: this.activations,
      staging: this.staging,
      other: this.other,
    } = live);
    this.total = Object.values(live).reduce((sum, bytes) => sum + bytes, 0);
  }

  /** A line for each purpose, and what they come to. */
  toString(): string {
    const { parameters, gradients, optimizer, activations, staging, other, total, peak, budget } = this;
    const all = { parameters, gradients, optimizer, activations, staging, other, total, peak, budget };
    const rows = Object.entries(all).map(([name, bytes]) => `  ${name.padEnd(12)}${sizeOf(bytes).padStart(12)}`);
    return ["GPU memory", ...rows.slice(0, 6), `  ${"-".repeat(22)}`, ...rows.slice(6)].join("\n");
  }

  [inspected](): string {
    return this.toString();
  }
}
