// dlogits_nc = dnll_n · (softmax_nc − (1 − e)[c = target_n] − e / C), 0 in ignored rows      one invocation per element
struct Dims { N: u32, C: u32, ignores: u32, ignored: u32, labelSmoothing: f32 }

@group(0) @binding(0) var<storage, read> dnll: array<f32>;               // [N]
@group(0) @binding(1) var<storage, read> logits: array<f32>;             // [N, C]
@group(0) @binding(2) var<storage, read> targets: array<u32>;            // [N]
@group(0) @binding(3) var<storage, read> top: array<f32>;                // [N]
@group(0) @binding(4) var<storage, read> rest: array<f32>;               // [N]
@group(0) @binding(5) var<storage, read_write> dlogits: array<f32>;      // [N, C]
var<immediate> dim: Dims;

override WG: u32 = 64;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let id = (wid.x + wid.y * nwg.x) * WG + lane;
  if (id >= dim.N * dim.C) { return; }
  let n = id / dim.C;
  let own = targets[n];
  let z = (logits[id] - top[n]) - rest[n];
  let p = nan_or(z, exp(min(z, 0.0)));
  let wanted = select(0.0, 1.0 - dim.labelSmoothing, id % dim.C == own);
  let slope = select(nan_of(own), p - wanted - dim.labelSmoothing / f32(dim.C), own < dim.C);
  let ignore = dim.ignores != 0 && own == dim.ignored;
  dlogits[id] = select(dnll[n] * slope, 0.0, ignore);
}
