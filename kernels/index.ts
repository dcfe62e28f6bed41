// Every op, imported once: this is the registry. Adding an op is one folder and one line here.
export { ops } from "../engine/op.ts";
import "../engine/builtin.ts";
export * from "./pointwise.ts";
export * from "./broadcast.ts";
export * from "./reduce/reduce.ts";
export * from "./shape/shape.ts";
export * from "./embedding/embedding.ts";
export * from "./matmul/matmul.ts";
export * from "./matmul/linear.ts";
export * from "./matmul/logits.ts";
export * from "./layernorm/layernorm.ts";
export * from "./softmax/softmax.ts";
export * from "./normalize/normalize.ts";
export { attention } from "./attention/attention.ts";
export * from "./patch-embed/patch-embed.ts";
export * from "./prompt/prompt.ts";
