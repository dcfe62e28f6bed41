// y[n, c, m] = x[n, c + shift, m], 0 where x has no such place                                 one invocation per vec4
//
// shift = start cuts a piece out; shift = −start puts one back among zeros.
struct Dims { N: u32, width: u32, count: u32, M: u32, shift: i32 }

@group(0) @binding(0) var<storage, read> x: array<vec4<T>>;            // [N, width, M]
@group(0) @binding(1) var<storage, read_write> y: array<vec4<T>>;      // [N, count, M]
var<immediate> dim: Dims;

override WG: u32 = 64;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let M4 = dim.M / 4;
  let i = (wid.x + wid.y * nwg.x) * WG + lane;
  if (i >= dim.N * dim.count * M4) { return; }
  let n = i / (dim.count * M4);
  let a = i32((i / M4) % dim.count) + dim.shift;
  let inside = a >= 0 && a < i32(dim.width);
  let at = (n * dim.width + u32(clamp(a, 0, i32(dim.width) - 1))) * M4 + i % M4;
  y[i] = select(vec4<T>(), x[at], inside);
}
