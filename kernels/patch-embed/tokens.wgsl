// z_n0 = cls + pos_0, z_nl = x_n,l−1 + pos_l                                     frames n along y, elements along x
struct Dims { N: u32, L: u32, D: u32 }

@group(0) @binding(0) var<storage, read> x: array<T>;            // [N, L − 1, D]
@group(0) @binding(1) var<storage, read> cls: array<f32>;        // [D]
@group(0) @binding(2) var<storage, read> pos: array<f32>;        // [L, D]
@group(0) @binding(3) var<storage, read_write> z: array<T>;      // [N, L, D]
var<immediate> dim: Dims;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let all = dim.L * dim.D;
  let start = wid.x * WG * STEPS;
  let end = min(start + WG * STEPS, all);
  for (var n = wid.y; n < dim.N; n += nwg.y) {
    for (var q = start + lane; q < end; q += WG) {
      let pixels = f32(x[n * (all - dim.D) + max(q, dim.D) - dim.D]);
      z[n * all + q] = T(select(pixels, cls[min(q, dim.D - 1)], q < dim.D) + pos[q]);
    }
  }
}
