// Every op, imported once: this is the registry. Adding an op is one folder and one line here.
export { ops } from "../engine/op.ts";
import "../engine/builtin.ts";
export * from "./pointwise.ts";
export * from "./broadcast.ts";
export * from "./reduce/reduce.ts";
export * from "./shape/shape.ts";
export * from "./embedding/embedding.ts";
