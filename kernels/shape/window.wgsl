// y[n, c, m] = x[n, c + shift, m], 0 where x has no such place                              one invocation per element
//
// shift = start cuts a piece out; shift = −start puts one back among zeros.
struct Dims { N: u32, width: u32, count: u32, M: u32, shift: i32 }

@group(0) @binding(0) var<storage, read> x: array<T>;            // [N, width, M]
@group(0) @binding(1) var<storage, read_write> y: array<T>;      // [N, count, M]
var<immediate> dim: Dims;

override WG: u32 = 64;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let i = (wid.x + wid.y * nwg.x) * WG + lane;
  if (i >= dim.N * dim.count * dim.M) { return; }
  let n = i / (dim.count * dim.M);
  let a = i32((i / dim.M) % dim.count) + dim.shift;
  let inside = a >= 0 && a < i32(dim.width);
  let at = (n * dim.width + u32(clamp(a, 0, i32(dim.width) - 1))) * dim.M + i % dim.M;
  y[i] = select(T(0), x[at], inside);
}
