// lse_n = log Σ_c exp(logits_nc), nll_n = lse_n − logits at the target                         one subgroup per row n
struct Dims { N: u32, C: u32 }

@group(0) @binding(0) var<storage, read> logits: array<f32>;        // [N, C]
@group(0) @binding(1) var<storage, read> targets: array<u32>;       // [N]
@group(0) @binding(2) var<storage, read_write> lse: array<f32>;     // [N]
@group(0) @binding(3) var<storage, read_write> nll: array<f32>;     // [N]
var<immediate> dim: Dims;

override WG: u32 = 64;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u,
        @builtin(subgroup_id) subgroup: u32, @builtin(subgroup_invocation_id) lane: u32) {
  let n = subgroup_index(wid, nwg, subgroup);
  if (n >= dim.N) { return; }
  let start = n * dim.C;
  var top = -3e38;
  for (var c = lane; c < dim.C; c += SG) { top = max(top, logits[start + c]); }
  top = subgroupMax(top);
  var sum = 0.0;
  for (var c = lane; c < dim.C; c += SG) { sum += exp(logits[start + c] - top); }
  sum = log(subgroupAdd(sum));
  if (lane == 0) {
    lse[n] = top + sum;
    nll[n] = (top - logits[start + min(targets[n], dim.C - 1)]) + sum;
  }
}
