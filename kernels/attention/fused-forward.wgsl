// y_i = Σ_j exp(q_i·k_j/√K − lse_i) v_j, lse_i = log Σ_j exp(q_i·k_j/√K)           one quad of lanes per OWN queries
//
// Online softmax, rescaled once for four keys. Key 0 is visible to every query, so the maximum is a true score from
// the first step on, and masked scores (the lowest number) vanish against it, or are put out after it.
struct Dims { L: u32, H: u32, K: u32, causal: u32, scale: f32 }

@group(0) @binding(0) var<storage, read> qkv: array<Element>;        // [B, L, 3, H, K]
@group(0) @binding(1) var<storage, read_write> y: array<Element>;    // [B, L, H, K]
@group(0) @binding(2) var<storage, read_write> lse: array<f32>;      // [B, H, L]
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
  let query = wid.x * QUADS * OWN + me / 4;

  var q: array<array<vec4f, KT>, OWN>;
  var sum: array<array<vec4f, KT>, OWN>;
  var top: array<f32, OWN>;
  var total: array<f32, OWN>;
  for (var r = 0u; r < OWN; r++) {
    let row = min(query + r * QUADS, dim.L - 1);
    for (var c = 0u; c < KT; c++) { q[r][c] = take(&qkv, first + row * 3 * D, t + 4 * c) * dim.scale; }
    top[r] = LOWEST;
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
      for (var c = 0u; c < KT; c++) {
        let at = j * PITCH + t + 4 * c;
        let k0 = keyTile[at];
        let k1 = keyTile[at + PITCH];
        let k2 = keyTile[at + 2 * PITCH];
        let k3 = keyTile[at + 3 * PITCH];
        for (var r = 0u; r < OWN; r++) {
          let v = q[r][c];
          s[r] += vec4f(dot(v, k0), dot(v, k1), dot(v, k2), dot(v, k3));
        }
      }
      for (var r = 0u; r < OWN; r++) {
        let visible = select(dim.L, min(dim.L, query + r * QUADS + 1), dim.causal == 1);
        let seen = start + j + vec4u(0, 1, 2, 3) < vec4u(visible);
        let scores = select(vec4f(LOWEST), quad_sum(s[r]), seen);
        let next = max(top[r], max(max(scores.x, scores.y), max(scores.z, scores.w)));
        let keep = exp(top[r] - next);
        s[r] = select(vec4f(), exp(scores - next), seen);
        total[r] = total[r] * keep + (s[r].x + s[r].y) + (s[r].z + s[r].w);
        top[r] = next;
        for (var c = 0u; c < KT; c++) { sum[r][c] *= keep; }
      }
      for (var c = 0u; c < KT; c++) {
        let at = j * PITCH + t + 4 * c;
        let v0 = valueTile[at];
        let v1 = valueTile[at + PITCH];
        let v2 = valueTile[at + 2 * PITCH];
        let v3 = valueTile[at + 3 * PITCH];
        for (var r = 0u; r < OWN; r++) {
          let p = s[r];
          sum[r][c] += p.x * v0 + p.y * v1 + p.z * v2 + p.w * v3;
        }
      }
    }
  }

  for (var r = 0u; r < OWN; r++) {
    let i = query + r * QUADS;
    if (i < dim.L) {
      if (t == 0) { lse[head * dim.L + i] = top[r] + log(total[r]); }
      let out = (head / dim.H * dim.L + i) * D + head % dim.H * dim.K;
      for (var c = 0u; c < KT; c++) { put(&y, out, t + 4 * c, sum[r][c] / total[r]); }
    }
  }
}
