// What one launch moves and computes, from its declaration: the profiler and the benchmark divide it by time.
import type { CompiledPass } from "./op.ts";
import type { Call } from "./plan.ts";
import type { Sizes } from "./signature.ts";
import { bytesPer } from "./tensor.ts";

/** Bytes of the tensors of a launch, each once (twice where it is updated in place), and its share of the op's flops. */
export interface Work {
  readonly bytes: number;
  readonly flops: number;
}

/** The work of one recorded launch. A gradient counts twice the flops of its forward: two products for one. */
export function workOf({ pass, values, dims, attrs }: Call): Work {
  const reads = pass.pass.sig.inputs.length;
  let bytes = 0;
  for (let k = 0; k < pass.slots.length; k++) {
    const { numel, dtype } = values[pass.slots[k]];
    bytes += numel * bytesPer(dtype) * (pass.writes[k] && k < reads ? 2 : 1);
  }
  const flops = pass.op.flops(dims, attrs) * (pass.backward ? 2 : 1) * shareOf(pass, dims);
  return { bytes, flops };
}

/** An op declares its flops as a whole; its passes share them in proportion to the space that each walks through. */
function shareOf(pass: CompiledPass, dims: Sizes): number {
  for (const { forward, backward } of pass.op.ways.values()) {
    const siblings = pass.backward ? backward : forward;
    if (!siblings.includes(pass)) continue;
    return space(pass, dims) / siblings.reduce((sum, sibling) => sum + space(sibling, dims), 0);
  }
  return 1;
}

/** Product of the op's own axes that the pass mentions; axes of intermediates (parts of sums) only cut these. */
function space({ op, terms }: CompiledPass, dims: Sizes): number {
  const axes = new Set(terms.flatMap((term) => term.axes.filter((axis) => op.axes.includes(axis))));
  let points = 1;
  for (const axis of axes) points *= dims[axis];
  return points;
}
