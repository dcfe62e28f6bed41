// The public names of the engine.
export { accumulate, copy, fill } from "./builtin.ts";
export { placeholder, type PlanReport, planOnly } from "./dry-run.ts";
export * from "./errors.ts";
export { type Counters, findAdapter, Gpu, type GpuOptions, openGpu } from "./gpu.ts";
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
} from "./op.ts";
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
} from "./params.ts";
export { type Bound, type ProfileRow, Profiler, type Roofline, type Span, traceOf } from "./profile.ts";
export { compute, keep, later, Scope } from "./record.ts";
export { type Dtype, parseSignature, shapeError } from "./signature.ts";
export { type Gradients, Tape } from "./tape.ts";
export { Tensor, type TypedArray, Value } from "./tensor.ts";
export { cacheFolder, tunedPath } from "./tuned.ts";
