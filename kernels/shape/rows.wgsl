// Rows n along y, a chunk of every one along x: no division, for rows as long as a workgroup.
@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let start = wid.x * WG * STEPS;
  let end = min(start + WG * STEPS, dim.row);
  for (var n = wid.y; n < dim.N; n += nwg.y) {
    for (var q = start + lane; q < end; q += WG) { put(n, q); }
  }
}
