// Further activations, as rows of the table in pointwise.ts; relu and the GELUs, which CLIP needs, stand there.
import numbers from "./lib/numbers.wgsl";
import { unary } from "./pointwise.ts";

/** Below −88 it is 0, so that x times it is too, however large x. */
const gate = "select(1 / (1 + exp(-clamp(x, vec4f(-88), vec4f(88)))), vec4f(0), x < vec4f(-88))";

/** y = x · sigmoid(x), "swish" (Elfwing et al. 2018): the activation of Llama and of many vision models. */
export const silu = unary({
  name: "silu",
  about: "y = x · sigmoid x",
  f: `x * (${gate})`,
  df: `(${gate}) * (1 + x * (1 - ${gate}))`,
  ref: (x) => x / (1 + Math.exp(-x)),
  flops: 12,
});

/** y = x above 0 and slope · x below, elementwise (PyTorch's leaky_relu; `slope` is its negative_slope). */
export const leakyRelu = unary({
  name: "leakyRelu",
  about: "y = x where x > 0, else slope · x",
  attrs: { slope: 0.01 },
  f: "select(dim.slope * x, x, x > vec4f(0))",
  df: "select(vec4f(dim.slope), vec4f(1), x > vec4f(0))",
  ref: (x, { slope }) => (x > 0 ? x : slope * x),
  flops: 2,
  settings: [{}, { slope: 0.3 }],
});

/** y = ln(1 + eˣ), elementwise, without overflow. */
export const softplus = unary({
  name: "softplus",
  about: "y = ln(1 + exp x), without overflow",
  lib: [numbers],
  f: "nan_or4(x, max(x, vec4f(0)) + log(1 + exp(-min(abs(x), vec4f(80)))))",
  df: "1 / (1 + exp(-clamp(x, vec4f(-80), vec4f(80))))",
  ref: (x) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x))),
  flops: 16,
});
