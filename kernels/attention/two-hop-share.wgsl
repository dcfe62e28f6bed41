// dA_hij = Σ_b S (dR − dW), for W = S (1 − A) + (S A)·U                   one invocation per head and pair of tokens
struct Dims { B: u32, H: u32, L: u32, M: u32 }

@group(0) @binding(0) var<storage, read> dw: array<f32>;               // [B, H, L, M]
@group(0) @binding(1) var<storage, read> dr: array<f32>;               // [B, H, L, M]
@group(0) @binding(2) var<storage, read> s: array<f32>;                // [B, H, L, M]
@group(0) @binding(3) var<storage, read_write> dshare: array<f32>;     // [H, L, L]
var<immediate> dim: Dims;

alias SUM = f32;
override WG: u32 = 64;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let at = (wid.x + wid.y * nwg.x) * WG + lane;
  if (at >= dim.H * dim.L * dim.L) { return; }
  var sums = Levels();
  for (var near = 0u; near < dim.B; near += PANEL) {
    var panel = SUM();
    let nearEnd = min(near + PANEL, dim.B);
    for (var b = near; b < nearEnd; b++) {
      let i = (b * dim.H * dim.L + at / dim.L) * dim.M + at % dim.L;
      panel += s[i] * (dr[i] - dw[i]);
    }
    sums = with_panel(sums, panel);
  }
  dshare[at] = whole(sums);
}
