// S = softmax(z), U = softmax(z) over the allowed pairs, a_i = Σ_j S_ij A_ij,
// W_ij = S_ij (1 − A_ij) + a_i U_ij  (or + S_ij A_ij U_ij: hadamard)                           one subgroup per row
//
// The paper's Eq. 2–4, elementwise (A is `share`). Tokens are [cls, patches, hmn]. Not allowed in U: a patch outside
// the subject and hmn do not see each other, hmn does not see cls. The masked softmax has a maximum of its own: hmn may
// be all that hmn is allowed, and far below the row's maximum. Nothing relies on infinities.
struct Dims { L: u32, M: u32, H: u32, P: u32, rows: u32, threshold: f32, hadamard: u32 }

@group(0) @binding(0) var<storage, read> z: array<f32>;           // [B, H, L, M]
@group(0) @binding(1) var<storage, read> share: array<f32>;       // [H, L, L], in [0, 1]
@group(0) @binding(2) var<storage, read> cover: array<f32>;       // [B, P], share of each patch that shows the subject
@group(0) @binding(3) var<storage, read_write> s: array<f32>;     // [B, H, L, M], padding 0
@group(0) @binding(4) var<storage, read_write> u: array<f32>;     // [B, H, L, M], padding 0
@group(0) @binding(5) var<storage, read_write> w: array<f32>;     // [B, H, L, M], padding 0
var<immediate> dim: Dims;

alias SUM = vec3f; // of S, of S·A, of U
override WG: u32 = 64;

/// exp z; what is beyond the allowed tokens may be above their maximum, and counts nothing.
fn share_of(z: f32) -> f32 { return nan_or(z, exp(min(z, 0.0))); }

fn subject(b: u32, token: u32) -> bool { return cover[b * dim.P + token - 1] > dim.threshold; }

fn allowed(b: u32, i: u32, j: u32) -> bool {
  let hmn = dim.L - 1;
  if (i == hmn && j == hmn) { return true; }
  if (i == hmn) { return j > 0 && subject(b, j); }
  if (j == hmn) { return i == 0 || subject(b, i); }
  return true;
}

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u,
        @builtin(subgroup_id) subgroup: u32, @builtin(subgroup_invocation_id) lane: u32) {
  let row = subgroup_index(wid, nwg, subgroup);
  if (row >= dim.rows) { return; }
  let i = row % dim.L;
  let b = row / dim.L / dim.H;
  let start = row * dim.M;
  let shares = (row % (dim.H * dim.L)) * dim.L;

  var top = LOWEST;
  var topU = LOWEST;
  for (var j = lane; j < dim.L; j += SG) {
    let v = z[start + j];
    top = max(top, v);
    topU = select(topU, max(topU, v), allowed(b, i, j));
  }
  top = subgroupMax(top);
  topU = subgroupMax(topU);

  var levels = Levels();
  for (var near = lane; near < dim.L; near += PANEL * SG) {
    var panel = SUM();
    for (var j = near; j < min(near + PANEL * SG, dim.L); j += SG) {
      let v = z[start + j];
      let e = exp(v - top);
      panel += SUM(e, e * share[shares + j], select(0.0, share_of(v - topU), allowed(b, i, j)));
    }
    levels = with_panel(levels, panel);
  }
  let sums = subgroupAdd(whole(levels));
  let scale = 1.0 / sums.x;
  let scaleU = 1.0 / sums.z;
  let amount = sums.y * scale;

  for (var j = lane; j < dim.M; j += SG) {
    let inside = j < dim.L;
    let v = select(LOWEST, z[start + j], inside);
    let p = select(0.0, share_of(v - top) * scale, inside);
    let q = select(0.0, share_of(v - topU) * scaleU, inside && allowed(b, i, min(j, dim.L - 1)));
    let A = select(0.0, share[shares + min(j, dim.L - 1)], inside);
    s[start + j] = p;
    u[start + j] = q;
    w[start + j] = p * (1.0 - A) + select(amount, p * A, dim.hadamard == 1) * q;
  }
}
