// dx = rstd · (g − ⟨g⟩ − x̂ ⟨g x̂⟩), g = gain_c · dy, x̂ = (x − μ) · rstd, ⟨⟩ over the group                one subgroup per group
struct Dims { rows: u32, size: u32, C: u32, M: u32 }

@group(0) @binding(0) var<storage, read> dy: array<T>;               // [B, C, M]
@group(0) @binding(1) var<storage, read> x: array<T>;                // [B, C, M]
@group(0) @binding(2) var<storage, read> gain: array<f32>;           // [C]
@group(0) @binding(3) var<storage, read> mean: array<f32>;           // [B, G]
@group(0) @binding(4) var<storage, read> rstd: array<f32>;           // [B, G]
@group(0) @binding(5) var<storage, read_write> dx: array<T>;         // [B, C, M]
var<immediate> dim: Dims;

alias SUM = vec2f;
override WG: u32 = 64;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u,
        @builtin(subgroup_id) subgroup: u32, @builtin(subgroup_invocation_id) lane: u32) {
  let row = subgroup_index(wid, nwg, subgroup);
  if (row >= dim.rows) { return; }
  let start = row * dim.size;
  let mu = mean[row];
  let scale = rstd[row];

  var sums = Levels();  // of g, and of g · x̂
  for (var near = lane; near < dim.size; near += PANEL * SG) {
    var panel = SUM();
    let nearEnd = min(near + PANEL * SG, dim.size);
    for (var j = near; j < nearEnd; j += SG) {
      let g = gain[(start + j) / dim.M % dim.C] * f32(dy[start + j]);
      panel += vec2f(g, g * ((f32(x[start + j]) - mu) * scale));
    }
    sums = with_panel(sums, panel);
  }
  let both = subgroupAdd(whole(sums)) / f32(dim.size);
  for (var j = lane; j < dim.size; j += SG) {
    let g = gain[(start + j) / dim.M % dim.C] * f32(dy[start + j]);
    dx[start + j] = T(scale * (g - both.x - (f32(x[start + j]) - mu) * scale * both.y));
  }
}
