// dq_i = Σ_j ds_ij k_j, ds_ij = p_ij (dy_i·v_j − δ_i)/√K, δ_i = dy_i·y_i           one quad of lanes per OWN queries
//
// p is computed again from the log-sum-exp. δ is left for dkv, which runs after this.
struct Dims { L: u32, H: u32, K: u32, causal: u32, scale: f32 }

@group(0) @binding(0) var<storage, read> qkv: array<Element>;        // [B, L, 3, H, K]
@group(0) @binding(1) var<storage, read> y: array<Element>;          // [B, L, H, K]
@group(0) @binding(2) var<storage, read> dy: array<Element>;         // [B, L, H, K]
@group(0) @binding(3) var<storage, read> lse: array<f32>;            // [B, H, L]
@group(0) @binding(4) var<storage, read_write> delta: array<f32>;    // [B, H, L]
@group(0) @binding(5) var<storage, read_write> dqkv: array<Element>; // [B, L, 3, H, K]: q's part
var<immediate> dim: Dims;

var<workgroup> keyTile: array<vec4f, TILE * PITCH>;
var<workgroup> valueTile: array<vec4f, TILE * PITCH>;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(subgroup_id) subgroup: u32,
        @builtin(subgroup_invocation_id) lane: u32) {
  let me = subgroup * SG + lane;
  let t = me % 4;
  let D = dim.H * dim.K;
  let head = wid.y;
  let first = head / dim.H * dim.L * 3 * D + head % dim.H * dim.K;
  let firstY = head / dim.H * dim.L * D + head % dim.H * dim.K;
  let query = wid.x * QUADS * OWN + me / 4;

  var q: array<array<vec4f, KT>, OWN>;
  var g: array<array<vec4f, KT>, OWN>;
  var dq: array<array<vec4f, KT>, OWN>;
  var shift: array<f32, OWN>;
  var along: array<f32, OWN>;
  for (var r = 0u; r < OWN; r++) {
    let row = min(query + r * QUADS, dim.L - 1);
    var sum = vec4f();
    for (var c = 0u; c < KT; c++) {
      q[r][c] = take(&qkv, first + row * 3 * D, t + 4 * c) * dim.scale;
      g[r][c] = take(&dy, firstY + row * D, t + 4 * c);
      sum += g[r][c] * take(&y, firstY + row * D, t + 4 * c);
    }
    let whole = quad_sum(sum);
    along[r] = (whole.x + whole.y) + (whole.z + whole.w);
    shift[r] = lse[head * dim.L + row];
    if (t == 0 && query + r * QUADS < dim.L) { delta[head * dim.L + row] = along[r]; }
  }

  let end = select(dim.L, min(dim.L, (wid.x + 1) * QUADS * OWN), dim.causal == 1);
  for (var start = 0u; start < end; start += TILE) {
    workgroupBarrier();
    for (var e = me; e < TILE * PITCH; e += THREADS) {
      let at = first + min(start + e / PITCH, dim.L - 1) * 3 * D;
      keyTile[e] = take(&qkv, at + D, e % PITCH);
      valueTile[e] = take(&qkv, at + 2 * D, e % PITCH);
    }
    workgroupBarrier();

    let filled = min(TILE, end - start);
    for (var j = 0u; j < filled; j += 4) {
      var s = array<vec4f, OWN>();
      var dp = array<vec4f, OWN>();
      for (var c = 0u; c < KT; c++) {
        let at = j * PITCH + t + 4 * c;
        let k0 = keyTile[at];
        let k1 = keyTile[at + PITCH];
        let k2 = keyTile[at + 2 * PITCH];
        let k3 = keyTile[at + 3 * PITCH];
        let v0 = valueTile[at];
        let v1 = valueTile[at + PITCH];
        let v2 = valueTile[at + 2 * PITCH];
        let v3 = valueTile[at + 3 * PITCH];
        for (var r = 0u; r < OWN; r++) {
          let a = q[r][c];
          let b = g[r][c];
          s[r] += vec4f(dot(a, k0), dot(a, k1), dot(a, k2), dot(a, k3));
          dp[r] += vec4f(dot(b, v0), dot(b, v1), dot(b, v2), dot(b, v3));
        }
      }
      for (var r = 0u; r < OWN; r++) {
        let visible = select(dim.L, min(dim.L, query + r * QUADS + 1), dim.causal == 1);
        let seen = start + j + vec4u(0, 1, 2, 3) < vec4u(visible);
        let z = quad_sum(s[r]) - shift[r];
        let p = nan_or4(z, exp(min(z, vec4f())));
        s[r] = select(vec4f(), p * (quad_sum(dp[r]) - along[r]) * dim.scale, seen);
      }
      for (var c = 0u; c < KT; c++) {
        let at = j * PITCH + t + 4 * c;
        let k0 = keyTile[at];
        let k1 = keyTile[at + PITCH];
        let k2 = keyTile[at + 2 * PITCH];
        let k3 = keyTile[at + 3 * PITCH];
        for (var r = 0u; r < OWN; r++) {
          let ds = s[r];
          dq[r][c] += ds.x * k0 + ds.y * k1 + ds.z * k2 + ds.w * k3;
        }
      }
    }
  }

  for (var r = 0u; r < OWN; r++) {
    let i = query + r * QUADS;
    if (i < dim.L) {
      for (var c = 0u; c < KT; c++) { put(&dqkv, first + i * 3 * D, t + 4 * c, dq[r][c]); }
    }
  }
}
