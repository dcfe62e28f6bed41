// Which error to tell where one hides another.

/** What was thrown first, where the end of a scope threw on the way out and hid it. */
export function firstCause(error: unknown): unknown {
  const { name, suppressed } = (error ?? {}) as { name?: string; suppressed?: unknown };
  return name === "SuppressedError" && suppressed ? firstCause(suppressed) : error;
}
