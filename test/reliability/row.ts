// A row of the table: a promise, its bar, and how it is measured here.

/** How much of a row is tried: everything, or what takes seconds. */
export interface Scale {
  readonly kills: number;
  /** Every so many-th call or submit is tried; 1 is each. */
  readonly stride: number;
  /** The first of them; those from 1 to the stride together try each. */
  readonly from: number;
  readonly damages: number;
}

/** The numbers of 1 to `last` that are tried. */
export const triedOf = (last: number, { from, stride }: Scale): number[] =>
  Array.from({ length: Math.max(0, Math.ceil((last - from + 1) / stride)) }, (_, i) => from + i * stride);

/** What became of a row; one that this machine cannot try says why. */
export interface Finding {
  readonly measured: string;
  readonly ok: boolean;
  readonly isSkipped?: true;
}

export interface Row {
  readonly name: string;
  readonly bar: string;
  measure(scale: Scale): Promise<Finding>;
}

/** What a row has missed whose counting run counted nothing, or of which the scale leaves nothing to try; undefined where all is well. */
export function nothingTried(what: string, counted: number, last: number, scale: Scale): Finding | undefined {
  if (!(counted > 0)) return { measured: `no ${what} were counted`, ok: false };
  if (triedOf(last, scale).length > 0) return undefined;
  return { measured: `nothing was tried: --from ${scale.from} is beyond the ${last} that there are`, ok: false };
}

export const skipped = (why: string): Finding => ({ measured: `not tried: ${why}`, ok: true, isSkipped: true });

/** Counts what was tried and keeps what went wrong. */
export class Tally {
  tried = 0;
  readonly #misses: string[] = [];

  /** One trial; `fault` says what was wrong with it. */
  note(trial: string, fault: string | undefined): void {
    this.tried++;
    if (fault !== undefined) this.#misses.push(`${trial}: ${fault}`);
  }

  /** "60 of 60 resumed to the same bits", or the first two misses. */
  finding(what: string): Finding {
    const good = this.tried - this.#misses.length;
    const misses = this.#misses.slice(0, 2).map((miss) => `; ${miss}`);
    return { measured: `${good} of ${this.tried} ${what}${misses.join("")}`, ok: good === this.tried && good > 0 };
  }
}

/** The first thing that is wrong, as [whether it is, what to say of it]. */
export const firstFault = (...checks: readonly (readonly [boolean, string])[]): string | undefined =>
  checks.find(([isWrong]) => isWrong)?.[1];
