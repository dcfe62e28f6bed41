// The errors a caller can act on, each with the exit code of the command line. Anything else that escapes is our bug.

/** An error whose message is written for the person who can mend its cause; the command line prints it without a stack. */
export class EngineError extends Error {
  /** Exit code of the command line (README, "Exit codes"). */
  readonly exitCode: number = 1;
  override get name(): string {
    return this.constructor.name;
  }
}

/** Shapes, ranks or dtypes that do not fit an op's signature. A mistake in the calling program. */
export class ShapeError extends EngineError {}

/** A kernel that does not compile, or does not match the pass that declares it. */
export class KernelError extends EngineError {}

/** More memory, or a larger binding, than the adapter or the budget allows. */
export class LimitError extends EngineError {
  override readonly exitCode = 4;
}

/** No adapter, a lost device, a refused command, no progress. */
export class GpuError extends EngineError {
  override readonly exitCode = 4;
  /** The device is gone, and another one may do the same work. */
  readonly isLost: boolean;

  constructor(message: string, { isLost = false }: { readonly isLost?: boolean } = {}) {
    super(message);
    this.isLost = isLost;
  }
}

/** A call, a flag or a setting that cannot be meant: the message names it and says what is allowed. */
export class UsageError extends EngineError {
  override readonly exitCode = 2;
}

/** A file that is not what it should be: `<base name>: <what is wrong, found, allowed>`. */
export class FormatError extends EngineError {
  override readonly exitCode = 3;
}

/** A gradient that is not the slope of its function; `found` has the numbers. */
export class GradientError extends EngineError {
  constructor(
    message: string,
    readonly found?: object,
  ) {
    super(message);
  }
}

/** Missing and unexpected parameter names, or shapes that differ, in a checkpoint. */
export class CheckpointError extends EngineError {
  override readonly exitCode = 3;
}

/** A health check stopped the work: non-finite numbers, too many bad samples. */
export class HealthError extends EngineError {
  override readonly exitCode = 5;
}

/** The disk is full, read-only, or failed. */
export class DiskError extends EngineError {
  override readonly exitCode = 6;
}

/** Another process is working in this run folder. */
export class BusyError extends EngineError {
  override readonly exitCode = 7;
}

/** The name in `known` closest to `name` (edit distance at most a third of its length, or 2), for "did you mean". */
export function nearest(name: string, known: Iterable<string>): string | undefined {
  if (typeof name !== "string" || typeof known?.[Symbol.iterator] !== "function")
    throw new UsageError("nearest: expected a text, and the texts among which to choose");
  let best: string | undefined;
  let least = Math.max(2, Math.floor(name.length / 3)) + 1;
  for (const candidate of known) {
    const distance = editDistance(name, candidate, least);
    if (distance < least) [best, least] = [candidate, distance];
  }
  return best;
}

function editDistance(a: string, b: string, limit: number): number {
  if (Math.abs(a.length - b.length) >= limit) return limit;
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++)
      next[j] = Math.min(row[j] + 1, next[j - 1] + 1, row[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1));
    row = next;
  }
  return row[b.length];
}

/** What was thrown first, where the end of a scope threw on the way out and hid it. */
export function firstCause(error: unknown): unknown {
  const { name, suppressed } = (error ?? {}) as { name?: string; suppressed?: unknown };
  return name === "SuppressedError" && suppressed ? firstCause(suppressed) : error;
}
