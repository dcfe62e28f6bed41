// dx = rstd · (g − ⟨g⟩ − x̂ ⟨g x̂⟩), g = gain · dy, x̂ = (x − μ) · rstd, ⟨⟩ over the row       one subgroup per ROWS rows
//
// ROWS rows share the loads of gain. Past the end the last row is computed again, by the same lanes.
struct Dims { N: u32, D: u32 }

@group(0) @binding(0) var<storage, read> dy: array<vec4<T>>;         // [N, D]
@group(0) @binding(1) var<storage, read> x: array<vec4<T>>;          // [N, D]
@group(0) @binding(2) var<storage, read> gain: array<vec4f>;         // [D]
@group(0) @binding(3) var<storage, read> mean: array<f32>;           // [N]
@group(0) @binding(4) var<storage, read> rstd: array<f32>;           // [N]
@group(0) @binding(5) var<storage, read_write> dx: array<vec4<T>>;   // [N, D]
var<immediate> dim: Dims;

override WG: u32 = 64;
override ROWS: u32 = 4;  // at most 4

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u,
        @builtin(subgroup_id) subgroup: u32, @builtin(subgroup_invocation_id) lane: u32) {
  let first = subgroup_index(wid, nwg, subgroup) * ROWS;
  let last = dim.N - 1;
  let D4 = dim.D / 4;
  if (first > last) { return; }

  var mu: array<f32, 4>;
  var scale: array<f32, 4>;
  var sumG: array<vec4f, 4>;
  var sumGX: array<vec4f, 4>;
  for (var r = 0u; r < ROWS; r++) {
    mu[r] = mean[min(first + r, last)];
    scale[r] = rstd[min(first + r, last)];
  }
  for (var j = lane; j < D4; j += SG) {
    let w = gain[j];
    for (var r = 0u; r < ROWS; r++) {
      let at = min(first + r, last) * D4 + j;
      let g = w * vec4f(dy[at]);
      sumG[r] += g;
      sumGX[r] += g * ((vec4f(x[at]) - mu[r]) * scale[r]);
    }
  }

  var meanG: array<f32, 4>;
  var meanGX: array<f32, 4>;
  for (var r = 0u; r < ROWS; r++) {
    meanG[r] = subgroupAdd(sum4(sumG[r])) / f32(dim.D);
    meanGX[r] = subgroupAdd(sum4(sumGX[r])) / f32(dim.D);
  }
  for (var j = lane; j < D4; j += SG) {
    let w = gain[j];
    for (var r = 0u; r < ROWS; r++) {
      let at = min(first + r, last) * D4 + j;
      let xHat = (vec4f(x[at]) - mu[r]) * scale[r];
      dx[at] = vec4<T>(scale[r] * (w * vec4f(dy[at]) - meanG[r] - xHat * meanGX[r]));
    }
  }
}
