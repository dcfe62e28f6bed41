// Products of whole, contiguous tensors, described by their signature alone: "dy_NM w_MK -> dx_NK" is the NN product
// over M, "dy_NM x_NK -> dw_MK" the TN product over N. A leading axis of all three is a batch; one of the output alone
// counts parts of the sum (split K).
import { KernelError } from "../../engine/errors.ts";
import type { Attrs, Pass } from "../../engine/declare/pass.ts";
import { parseSignature, type Sizes, type Term } from "../../engine/declare/signature.ts";
import type { ProductForm } from "./structures.ts";
import { product, type ProductOptions, type Shape } from "./tile.ts";

/** The epilogue, by tensor names of the signature, and a number that multiplies the sums. */
export type Epilogue = Pick<ProductOptions<string>, "factor" | "bias" | "pre" | "activation" | "residual" | "label"> & {
  readonly scale?: (attrs: Attrs) => number;
};

/** The product of the first two inputs into the first output. */
export function contract(sig: string, { scale, ...epilogue }: Epilogue = {}): Pass {
  const { inputs, outputs } = parseSignature(sig);
  const [a, b, c] = [inputs[0], inputs[1], outputs[0]];
  const [i, j] = c.axes.slice(-2);
  const [aMatrix, bMatrix] = [a, b].map((term) => term.axes.slice(-2).join(""));
  const k = aMatrix.replace(i, "");
  const form = `${aMatrix === i + k ? "N" : "T"}${bMatrix === k + j ? "N" : "T"}` as ProductForm;
  if (k.length !== 1 || form === ("TT" as string) || ![k + j, j + k].includes(bMatrix))
    throw new KernelError(`contract "${sig}": expected a_IK b_KJ, a_IK b_JK or a_KI b_KJ -> c_IJ`);
  const outer = c.axes.length === 3 ? c.axes[0] : undefined;
  const shape = (size: Sizes): Shape => {
    const layout = (term: Term) => {
      const [rows, cols] = term.axes.slice(-2).map((axis) => size[axis]);
      return { ld: cols, strideN: term.axes.length === 3 ? rows * cols : undefined };
    };
    const many =
      outer === undefined ? {} : a.axes.length === 3 ? { batch: [size[outer]] as const } : { split: size[outer] };
    return { M: size[i], N: size[j], K: size[k], a: layout(a), b: layout(b), c: layout(c), ...many };
  };
  return product({
    form,
    sig,
    a: a.name,
    b: b.name,
    c: c.name,
    shape: (size: Sizes, attrs: Attrs) => (scale ? { ...shape(size), scale: scale(attrs) } : shape(size)),
    ...epilogue,
  });
}
