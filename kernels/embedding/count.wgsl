// hist_rc = how many ids of block c have digit r                                            one invocation per block
//
// A block's ids are counted in order by one invocation, which owns column c: no atomics. sort.ts says what a digit is.
struct Dims { V: u32, N: u32, R: u32, C: u32, shift: u32 }

@group(0) @binding(0) var<storage, read> ids: array<u32>;              // [N]
@group(0) @binding(1) var<storage, read_write> hist: array<u32>;       // [R, C]
var<immediate> dim: Dims;

override WG: u32 = 64;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let c = (wid.x + wid.y * nwg.x) * WG + lane;
  if (c >= dim.C) { return; }
  for (var r = 0u; r < dim.R; r++) { hist[r * dim.C + c] = 0; }
  let size = (dim.N + dim.C - 1) / dim.C;
  for (var k = c * size; k < min((c + 1) * size, dim.N); k++) {
    let r = (min(ids[place_of(k)], dim.V) >> dim.shift) % dim.R;
    hist[r * dim.C + c] += 1;
  }
}
