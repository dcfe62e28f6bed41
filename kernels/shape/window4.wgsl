// y[n, c, m] = x[n, c + shift, m], 0 where x has no such place                  rows n along y, vec4s along x
//
// shift = start cuts a piece out; shift = −start puts one back among zeros. Without the index n a row is flat.
struct Dims { N: u32, width: u32, count: u32, inner: u32, shift: i32 }

@group(0) @binding(0) var<storage, read> x: array<vec4<T>>;            // [N, width, M]
@group(0) @binding(1) var<storage, read_write> y: array<vec4<T>>;      // [N, count, M]
var<immediate> dim: Dims;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let inner = i32(dim.inner / 4);
  let wide = i32(dim.width) * inner;
  let offset = dim.shift * inner;
  let start = wid.x * WG * STEPS;
  let end = min(start + WG * STEPS, dim.count * u32(inner));
  for (var n = wid.y; n < dim.N; n += nwg.y) {
    for (var q = start + lane; q < end; q += WG) {
      let at = i32(q) + offset;
      let v = x[n * u32(wide) + u32(clamp(at, 0, wide - 1))];
      y[n * dim.count * u32(inner) + q] = select(vec4<T>(), v, at >= 0 && at < wide);
    }
  }
}
