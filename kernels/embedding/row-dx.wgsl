// dx_nl = dy_n where l = index_n, else 0                                       rows n along y, elements along x
struct Dims { N: u32, L: u32, D: u32 }

@group(0) @binding(0) var<storage, read> dy: array<T>;           // [N, D]
@group(0) @binding(1) var<storage, read> index: array<u32>;       // [N]
@group(0) @binding(2) var<storage, read_write> dx: array<T>;     // [N, L, D]
var<immediate> dim: Dims;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let width = dim.D;
  let start = wid.x * WG * STEPS;
  let end = min(start + WG * STEPS, dim.L * width);
  for (var n = wid.y; n < dim.N; n += nwg.y) {
    let token = min(index[n], dim.L - 1) * width;
    for (var q = start + lane; q < end; q += WG) {
      let inside = index[n] < dim.L && q >= token && q < token + width;
      dx[n * dim.L * width + q] = select(T(), dy[n * width + clamp(q, token, token + width - 1) - token], inside);
    }
  }
}
