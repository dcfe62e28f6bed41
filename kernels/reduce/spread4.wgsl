// y_nam = factor · x_nm for every a                                     one invocation per n and four places m: it
// loads its vec4 once and writes it A times
struct Dims { N: u32, A: u32, M: u32, factor: f32 }

@group(0) @binding(0) var<storage, read> x: array<vec4<T>>;            // [N, M]
@group(0) @binding(1) var<storage, read_write> y: array<vec4<T>>;      // [N, A, M]
var<immediate> dim: Dims;

override WG: u32 = 64;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let M4 = dim.M / 4;
  let id = (wid.x + wid.y * nwg.x) * WG + lane;
  if (id >= dim.N * M4) { return; }
  let start = (id / M4) * dim.A * M4 + id % M4;
  let v = vec4<T>(Num(dim.factor) * vec4<Num>(x[id]));
  for (var a = 0u; a < dim.A; a++) { y[start + a * M4] = v; }
}
