// Gradient of the unscaled scores through S and U, for W = S (1 − A) + a U (shift) and S (1 − A) + S A U (hadamard):
//   shift     dS = dW (1 − A) + A g, dU = a dW, with g_i = Σ_j dW_ij U_ij and a_i = Σ_j S_ij A_ij
//   hadamard  dS = dW (1 − A + A U), dU = dW S A
//   dz = (S (dS − Σ S dS) + U (dU − Σ U dU)) · scale                                           one subgroup per row
//
// g is kept for the gradient of A (share-slopes.wgsl).
struct Dims { L: u32, M: u32, H: u32, rows: u32, scale: f32, hadamard: u32 }

@group(0) @binding(0) var<storage, read> dw: array<f32>;            // [B, H, L, M], padding anything
@group(0) @binding(1) var<storage, read> s: array<f32>;             // [B, H, L, M]
@group(0) @binding(2) var<storage, read> u: array<f32>;             // [B, H, L, M]
@group(0) @binding(3) var<storage, read> share: array<f32>;         // [H, L, L]
@group(0) @binding(4) var<storage, read_write> dz: array<f32>;      // [B, H, L, M], padding 0
@group(0) @binding(5) var<storage, read_write> g: array<f32>;       // [B, H, L]
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
  let hadamard = dim.hadamard == 1;

  var moves = Levels();
  for (var near = lane; near < dim.L; near += PANEL * SG) {
    var panel = SUM();
    for (var j = near; j < min(near + PANEL * SG, dim.L); j += SG) {
      panel += SUM(dw[start + j] * u[start + j], s[start + j] * share[shares + j]);
    }
    moves = with_panel(moves, panel);
  }
  let moved = subgroupAdd(whole(moves));
  let gain = moved.x;
  let amount = moved.y;
  if (lane == 0) { g[row] = gain; }

  var slopes = Levels();
  for (var near = lane; near < dim.L; near += PANEL * SG) {
    var panel = SUM();
    for (var j = near; j < min(near + PANEL * SG, dim.L); j += SG) {
      let d = dw[start + j];
      let A = share[shares + j];
      let p = s[start + j];
      let q = u[start + j];
      let dS = d * (1.0 - A) + A * select(gain, d * q, hadamard);
      panel += SUM(p * dS, q * (d * select(amount, p * A, hadamard)));
    }
    slopes = with_panel(slopes, panel);
  }
  let sums = subgroupAdd(whole(slopes)); // Σ S dS, Σ U dU

  for (var j = lane; j < dim.M; j += SG) {
    var value = 0.0;
    if (j < dim.L) {
      let d = dw[start + j];
      let A = share[shares + j];
      let p = s[start + j];
      let q = u[start + j];
      let dS = d * (1.0 - A) + A * select(gain, d * q, hadamard);
      let dU = d * select(amount, p * A, hadamard);
      value = (p * (dS - sums.x) + q * (dU - sums.y)) * dim.scale;
    }
    dz[start + j] = value;
  }
}
