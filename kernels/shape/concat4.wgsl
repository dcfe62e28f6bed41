// y[n, c, m] = a[n, c, m] for c < A, else b[n, c − A, m]                                       one invocation per vec4
struct Dims { N: u32, A: u32, B: u32, C: u32, M: u32 }

@group(0) @binding(0) var<storage, read> a: array<vec4<T>>;            // [N, A, M]
@group(0) @binding(1) var<storage, read> b: array<vec4<T>>;            // [N, B, M]
@group(0) @binding(2) var<storage, read_write> y: array<vec4<T>>;      // [N, C, M]
var<immediate> dim: Dims;

override WG: u32 = 64;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let M4 = dim.M / 4;
  let i = (wid.x + wid.y * nwg.x) * WG + lane;
  if (i >= dim.N * dim.C * M4) { return; }
  let n = i / (dim.C * M4);
  let c = (i / M4) % dim.C;
  let m = i % M4;
  if (c < dim.A) { y[i] = a[(n * dim.A + c) * M4 + m]; }
  else { y[i] = b[(n * dim.B + c - dim.A) * M4 + m]; }
}
