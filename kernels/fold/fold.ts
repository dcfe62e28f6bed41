// Reductions whose partial results are more than a sum: a maximum and its place, a mean and the squares around it. A
// reduction says what its state is, how one invocation makes it of a run of elements, and how states are merged; here are
// the launches: one of an invocation per place, or two, in which C invocations share a place.
//
// A run is every C-th element. So where M = 1, neighbouring invocations read neighbouring elements, and √A of them or more
// share a long row; where M is large, they are neighbours along M already.
import { type Attrs, ceilDiv, type Pass, pass } from "../../engine/declare/pass.ts";
import type { Dtype, Sizes } from "../../engine/declare/signature.ts";
import { lanesGrid } from "../lib/flat.ts";
import { elementType, kernel, tensorName, withAxes } from "./frame.ts";

type Factor = (dims: Sizes, attrs: Attrs) => number;

export interface Fold {
  /** The equation: first comment line of each kernel. */
  about: string;
  /** Fields of the struct State. Between two launches `top` is stored as partTop, what is Num in the storage type. */
  state: Record<string, Dtype | "Num">;
  /** WGSL: run(start, first, each) -> State, over x[start + a · M] with a from `first` in steps of `each`. */
  run: readonly string[];
  /** WGSL: merged(r) -> State, over the C states of place r, stored at part(c, r). */
  merge: readonly string[];
  /** What it writes at each place: tensors (y, or at:u32) with their values in terms of `state` and dim.factor. */
  writes: Record<string, string>;
  factor?: Factor;
}

const isLong = (A: number): boolean => A >= 128;

/** Runs of an axis: the square root of its length, in whole subgroups; a short axis is one run. */
export const runsOf = ({ A }: { A: number }) => ({ C: isLong(A) ? 32 * Math.ceil(Math.sqrt(A) / 32) : 1 });

/** Shared where an axis is long and its places too few to occupy a device, or not side by side in memory. */
export const wayOf = ({ N, A, M }: Sizes): string => (isLong(A) && (M < 8 || N * M < 4096) ? "shared" : "once");

const partOf = (field: string): string => `part${field[0].toUpperCase()}${field.slice(1)}`;
/** The stored parts of a state, with what is written there. */
const parts = ({ state }: Fold): Record<string, string> =>
  Object.fromEntries(
    Object.entries(state).map(([name, type]) =>
      type === "Num" ? [partOf(name), `T(state.${name})`] : [`${partOf(name)}:${type}`, `state.${name}`],
    ),
  );

const unscaled: Factor = () => 1;

const stateOf = ({ state }: Fold): string =>
  `struct State { ${Object.entries(state)
    .map(([name, type]) => `${name}: ${type}`)
    .join(", ")} }`;

const withState = (fold: Fold, functions: readonly string[]): string => [stateOf(fold), ...functions].join("\n");

/** In one launch: an invocation per place. */
function foldOnce(fold: Fold): Pass {
  const { about, run, writes, factor = unscaled } = fold;
  const text = kernel({
    title: `${about}; one invocation per (n, m)`,
    lib: withState(fold, run),
    reads: ["x"],
    writes,
    count: "dim.N * dim.M",
    body: ["let out = id;", "let state = run(start_of(id), 0, 1);"],
  });
  const sig = `x_NAM -> ${withAxes("NM", Object.keys(writes))}`;
  return pass(sig, text, ({ N, M }, consts) => lanesGrid(N * M, consts), {
    uniforms: (dims, attrs) => ({ factor: factor(dims, attrs) }),
  });
}

/** In two launches: an invocation per run, then one per place. */
export function foldShared(fold: Fold): Pass[] {
  const { about, run, merge, writes, factor = unscaled } = fold;
  const uniforms = (dims: Sizes, attrs: Attrs) => ({ factor: factor(dims, attrs) });
  const runs = kernel({
    title: `${about}: every C-th element; one invocation per run and (n, m)`,
    lib: withState(fold, run),
    reads: ["x"],
    writes: parts(fold),
    count: "dim.C * dim.N * dim.M",
    body: [
      "let places = dim.N * dim.M;",
      "let c = select(id % dim.C, id / places, dim.M >= 8);",
      "let r = select(id / dim.C, id % places, dim.M >= 8);",
      "let out = part(c, r);",
      "let state = run(start_of(r), c, dim.C);",
    ],
  });
  const merged = kernel({
    title: `${about}: runs put together; one invocation per (n, m)`,
    lib: withState(fold, merge),
    reads: Object.keys(parts(fold)),
    writes,
    count: "dim.N * dim.M",
    body: ["let out = id;", "let state = merged(id);"],
  });
  const stored = withAxes("CNM", Object.keys(parts(fold)));
  return [
    pass(`x_NAM -> ${stored}`, runs, ({ C, N, M }, consts) => lanesGrid(C * N * M, consts), {
      label: "runs",
      uniforms,
    }),
    pass(
      `${stored} -> ${withAxes("NM", Object.keys(writes))}`,
      merged,
      ({ N, M }, consts) => lanesGrid(N * M, consts),
      {
        uniforms,
      },
    ),
  ];
}

/** Both ways of a fold, with their gradient. */
export const foldWays = (fold: Fold, backward: readonly Pass[] = []) => ({
  once: { forward: [foldOnce(fold)], backward },
  shared: { forward: foldShared(fold), backward },
});

/**
 * dx where it follows from the element and what is known of its place: an expression of x (if `reads` has it), the other
 * names of `reads`, all as f32 but for those with a type, the number `a` along the axis and dim.factor.
 */
export function slopePass(
  about: string,
  reads: readonly string[],
  value: string,
  { lib = [], factor = unscaled }: { lib?: readonly string[]; factor?: Factor } = {},
): Pass {
  const values = reads.map((term) => {
    const element = `${tensorName(term)}[${tensorName(term) === "x" ? "id" : "r"}]`;
    return `let ${tensorName(term)}_i = ${elementType(term) === "T" ? `f32(${element})` : element};`;
  });
  const names = reads.map(tensorName).join("|");
  const text = kernel({
    title: `${about}; one invocation per element`,
    lib: lib.join("\n"),
    reads,
    writes: { dx: `T(${value.replace(new RegExp(`\\b(${names})\\b`, "g"), "$1_i")})` },
    count: "dim.N * dim.A * dim.M",
    steps: "256u / SG",
    body: [
      "let out = id;",
      "let na = id / dim.M;",
      "let n = na / dim.A;",
      "let a = na - n * dim.A;",
      "let r = n * dim.M + id - na * dim.M;",
      ...values,
    ],
  });
  const terms = reads.map((term) => withAxes(tensorName(term) === "x" ? "NAM" : "NM", [term])).join(" ");
  return pass(`${terms} -> dx_NAM`, text, ({ N, A, M }, { WG, SG }) => ceilDiv(N * A * M, WG * (256 / SG)), {
    uniforms: (dims, attrs) => ({ factor: factor(dims, attrs) }),
  });
}
