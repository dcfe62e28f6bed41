// top_n = max_c logits_nc, rest_n = log Σ_c exp(logits_nc − top_n), nll_n = top_n − logits at the target + rest_n
//
// With label smoothing e the logit at the target becomes (1 − e) of itself and e of the mean of all. The parts of the
// log-sum-exp stay apart, or the sum would be lost in a huge top. A target that is no class gives NaN, the ignored one 0.
//                                                                                                 one subgroup per row n
struct Dims { N: u32, C: u32, ignores: u32, ignored: u32, labelSmoothing: f32 }

@group(0) @binding(0) var<storage, read> logits: array<f32>;        // [N, C]
@group(0) @binding(1) var<storage, read> targets: array<u32>;       // [N]
@group(0) @binding(2) var<storage, read_write> top: array<f32>;     // [N]
@group(0) @binding(3) var<storage, read_write> rest: array<f32>;    // [N]
@group(0) @binding(4) var<storage, read_write> nll: array<f32>;     // [N]
var<immediate> dim: Dims;

alias SUM = f32;
override WG: u32 = 64;

/// This lane's part of Σ_c (most − logits_nc).
fn below(start: u32, lane: u32, most: f32) -> f32 {
  var sums = Levels();
  for (var near = lane; near < dim.C; near += PANEL * SG) {
    var panel = SUM();
    let nearEnd = min(near + PANEL * SG, dim.C);
    for (var c = near; c < nearEnd; c += SG) { panel += most - logits[start + c]; }
    sums = with_panel(sums, panel);
  }
  return whole(sums);
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u,
        @builtin(subgroup_id) subgroup: u32, @builtin(subgroup_invocation_id) lane: u32) {
  let n = subgroup_index(wid, nwg, subgroup);
  if (n >= dim.N) { return; }
  let start = n * dim.C;
  var most = LOWEST;
  for (var c = lane; c < dim.C; c += SG) { most = max(most, logits[start + c]); }
  most = subgroupMax(most);
  var sums = Levels();
  for (var near = lane; near < dim.C; near += PANEL * SG) {
    var panel = SUM();
    let nearEnd = min(near + PANEL * SG, dim.C);
    for (var c = near; c < nearEnd; c += SG) { panel += nan_exp(logits[start + c] - most); }
    sums = with_panel(sums, panel);
  }
  let sum = nan_log(subgroupAdd(whole(sums)));
  var mean = 0.0;  // of what the logits are below the top; not computed where nobody asks for it
  if (dim.labelSmoothing > 0.0) { mean = subgroupAdd(below(start, lane, most)) / f32(dim.C); }
  if (lane == 0) {
    top[n] = most;
    rest[n] = sum;
    let own = targets[n];
    var loss = (most - logits[start + min(own, dim.C - 1)]) + sum;
    if (dim.labelSmoothing > 0.0) { loss += dim.labelSmoothing * (mean + sum - loss); }
    nll[n] = select(nan_of(own), loss, own < dim.C);
    if (dim.ignores != 0 && own == dim.ignored) { nll[n] = 0.0; }
  }
}
