// dA_hij = Σ_b S (g − dW), hadamard: Σ_b S dW (U − 1)                     one invocation per head and pair of tokens
struct Dims { B: u32, H: u32, L: u32, M: u32, hadamard: u32 }

@group(0) @binding(0) var<storage, read> dw: array<f32>;               // [B, H, L, M]
@group(0) @binding(1) var<storage, read> s: array<f32>;                // [B, H, L, M]
@group(0) @binding(2) var<storage, read> u: array<f32>;                // [B, H, L, M]
@group(0) @binding(3) var<storage, read> g: array<f32>;                // [B, H, L]
@group(0) @binding(4) var<storage, read_write> dshare: array<f32>;     // [H, L, L]
var<immediate> dim: Dims;

alias SUM = f32;
override WG: u32 = 64;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let at = (wid.x + wid.y * nwg.x) * WG + lane;
  if (at >= dim.H * dim.L * dim.L) { return; }
  let row = at / dim.L;
  var sums = Levels();
  for (var near = 0u; near < dim.B; near += PANEL) {
    var panel = SUM();
    let nearEnd = min(near + PANEL, dim.B);
    for (var b = near; b < nearEnd; b++) {
      let line = b * dim.H * dim.L + row;
      let i = line * dim.M + at % dim.L;
      panel += s[i] * select(g[line] - dw[i], dw[i] * (u[i] - 1.0), dim.hadamard == 1);
    }
    sums = with_panel(sums, panel);
  }
  dshare[at] = whole(sums);
}
