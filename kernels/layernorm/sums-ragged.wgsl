// gainPart_r = Σ dy · x̂, biasPart_r = Σ dy over the rows of chunk r         one invocation per column and chunk
//
// Two levels only: a third costs a seventh of the backward on lavapipe, and chunks have at most 256 rows.
struct Dims { N: u32, D: u32, R: u32 }

@group(0) @binding(0) var<storage, read> dy: array<T>;             // [N, D]
@group(0) @binding(1) var<storage, read> x: array<T>;              // [N, D]
@group(0) @binding(2) var<storage, read> mean: array<f32>;               // [N]
@group(0) @binding(3) var<storage, read> rstd: array<f32>;               // [N]
@group(0) @binding(4) var<storage, read_write> gainPart: array<f32>;   // [R, D]
@group(0) @binding(5) var<storage, read_write> biasPart: array<f32>;   // [R, D]
var<immediate> dim: Dims;

override WG: u32 = 64;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(local_invocation_index) lane: u32) {
  let j = wid.x * WG + lane;
  if (j >= dim.D) { return; }
  let rows = (dim.N + dim.R - 1) / dim.R;
  let end = min(dim.N, (wid.y + 1) * rows);

  var gain = 0.0;
  var bias = 0.0;
  for (var near = wid.y * rows; near < end; near += PANEL) {
    var gainPanel = 0.0;
    var biasPanel = 0.0;
    let nearEnd = min(near + PANEL, end);
    for (var i = near; i < nearEnd; i++) {
      let g = f32(dy[i * dim.D + j]);
      gainPanel += g * ((f32(x[i * dim.D + j]) - mean[i]) * rstd[i]);
      biasPanel += g;
    }
    gain += gainPanel;
    bias += biasPanel;
  }
  gainPart[wid.y * dim.D + j] = gain;
  biasPart[wid.y * dim.D + j] = bias;
}
