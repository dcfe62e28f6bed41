// Sums over the rows of a matrix (gradients of biases and gains, parts of a product), in a fixed order.
import { ceilDiv, type Pass, passOf, type Variant } from "../../engine/declare/pass.ts";
import { parseSignature, type Sizes } from "../../engine/declare/signature.ts";
import { partsFor } from "./panels.ts";
import levels from "./levels.wgsl";
import panels from "./panels.wgsl";
import colsum from "./colsum.wgsl";

/** x[rows, width] -> y[parts, width]: row p is the sum of the p-th stretch of ⌈rows / parts⌉ rows. */
export interface ColumnSum {
  readonly rows: number;
  readonly width: number;
  readonly parts: number;
}

/** Parts for a column sum of `rows` rows: stretches of at least 32 rows. */
export const partsOf = (rows: number): number => partsFor(rows, 32);

/** One launch: the signature has one input and one output, read as the matrices that `shape` describes. */
export function columnSum(sig: string, shape: (dims: Sizes) => ColumnSum, label = ""): Pass {
  const { inputs, outputs } = parseSignature(sig);
  const [x, y] = [inputs[0], outputs[0]];
  const variant = (wide: 1 | 4): Variant => {
    const of = (type: string) => (wide === 4 ? `vec4<${type}>` : type);
    const prefix = `alias X = ${of(x.dtype)};\nalias Y = ${of(y.dtype)};\nalias SUM = ${of("f32")};\n`;
    return {
      source: [prefix, panels, levels, colsum],
      grid: (dims, { WG }) => ceilDiv(shape(dims).parts * (shape(dims).width / wide), WG),
      uniforms: (dims) => {
        const { rows, width, parts } = shape(dims);
        return { rows, width: width / wide, part: ceilDiv(rows, parts), parts };
      },
      rename: { x: x.name, y: y.name },
      available: (_, dims) => shape(dims).width % wide === 0,
    };
  };
  const pick = (dims: Sizes) => (shape(dims).width % 4 === 0 ? "vec4" : "any");
  return passOf(sig, { any: variant(1), vec4: variant(4) }, pick, label);
}

/** Column sums of x[rows, width] in two launches, by way of part[parts, width]:f32. */
export function columnSums(into: string, out: string, shape: (dims: Sizes) => ColumnSum): Pass[] {
  const second = (dims: Sizes) => ({ rows: shape(dims).parts, width: shape(dims).width, parts: 1 });
  return [columnSum(into, shape, "parts"), columnSum(out, second)];
}
