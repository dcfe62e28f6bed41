// gainPart_bc = Σ_m dy · x̂, biasPart_bc = Σ_m dy                                              one subgroup per channel of an image
struct Dims { rows: u32, channels: u32, M: u32 }

@group(0) @binding(0) var<storage, read> dy: array<T>;                 // [B, C, M]
@group(0) @binding(1) var<storage, read> x: array<T>;                  // [B, C, M]
@group(0) @binding(2) var<storage, read> mean: array<f32>;             // [B, G], `channels` in a group
@group(0) @binding(3) var<storage, read> rstd: array<f32>;             // [B, G]
@group(0) @binding(4) var<storage, read_write> gainPart: array<f32>;   // [B, C]
@group(0) @binding(5) var<storage, read_write> biasPart: array<f32>;   // [B, C]
var<immediate> dim: Dims;

alias SUM = vec2f;
override WG: u32 = 64;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u,
        @builtin(subgroup_id) subgroup: u32, @builtin(subgroup_invocation_id) lane: u32) {
  let row = subgroup_index(wid, nwg, subgroup);
  if (row >= dim.rows) { return; }
  let start = row * dim.M;
  let mu = mean[row / dim.channels];
  let scale = rstd[row / dim.channels];

  var sums = Levels();
  for (var near = lane; near < dim.M; near += PANEL * SG) {
    var panel = SUM();
    let nearEnd = min(near + PANEL * SG, dim.M);
    for (var j = near; j < nearEnd; j += SG) {
      let g = f32(dy[start + j]);
      panel += vec2f(g * ((f32(x[start + j]) - mu) * scale), g);
    }
    sums = with_panel(sums, panel);
  }
  let both = subgroupAdd(whole(sums));
  if (lane == 0) {
    gainPart[row] = both.x;
    biasPart[row] = both.y;
  }
}
