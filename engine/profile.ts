// The profiler: one compute pass per launch with timestamps around it, added up per label.
import type { Launch } from "./replay.ts";

/** Encodes launches with timestamps; `collect` gives the times. */
export interface Profiler {
  encode(launches: readonly Launch[]): GPUCommandEncoder;
}
