// y = gain · (x − μ) · rstd + bias, rstd = 1/√(σ² + eps)                              one subgroup per ROWS rows
//
// x is loaded once for both statistics: every lane runs Welford's mean and squared deviation over its columns, and
// Chan's formula joins the lanes. That is as exact as two passes, also where the mean is large against the spread.
// Past the end the last row is computed again, by the same lanes: cheaper than masks.
// One load of gain and bias serves ROWS rows: on CPU rasterisers a kernel like this costs what it loads.
struct Dims { N: u32, D: u32, eps: f32 }

@group(0) @binding(0) var<storage, read> x: array<vec4<T>>;          // [N, D]
@group(0) @binding(1) var<storage, read> gain: array<vec4f>;         // [D]
@group(0) @binding(2) var<storage, read> bias: array<vec4f>;         // [D]
@group(0) @binding(3) var<storage, read_write> y: array<vec4<T>>;    // [N, D]
@group(0) @binding(4) var<storage, read_write> mean: array<f32>;     // [N]
@group(0) @binding(5) var<storage, read_write> rstd: array<f32>;     // [N]
var<immediate> dim: Dims;

override WG: u32 = 64;
override ROWS: u32 = 8;  // at most 8

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u,
        @builtin(subgroup_id) subgroup: u32, @builtin(subgroup_invocation_id) lane: u32) {
  let first = subgroup_index(wid, nwg, subgroup) * ROWS;
  let last = dim.N - 1;
  let D4 = dim.D / 4;
  if (first > last) { return; }

  var mu: array<f32, 8>;
  var scale: array<f32, 8>;
  for (var r = 0u; r < ROWS; r++) {
    let row = min(first + r, last);
    let end = (row + 1) * D4;
    var m = vec4f();
    var dev = vec4f();
    var count = 0.0;
    for (var at = row * D4 + lane; at < end; at += SG) {
      count += 1.0;
      let v = vec4f(x[at]);
      let d = v - m;
      m += d * (1.0 / count);
      dev += d * (v - m);
    }
    mu[r] = subgroupAdd(count * sum4(m)) / f32(dim.D);
    let off = m - mu[r];
    scale[r] = inverseSqrt(subgroupAdd(sum4(dev) + count * sum4(off * off)) / f32(dim.D) + dim.eps);
    if (lane == 0) {
      mean[row] = mu[r];
      rstd[row] = scale[r];
    }
  }

  for (var j = lane; j < D4; j += SG) {
    let g = gain[j];
    let b = bias[j];
    for (var r = 0u; r < ROWS; r++) {
      let at = min(first + r, last) * D4 + j;
      y[at] = vec4<T>((vec4f(x[at]) - mu[r]) * (scale[r] * g) + b);
    }
  }
}
