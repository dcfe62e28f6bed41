// y = gain · (x − μ) · rstd + bias, for widths that vec4 does not divide                 one subgroup per row
//
// As forward.wgsl: Welford per lane, Chan over the lanes.
struct Dims { N: u32, D: u32, eps: f32 }

@group(0) @binding(0) var<storage, read> x: array<T>;                // [N, D]
@group(0) @binding(1) var<storage, read> gain: array<f32>;           // [D]
@group(0) @binding(2) var<storage, read> bias: array<f32>;           // [D]
@group(0) @binding(3) var<storage, read_write> y: array<T>;          // [N, D]
@group(0) @binding(4) var<storage, read_write> mean: array<f32>;     // [N]
@group(0) @binding(5) var<storage, read_write> rstd: array<f32>;     // [N]
var<immediate> dim: Dims;

override WG: u32 = 64;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u,
        @builtin(subgroup_id) subgroup: u32, @builtin(subgroup_invocation_id) lane: u32) {
  let row = subgroup_index(wid, nwg, subgroup);
  if (row >= dim.N) { return; }
  let start = row * dim.D;

  var m = 0.0;
  var dev = 0.0;
  var count = 0.0;
  for (var j = lane; j < dim.D; j += SG) {
    count += 1.0;
    let v = f32(x[start + j]);
    let d = v - m;
    m += d / count;
    dev += d * (v - m);
  }
  let mu = subgroupAdd(count * m) / f32(dim.D);
  let off = m - mu;
  let scale = inverseSqrt(subgroupAdd(dev + count * off * off) / f32(dim.D) + dim.eps);
  if (lane == 0) {
    mean[row] = mu;
    rstd[row] = scale;
  }

  for (var j = lane; j < dim.D; j += SG) {
    y[start + j] = T((f32(x[start + j]) - mu) * scale * gain[j] + bias[j]);
  }
}
