// The public names for testing one's own ops. They need the packages uvu and fast-check, and wgsl_reflect for races.
export { type Checked, type CheckOptions, checkOp } from "./kernels/check-op.ts";
export { type OpTest, testsOf } from "./kernels/op-tests.ts";
export type { Races } from "./kernels/race-claim.ts";
export { type CheckCase, ClaimError, type ClaimOptions } from "./kernels/replay.ts";
