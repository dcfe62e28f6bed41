// The public names of the engine.
export type { DeviceFacts } from "./declare/facts.ts";
export { type Op, ops } from "./declare/op.ts";
export { type Attrs, ceilDiv, type Pass, pass, passOf, type SourceContext, type Variant } from "./declare/pass.ts";
export { type Dtype, type Float, parseSignature, shapeError } from "./declare/signature.ts";
export {
  checkGradient,
  type CheckedInput,
  type CheckGradientOptions,
  type Compared,
  type GradientReport,
  numericalSlope,
} from "./device/check-gradient.ts";
export type { Direction, GradientInput, TensorFunction } from "./device/function-under-test.ts";
export { type Counters, Gpu } from "./device/gpu.ts";
export type { MemoryReport } from "./device/memory-report.ts";
export { allocateFrozen, allocateGroup, type Frozen, type Halves, type Shard } from "./device/groups.ts";
export { findAdapter, type GpuOptions, openGpu } from "./device/open.ts";
export { arrived, assign, assignPart, declare, free, parameter, persistent, tensor } from "./device/params.ts";
export type { Bound, Roofline } from "./device/roofline.ts";
export type { Estimate, Slope } from "./device/slope.ts";
export { type ProfileRow, Profiler } from "./device/timing.ts";
export { type Span, traceOf } from "./device/trace.ts";
export * from "./errors.ts";
export { cacheFolder, tunedPath } from "./host/here.ts";
export { placeholder, type PlanReport, planOnly } from "./plan/dry-run.ts";
export { accumulate, copy, fill } from "./record/builtin.ts";
export { compute, detach, keep, later } from "./record/compute.ts";
export { op } from "./record/op.ts";
export { recompute } from "./record/recompute.ts";
export { during } from "./record/runner.ts";
export { Scope } from "./record/scope.ts";
export { type Gradients, Tape } from "./record/tape.ts";
export { Tensor } from "./record/tensor.ts";
export { type ArrayOf, type TypedArray, Value } from "./record/value.ts";
