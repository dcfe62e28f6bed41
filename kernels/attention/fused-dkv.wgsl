// dv_j = Σ_i p_ij dy_i, dk_j = Σ_i ds_ij q_i, ds_ij = p_ij (dy_i·v_j − δ_i)/√K         one quad of lanes per OWN keys
struct Dims { L: u32, H: u32, K: u32, causal: u32, scale: f32 }

@group(0) @binding(0) var<storage, read> qkv: array<Element>;        // [B, L, 3, H, K]
@group(0) @binding(1) var<storage, read> dy: array<Element>;         // [B, L, H, K]
@group(0) @binding(2) var<storage, read> lse: array<f32>;            // [B, H, L]
@group(0) @binding(3) var<storage, read> delta: array<f32>;          // [B, H, L]
@group(0) @binding(4) var<storage, read_write> dqkv: array<Element>; // [B, L, 3, H, K]: the parts of k and v
var<immediate> dim: Dims;

var<workgroup> queryTile: array<vec4f, TILE * PITCH>;
var<workgroup> slopeTile: array<vec4f, TILE * PITCH>;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(subgroup_id) subgroup: u32,
        @builtin(subgroup_invocation_id) lane: u32) {
  let me = subgroup * SG + lane;
  let t = me % 4;
  let D = dim.H * dim.K;
  let head = wid.y;
  let first = head / dim.H * dim.L * 3 * D + head % dim.H * dim.K;
  let firstY = head / dim.H * dim.L * D + head % dim.H * dim.K;
  let key = wid.x * QUADS * OWN + me / 4;

  var k: array<array<vec4f, KT>, OWN>;
  var v: array<array<vec4f, KT>, OWN>;
  var dk: array<array<vec4f, KT>, OWN>;
  var dv: array<array<vec4f, KT>, OWN>;
  for (var r = 0u; r < OWN; r++) {
    let at = first + min(key + r * QUADS, dim.L - 1) * 3 * D;
    for (var c = 0u; c < KT; c++) {
      k[r][c] = take(&qkv, at + D, t + 4 * c) * dim.scale;
      v[r][c] = take(&qkv, at + 2 * D, t + 4 * c);
    }
  }

  // Causal: queries before the first of these keys see none of them.
  let begin = select(0, wid.x * QUADS * OWN / TILE * TILE, dim.causal == 1);
  for (var start = begin; start < dim.L; start += TILE) {
    workgroupBarrier();
    for (var e = me; e < TILE * PITCH; e += THREADS) {
      let row = min(start + e / PITCH, dim.L - 1);
      queryTile[e] = take(&qkv, first + row * 3 * D, e % PITCH);
      slopeTile[e] = take(&dy, firstY + row * D, e % PITCH);
    }
    workgroupBarrier();

    let filled = min(TILE, dim.L - start);
    for (var j = 0u; j < filled; j += 4) {
      let i = start + j + vec4u(0, 1, 2, 3);
      let line = head * dim.L + min(i, vec4u(dim.L - 1));
      let shift = vec4f(lse[line.x], lse[line.y], lse[line.z], lse[line.w]);
      let along = vec4f(delta[line.x], delta[line.y], delta[line.z], delta[line.w]);
      var s = array<vec4f, OWN>();
      var dp = array<vec4f, OWN>();
      for (var c = 0u; c < KT; c++) {
        let at = j * PITCH + t + 4 * c;
        let q0 = queryTile[at];
        let q1 = queryTile[at + PITCH];
        let q2 = queryTile[at + 2 * PITCH];
        let q3 = queryTile[at + 3 * PITCH];
        let g0 = slopeTile[at];
        let g1 = slopeTile[at + PITCH];
        let g2 = slopeTile[at + 2 * PITCH];
        let g3 = slopeTile[at + 3 * PITCH];
        for (var r = 0u; r < OWN; r++) {
          let a = k[r][c];
          let b = v[r][c];
          s[r] += vec4f(dot(a, q0), dot(a, q1), dot(a, q2), dot(a, q3));
          dp[r] += vec4f(dot(b, g0), dot(b, g1), dot(b, g2), dot(b, g3));
        }
      }
      for (var r = 0u; r < OWN; r++) {
        let earliest = select(0, key + r * QUADS, dim.causal == 1);
        let seen = (i < vec4u(dim.L)) & (i >= vec4u(earliest));
        let z = quad_sum(s[r]) - shift;
        s[r] = select(vec4f(), nan_or4(z, exp(min(z, vec4f()))), seen);
        dp[r] = s[r] * (quad_sum(dp[r]) - along) * dim.scale;
      }
      for (var c = 0u; c < KT; c++) {
        let at = j * PITCH + t + 4 * c;
        let q0 = queryTile[at];
        let q1 = queryTile[at + PITCH];
        let q2 = queryTile[at + 2 * PITCH];
        let q3 = queryTile[at + 3 * PITCH];
        let g0 = slopeTile[at];
        let g1 = slopeTile[at + PITCH];
        let g2 = slopeTile[at + 2 * PITCH];
        let g3 = slopeTile[at + 3 * PITCH];
        for (var r = 0u; r < OWN; r++) {
          let p = s[r];
          let ds = dp[r];
          dv[r][c] += p.x * g0 + p.y * g1 + p.z * g2 + p.w * g3;
          dk[r][c] += ds.x * q0 + ds.y * q1 + ds.z * q2 + ds.w * q3;
        }
      }
    }
  }

  for (var r = 0u; r < OWN; r++) {
    let j = key + r * QUADS;
    if (j < dim.L) {
      for (var c = 0u; c < KT; c++) {
        put(&dqkv, first + j * 3 * D + D, t + 4 * c, dk[r][c]);
        put(&dqkv, first + j * 3 * D + 2 * D, t + 4 * c, dv[r][c]);
      }
    }
  }
}
