// The public names for testing one's own ops. They need the packages uvu and fast-check.
export { type Checked, type CheckOptions, checkOp } from "./kernels/check-op.ts";
export { type OpTest, testsOf } from "./kernels/op-tests.ts";
export { type CheckCase, ClaimError, type ClaimOptions } from "./kernels/replay.ts";
