// z_n0 = cls + pos_0, z_nl = x_n,l−1 + pos_l                                     frames n along y, vec4s along x
struct Dims { N: u32, L: u32, D: u32 }

@group(0) @binding(0) var<storage, read> x: array<vec4<T>>;      // [N, L − 1, D]
@group(0) @binding(1) var<storage, read> cls: array<vec4f>;          // [D]
@group(0) @binding(2) var<storage, read> pos: array<vec4f>;          // [L, D]
@group(0) @binding(3) var<storage, read_write> z: array<vec4<T>>;      // [N, L, D]
var<immediate> dim: Dims;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let D4 = dim.D / 4;
  let all = dim.L * D4;
  let start = wid.x * WG * STEPS;
  let end = min(start + WG * STEPS, all);
  for (var n = wid.y; n < dim.N; n += nwg.y) {
    for (var q = start + lane; q < end; q += WG) {
      let pixels = vec4f(x[n * (all - D4) + max(q, D4) - D4]);
      z[n * all + q] = vec4<T>(select(pixels, cls[min(q, D4 - 1)], q < D4) + pos[q]);
    }
  }
}
