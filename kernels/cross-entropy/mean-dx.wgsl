// dnll_n = dloss · share, 0 in ignored rows                                                         one invocation per row
struct Dims { N: u32, ignores: u32, ignored: u32 }

@group(0) @binding(0) var<storage, read> dloss: array<f32>;           // scalar
@group(0) @binding(1) var<storage, read> targets: array<u32>;         // [N]
@group(0) @binding(2) var<storage, read> share: array<f32>;           // scalar
@group(0) @binding(3) var<storage, read_write> dnll: array<f32>;      // [N]
var<immediate> dim: Dims;

override WG: u32 = 64;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let n = (wid.x + wid.y * nwg.x) * WG + lane;
  if (n >= dim.N) { return; }
  dnll[n] = select(dloss[0] * share[0], 0.0, dim.ignores != 0 && targets[n] == dim.ignored);
}
