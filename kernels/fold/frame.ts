// The frame of the kernels in this folder: bindings, sizes of x[N, A, M], and a loop over places or elements.

/** "at" of "at:u32". */
export const tensorName = (term: string): string => term.split(":")[0];
/** "u32" of "at:u32", "T" of "y". */
export const elementType = (term: string): string => term.split(":")[1] ?? "T";
/** Terms of a signature: "at:u32" with axes NM is "at_NM:u32". */
export const withAxes = (axes: string, terms: readonly string[]): string =>
  terms.map((term) => term.replace(/(?=:|$)/, `_${axes}`)).join(" ");

interface Frame {
  /** First comment line. */
  title: string;
  /** Functions that `body` calls. */
  lib: string;
  reads: readonly string[];
  writes: Record<string, string>;
  /** Number of invocations, and statements that give `out`, the place to write, and what the values mention. */
  count: string;
  body: readonly string[];
  /** Turns that an invocation takes, WG apart: software adapters pay for every workgroup. */
  steps?: string;
}

/** The text of a kernel. */
export function kernel({ title, lib, reads, writes, count, body, steps = "1" }: Frame): string {
  const bind = (term: string, i: number) => {
    const access = i < reads.length ? "read" : "read_write";
    return `@group(0) @binding(${i}) var<storage, ${access}> ${tensorName(term)}: array<${elementType(term)}>;`;
  };
  const statements = [
    ...body,
    ...Object.entries(writes).map(([term, value]) => `${tensorName(term)}[out] = ${value};`),
  ];
  return `
// ${title}
struct Dims { N: u32, A: u32, M: u32, C: u32, factor: f32 }
${[...reads, ...Object.keys(writes)].map(bind).join("\n")}
var<immediate> dim: Dims;
override WG: u32 = 64;
const STEPS: u32 = ${steps};

/// Where the state of run c of place r is stored.
fn part(c: u32, r: u32) -> u32 { return c * dim.N * dim.M + r; }

/// Where the elements of place r start.
fn start_of(r: u32) -> u32 { return (r / dim.M) * dim.A * dim.M + r % dim.M; }
${lib}
@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let first_id = (wid.x + wid.y * nwg.x) * WG * STEPS;
  let end_id = min(first_id + WG * STEPS, ${count});
  for (var id = first_id + lane; id < end_id; id += WG) {
    ${statements.join("\n    ")}
  }
}`;
}
