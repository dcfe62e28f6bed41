// Every op, imported once: this is the registry. Adding an op is one folder and one line here.
export { ops } from "../engine/declare/op.ts";
import "../engine/record/builtin.ts";
export {
  exp,
  gelu,
  geluTanh,
  log,
  neg,
  pow,
  quickGelu,
  reciprocal,
  relu,
  scale,
  sigmoid,
  sqrt,
  square,
  tanh,
} from "./pointwise.ts";
export { abs, ceil, cos, erf, floor, round, sign, sin } from "./functions.ts";
export { leakyRelu, silu, softplus } from "./activations.ts";
export { add, div, mul, sub } from "./broadcast.ts";
export {
  clamp,
  eq,
  ge,
  gt,
  le,
  logicalAnd,
  logicalNot,
  logicalOr,
  lt,
  maximum,
  minimum,
  ne,
  where,
} from "./compare.ts";
export { floorDivide, remainder } from "./remainder.ts";
export {
  bitwiseAnd,
  bitwiseLeftShift,
  bitwiseNot,
  bitwiseOr,
  bitwiseRightShift,
  bitwiseXor,
} from "./bitwise.ts";
export { cumsum } from "./cumsum/cumsum.ts";
export { gather, scatterAdd } from "./gather/gather.ts";
export { indexSelect } from "./index-select/index-select.ts";
export { cast, halve } from "./cast/cast.ts";
export { fromBytes } from "./from-bytes/from-bytes.ts";
export { amax, amin, argmax, argmin } from "./fold/extremes.ts";
export { prod } from "./fold/product.ts";
export { type SpreadOptions, std, variance } from "./fold/moments.ts";
export { logsumexp } from "./fold/logsumexp.ts";
export { norm } from "./fold/norm.ts";
export { expandTo, mean, sum } from "./reduce/reduce.ts";
export { appendToken, first, permute, slice, transpose } from "./shape/shape.ts";
export { chunk, concat, split, stack } from "./shape/join.ts";
export { pad } from "./shape/pad.ts";
export { tile } from "./shape/tile.ts";
export { tril, triu } from "./shape/triangle.ts";
export { flip, roll } from "./shape/turn.ts";
export { squeeze, unsqueeze } from "./shape/views.ts";
export * from "./embedding/embedding.ts";
export * from "./matmul/matmul.ts";
export * from "./matmul/linear.ts";
export * from "./matmul/logits.ts";
export * from "./layernorm/layernorm.ts";
export { rmsnorm } from "./rmsnorm/rmsnorm.ts";
export { groupnorm } from "./groupnorm/groupnorm.ts";
export * from "./softmax/softmax.ts";
export * from "./normalize/normalize.ts";
export { attention, attentionKept, attentionRow } from "./attention/attention.ts";
export { type AttentionOptions, scaledDotProductAttention } from "./attention/scaled-dot-product.ts";
export {
  type SaamOptions,
  type SubjectMode,
  saam,
  subjectAttention,
  subjectAttentionTwoHop,
} from "./attention/subject.ts";
export { embedPatches, patchEmbed } from "./patch-embed/patch-embed.ts";
export * from "./prompt/prompt.ts";
export * from "./kl-weights/kl-weights.ts";
export * from "./snce/snce.ts";
export { crossEntropy } from "./cross-entropy/cross-entropy.ts";
export { nllLoss } from "./cross-entropy/nll.ts";
export { bce, bceWithLogits, huberLoss, l1Loss, mseLoss, smoothL1Loss } from "./loss/loss.ts";
export type { Reduction } from "./loss/reduction.ts";
export * from "./adamw/adamw.ts";
export * from "./adamw/adam.ts";
export * from "./sgd/sgd.ts";
export * from "./lion/lion.ts";
export { muon, type MuonAttrs, newtonSchulz, type NewtonSchulzOptions } from "./muon/muon.ts";
export * from "./average/average.ts";
export * from "./census/not-finite.ts";
export { clipFactor, gradNorm, scaledFactor } from "./grad-norm/grad-norm.ts";
export {
  arange,
  type CreateOptions,
  eye,
  full,
  linspace,
  ones,
  onesLike,
  zeros,
  zerosLike,
} from "./create/create.ts";
export { rand, randint, randn, type RandomOptions } from "./random/draws.ts";
export { dropout, initNormal, initUniform } from "./random/random.ts";
export * from "./conv1d/conv1d.ts";
export { type ConvOptions, conv2d } from "./conv2d/conv2d.ts";
