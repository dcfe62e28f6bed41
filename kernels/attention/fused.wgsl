// What the fused kernels share. A workgroup of QUADS quads of lanes belongs to one head; a quad owns OWN rows (queries,
// or in dkv keys) and its four lanes the vec4 columns t, t + 4, t + 8, … of them, zero beyond K. The other side passes
// through workgroup memory, TILE rows at a time, and is used four rows at once. No atomics: whoever owns a row sums it.
// KT = ⌈K / 16⌉ vec4s per lane and OWN come from the emitter (fused.ts), take and put
// from fused-quads.wgsl or fused-any.wgsl.
const THREADS: u32 = 64;
const QUADS: u32 = THREADS / 4;
const TILE: u32 = 16;
const PITCH: u32 = 4 * KT;

/// Sum over the four lanes of a quad.
fn quad_sum(v: vec4f) -> vec4f {
  let pair = v + subgroupShuffleXor(v, 1);
  return pair + subgroupShuffleXor(pair, 2);
}
