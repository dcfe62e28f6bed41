// The activations that linear layers end in: formulas in kernels/lib/activation.wgsl, here their passes and the
// same in f64.
import { type Attrs, type Pass, pass, type SourceContext } from "../../engine/declare/pass.ts";
import activations from "../lib/activation.wgsl";
import { erf64 } from "../lib/erf.ts";
import erf from "../lib/erf.wgsl";
import { flatGrid } from "../lib/flat.ts";
import flat from "../lib/flat.wgsl";
import forward from "./activate.wgsl";
import backward from "./activate-dx.wgsl";

/** Exact GELU, its tanh form (up to 4.7e-4 away), x·sigmoid(1.702x) (OpenAI's CLIP), or none. */
export type Activation = "none" | "gelu" | "geluTanh" | "quickGelu";

/** In f64. */
export const activation64: Record<Activation, (x: number) => number> = {
  none: (x) => x,
  gelu: (x) => 0.5 * x * (1 + erf64(x * Math.SQRT1_2)),
  geluTanh: (x) => 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3))),
  quickGelu: (x) => x / (1 + Math.exp(-1.702 * x)),
};

/** What an op's attribute `activation` says. */
export const activationOf = (attrs: Attrs): Activation => attrs.activation as Activation;

const named = (name: "act" | "slope", text: string) => (context: SourceContext) => {
  const f = `${activationOf(context.attrs)}${name === "slope" ? "Slope" : ""}`;
  return [flat, erf, activations, `fn ${name}(x: vec4f) -> vec4f { return ${f}(x); }\n`, text].join("\n");
};

const count = { uniforms: ({ N, M }: { N: number; M: number }) => ({ count: N * M }) };

/** y = act(pre), and dpre = dy · act'(pre), by the attribute `activation`. */
export const activate: Pass = pass(
  "pre_NM -> y_NM",
  named("act", forward),
  ({ N, M }, consts) => flatGrid(N * M, consts),
  { label: "activation", ...count },
);
export const activateSlope: Pass = pass(
  "dy_NM pre_NM -> dpre_NM",
  named("slope", backward),
  ({ N, M }, consts) => flatGrid(N * M, consts),
  { label: "dpre", ...count },
);
