// y[n] = a[n] and then b[n], rows of A · M and B · M elements                   rows n along y, elements along x
struct Dims { N: u32, A: u32, B: u32, M: u32 }

@group(0) @binding(0) var<storage, read> a: array<T>;            // [N, A, M]
@group(0) @binding(1) var<storage, read> b: array<T>;            // [N, B, M]
@group(0) @binding(2) var<storage, read_write> y: array<T>;      // [N, A + B, M]
var<immediate> dim: Dims;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let left = dim.A * dim.M;
  let right = dim.B * dim.M;
  let start = wid.x * WG * STEPS;
  let end = min(start + WG * STEPS, left + right);
  for (var n = wid.y; n < dim.N; n += nwg.y) {
    for (var q = start + lane; q < end; q += WG) {
      let i = n * (left + right) + q;
      if (q < left) { y[i] = a[n * left + q]; } else { y[i] = b[n * right + q - left]; }
    }
  }
}
