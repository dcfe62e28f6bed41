// The other engines of the tables.
import { plainLoop } from "./plain-loop.ts";
import type { Baseline } from "./problem.ts";

export const baselines: readonly Baseline[] = [plainLoop];
