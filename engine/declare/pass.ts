// One launch as an op declares it: its tensors, its kernel or several that compute the same, its grid.
import { takes } from "../takes.ts";
import type { DeviceFacts } from "./facts.ts";
import { type Dims, type Dtype, parseSignature, type Signature, type Sizes } from "./signature.ts";

/** Attributes: numbers are data (rewritten in a replayed plan), strings and booleans are structure (part of its key). */
export type Attrs = Record<string, number | string | boolean>;

/** What the emitter of a kernel's text receives. */
export interface SourceContext {
  readonly dims: Sizes;
  readonly attrs: Attrs;
  readonly device: DeviceFacts;
  /** The storage type. */
  readonly T: Dtype;
}

/** WGSL: one text, several joined in order, or an emitter for texts that need unrolling. */
export type Source = string | readonly string[] | ((context: SourceContext) => string);

/** Values of the kernel's overrides (WG, tile sizes) and SG. */
export type Consts = Readonly<Record<string, number>>;

/** One way to compute a pass. */
export interface Variant {
  /** Texts in WGSL that are joined, or what makes the text. */
  readonly source: Source;
  /** Workgroups: one number (folded into two dimensions beyond 65535) or [x, y, z]. */
  readonly grid: (dims: Sizes, consts: Consts, attrs: Attrs) => number | readonly number[];
  /** Further fields of `Dims`, beside axes and attributes of the same name. */
  readonly uniforms?: (dims: Sizes, attrs: Attrs) => Record<string, number>;
  /** Pipeline constants that replace the kernel's defaults. */
  readonly constants?: Record<string, number>;
  /** Names of bindings in the kernel that stand for other tensors of the pass: { kernelName: tensorName }. */
  readonly rename?: Record<string, string>;
  /** Whether the device can run it, for tensors stored as T; default: always. */
  readonly available?: (device: DeviceFacts, dims: Sizes, attrs: Attrs, T: Dtype) => boolean;
}

/** One launch of one kernel. */
export interface Pass {
  readonly sig: Signature;
  /** What the profiler calls it beside the op's name. */
  readonly label: string;
  /** Kernels that compute the same, by name. */
  readonly variants: ReadonlyMap<string, Variant>;
  /** The name of the variant for these sizes on this device, for tensors stored as T. */
  readonly pick: (dims: Sizes, device: DeviceFacts, attrs: Attrs, T: Dtype) => string;
  /** What it moves and computes, where its tensors and the op's flops do not say it (`counted`). */
  readonly work?: (dims: Sizes, attrs: Attrs) => { bytes?: number; flops?: number };
}

type More<S extends string> = {
  label?: string;
  uniforms?: (dims: Dims<S> & Sizes, attrs: Attrs) => Record<string, number>;
  constants?: Record<string, number>;
  rename?: Record<string, string>;
};

/**
 * One launch: its tensors, its kernel, its number of workgroups. Inputs are bound read, outputs read_write, a name on
 * both sides is updated in place. The grid receives the sizes of the axes and the kernel's overrides:
 * `({ N }, { WG, SG }) => ceilDiv(N, WG / SG)`.
 */
export function pass<const S extends string>(
  sig: S,
  source: Source,
  grid: (dims: Dims<S> & Sizes, consts: Consts, attrs: Attrs) => number | readonly number[],
  more: More<S> = {},
): Pass {
  takes("pass(sig: text, source: text | text[] | function, grid: function, more?: object)", arguments);
  const { label, ...rest } = more;
  const variant = { source, grid, ...rest } as Variant;
  return { sig: parseSignature(sig), label: label ?? "", variants: new Map([["only", variant]]), pick: () => "only" };
}

/** One launch with several kernels that compute the same; `pick` names the one for these sizes on this device. */
export function passOf<const S extends string>(
  sig: S,
  variants: Record<string, Variant>,
  pick: (dims: Sizes, device: DeviceFacts, attrs: Attrs, T: Dtype) => string,
  label = "",
): Pass {
  takes("passOf(sig: text, variants: object, pick: function, label?: text)", arguments);
  return { sig: parseSignature(sig), label, variants: new Map(Object.entries(variants)), pick };
}

/**
 * A pass whose bytes or flops do not follow from its tensors: a gather reads some rows of a table, a matrix product among
 * other passes has nearly all of the op's flops. For rates in the profiler and the benchmark.
 */
export const counted = (pass: Pass, work: Pass["work"]): Pass => ({ ...pass, work });

/** ⌈a / b⌉ for grids. */
export function ceilDiv(a: number, b: number): number {
  takes("ceilDiv(a: number, b: number)", arguments);
  return Math.ceil(a / b);
}
