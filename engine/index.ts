// The public names of the engine.
export { accumulate, copy, fill } from "./record/builtin.ts";
export { placeholder, type PlanReport, planOnly } from "./plan/dry-run.ts";
export * from "./errors.ts";
export { type Counters, findAdapter, Gpu, type GpuOptions, openGpu } from "./device/gpu.ts";
export {
  type Attrs,
  ceilDiv,
  type DeviceFacts,
  type Op,
  op,
  ops,
  type Pass,
  pass,
  passOf,
  type SourceContext,
  type Variant,
} from "./declare/op.ts";
export {
  allocateFrozen,
  allocateGroup,
  arrived,
  assign,
  assignPart,
  declare,
  type Frozen,
  parameter,
  persistent,
  type Shard,
  tensor,
} from "./device/params.ts";
export { type Bound, type ProfileRow, Profiler, type Roofline, type Span, traceOf } from "./device/timing.ts";
export { compute, keep, later, Scope } from "./record/scope.ts";
export { type Dtype, parseSignature, shapeError } from "./declare/signature.ts";
export { type Gradients, Tape } from "./record/tape.ts";
export { Tensor, type TypedArray, Value } from "./record/tensor.ts";
export { cacheFolder, tunedPath } from "./host/tuned.ts";
