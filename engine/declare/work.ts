// What one launch moves and computes, from its declaration: the profiler and the benchmark divide it by time.
import type { CompiledPass } from "./op.ts";
import type { Attrs } from "./pass.ts";
import { bytesPer, type Dtype, type Sizes } from "./signature.ts";

/** A launch as far as its work goes; `values` are those of the whole op. */
interface Launched {
  readonly pass: CompiledPass;
  readonly values: readonly { readonly numel: number; readonly dtype: Dtype }[];
  readonly dims: Sizes;
  readonly attrs: Attrs;
}

/** Bytes of the tensors of a launch, each once (twice where it is updated in place), and its share of the op's flops. */
export interface Work {
  readonly bytes: number;
  readonly flops: number;
}

/** The work of one recorded launch. A gradient counts twice the flops of its forward: two products for one. */
export function workOf({ pass, values, dims, attrs }: Launched): Work {
  const own = pass.pass.work?.(dims, attrs) ?? {};
  return { bytes: own.bytes ?? bytesOf(pass, values), flops: own.flops ?? flopsOf(pass, dims, attrs) };
}

function bytesOf(pass: CompiledPass, values: Launched["values"]): number {
  const reads = pass.pass.sig.inputs.length;
  let bytes = 0;
  for (let k = 0; k < pass.slots.length; k++) {
    const { numel, dtype } = values[pass.slots[k]];
    bytes += numel * bytesPer(dtype) * (pass.writes[k] && k < reads ? 2 : 1);
  }
  return bytes;
}

/**
 * An op declares its flops as a whole. What no pass counts itself is shared by the others, in proportion to the space
 * that each walks through.
 */
function flopsOf(pass: CompiledPass, dims: Sizes, attrs: Attrs): number {
  const siblings = siblingsOf(pass);
  const counts = siblings.map(({ pass }) => pass.work?.(dims, attrs).flops);
  const all = pass.op.flops(dims, attrs) * (pass.backward ? 2 : 1);
  const left = Math.max(0, all - counts.reduce((sum: number, flops) => sum + (flops ?? 0), 0));
  const shared = siblings.reduce((sum, each, i) => sum + (counts[i] === undefined ? space(each, dims) : 0), 0);
  return (left * space(pass, dims)) / shared;
}

/** All passes that compute the same thing together. */
function siblingsOf(pass: CompiledPass): readonly CompiledPass[] {
  for (const { forward, backward } of pass.op.ways.values())
    for (const passes of [forward, backward]) if (passes.includes(pass)) return passes;
  return [pass];
}

/** Product of the op's own axes that the pass mentions; axes of intermediates (parts of sums) only cut these. */
function space({ op, terms }: CompiledPass, dims: Sizes): number {
  const axes = new Set(terms.flatMap((term) => term.axes.filter((axis) => op.axes.includes(axis))));
  let points = 1;
  for (const axis of axes) points *= dims[axis];
  return points;
}
