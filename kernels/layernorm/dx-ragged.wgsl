// dx = rstd · (g − ⟨g⟩ − x̂ ⟨g x̂⟩), for widths that vec4 does not divide                  one subgroup per row
struct Dims { N: u32, D: u32 }

@group(0) @binding(0) var<storage, read> dy: array<T>;               // [N, D]
@group(0) @binding(1) var<storage, read> x: array<T>;                // [N, D]
@group(0) @binding(2) var<storage, read> gain: array<f32>;           // [D]
@group(0) @binding(3) var<storage, read> mean: array<f32>;           // [N]
@group(0) @binding(4) var<storage, read> rstd: array<f32>;           // [N]
@group(0) @binding(5) var<storage, read_write> dx: array<T>;         // [N, D]
var<immediate> dim: Dims;

override WG: u32 = 64;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u,
        @builtin(subgroup_id) subgroup: u32, @builtin(subgroup_invocation_id) lane: u32) {
  let row = subgroup_index(wid, nwg, subgroup);
  if (row >= dim.N) { return; }
  let start = row * dim.D;
  let mu = mean[row];
  let scale = rstd[row];

  var sumG = 0.0;
  var sumGX = 0.0;
  for (var j = lane; j < dim.D; j += SG) {
    let g = gain[j] * f32(dy[start + j]);
    sumG += g;
    sumGX += g * ((f32(x[start + j]) - mu) * scale);
  }
  let meanG = subgroupAdd(sumG) / f32(dim.D);
  let meanGX = subgroupAdd(sumGX) / f32(dim.D);
  for (var j = lane; j < dim.D; j += SG) {
    let xHat = (f32(x[start + j]) - mu) * scale;
    dx[start + j] = T(scale * (gain[j] * f32(dy[start + j]) - meanG - xHat * meanGX));
  }
}
