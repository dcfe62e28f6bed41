/** What an error began with: an end of scope that throws as well hides the error that it ends for. */
export function firstCause(error: unknown): unknown {
  const { name, suppressed } = (error ?? {}) as { name?: string; suppressed?: unknown };
  return name === "SuppressedError" && suppressed ? firstCause(suppressed) : error;
}
