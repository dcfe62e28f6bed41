// Gradient of the unscaled scores for W = S (1 − A) + (S A)·U, given dW, dR = dW·Uᵀ and dU = (S A)ᵀ·dW:
//   dS = dW (1 − A) + A dR,  dz = (S (dS − Σ S dS) + U (dU − Σ U dU)) · scale                 one subgroup per row
struct Dims { L: u32, M: u32, H: u32, rows: u32, scale: f32 }

@group(0) @binding(0) var<storage, read> dw: array<f32>;           // [B, H, L, M], padding anything
@group(0) @binding(1) var<storage, read> dr: array<f32>;           // [B, H, L, M], padding anything
@group(0) @binding(2) var<storage, read> du: array<f32>;           // [B, H, L, M], padding anything
@group(0) @binding(3) var<storage, read> s: array<f32>;            // [B, H, L, M]
@group(0) @binding(4) var<storage, read> u: array<f32>;            // [B, H, L, M]
@group(0) @binding(5) var<storage, read> share: array<f32>;        // [H, L, L]
@group(0) @binding(6) var<storage, read_write> dz: array<f32>;     // [B, H, L, M], padding 0
var<immediate> dim: Dims;

alias SUM = vec2f;
override WG: u32 = 64;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u,
        @builtin(subgroup_id) subgroup: u32, @builtin(subgroup_invocation_id) lane: u32) {
  let row = subgroup_index(wid, nwg, subgroup);
  if (row >= dim.rows) { return; }
  let start = row * dim.M;
  let shares = (row % (dim.H * dim.L)) * dim.L;

  var slopes = Levels();
  for (var near = lane; near < dim.L; near += PANEL * SG) {
    var panel = SUM();
    for (var j = near; j < min(near + PANEL * SG, dim.L); j += SG) {
      let A = share[shares + j];
      let dS = dw[start + j] * (1.0 - A) + A * dr[start + j];
      panel += SUM(s[start + j] * dS, u[start + j] * du[start + j]);
    }
    slopes = with_panel(slopes, panel);
  }
  let sums = subgroupAdd(whole(slopes)); // Σ S dS, Σ U dU

  for (var j = lane; j < dim.M; j += SG) {
    var value = 0.0;
    if (j < dim.L) {
      let A = share[shares + j];
      let dS = dw[start + j] * (1.0 - A) + A * dr[start + j];
      value = (s[start + j] * (dS - sums.x) + u[start + j] * (du[start + j] - sums.y)) * dim.scale;
    }
    dz[start + j] = value;
  }
}
