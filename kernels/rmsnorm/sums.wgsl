// gainPart_r = Σ dy · x̂ over the rows of chunk r                         one invocation per column (or four) and chunk
//
// Two levels: a chunk has at most 256 rows. X, SUM and COLUMNS as in forward.wgsl.
struct Dims { N: u32, D: u32, R: u32 }

@group(0) @binding(0) var<storage, read> dy: array<X>;                 // [N, D]
@group(0) @binding(1) var<storage, read> x: array<X>;                  // [N, D]
@group(0) @binding(2) var<storage, read> rstd: array<f32>;             // [N]
@group(0) @binding(3) var<storage, read_write> gainPart: array<SUM>;   // [R, D]
var<immediate> dim: Dims;

override WG: u32 = 64;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(local_invocation_index) lane: u32) {
  let width = dim.D / COLUMNS;
  let j = wid.x * WG + lane;
  if (j >= width) { return; }
  let rows = (dim.N + dim.R - 1) / dim.R;
  let end = min(dim.N, (wid.y + 1) * rows);

  var gain = SUM();
  for (var near = wid.y * rows; near < end; near += PANEL) {
    var panel = SUM();
    let nearEnd = min(near + PANEL, end);
    for (var i = near; i < nearEnd; i++) { panel += SUM(dy[i * width + j]) * (SUM(x[i * width + j]) * rstd[i]); }
    gain += panel;
  }
  gainPart[wid.y * width + j] = gain;
}
