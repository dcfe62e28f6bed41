// Spans of time as a file that Chrome and Perfetto open.

import { takes } from "../takes.ts";

/** A stretch of time on one track of the trace, in ms since the profiler began. */
export interface Span {
  readonly name: string;
  readonly track: "gpu" | "main";
  /** Milliseconds since the profiler began, and its length. */
  readonly start: number;
  readonly ms: number;
}

/** Spans as the JSON that chrome://tracing and Perfetto open: times in microseconds, one thread per track. */
export function traceOf(spans: readonly Span[], adapter: string): object {
  takes("traceOf(spans: { name: text, track: text, start: number, ms: number, ... }[], adapter: text)", arguments);
  const threads = { main: 1, gpu: 2 };
  const names = { main: "main thread", gpu: `GPU: ${adapter}` };
  const labels = (["main", "gpu"] as const).map((track) => ({
    name: "thread_name",
    ph: "M",
    pid: 1,
    tid: threads[track],
    args: { name: names[track] },
  }));
  const events = spans.map(({ name, track, start, ms }) => ({
    name,
    cat: track,
    ph: "X",
    pid: 1,
    tid: threads[track],
    ts: Math.round(start * 1e6) / 1e3,
    dur: Math.round(ms * 1e6) / 1e3,
  }));
  return { displayTimeUnit: "ms", traceEvents: [...labels, ...events] };
}
