// The public names for testing one's own ops. They need the packages uvu and fast-check.
export { checkOp, type OpTest, testsOf } from "./kernels/op-tests.ts";
