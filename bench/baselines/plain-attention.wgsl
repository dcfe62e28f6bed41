// y_i = Σ_j softmax_j(q_i·k_j/√K) v_j, K = 64, plainly                            one invocation per query and head
//
// The kernel everyone writes first: q and the running sum of one query in registers, keys and values streamed past
// with an online softmax. A baseline of the benchmark (row plain-attention), no kernel of the engine.
struct Dims { B: u32, L: u32, H: u32 }

@group(0) @binding(0) var<storage, read> qkv: array<vec4f>;        // [B, L, 3, H, 16]
@group(0) @binding(1) var<storage, read_write> y: array<vec4f>;    // [B, L, H, 16]
var<immediate> dim: Dims;

override WG: u32 = 64;
const K4: u32 = 16;

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let query = id.x;
  if (query >= dim.B * dim.H * dim.L) { return; }
  let i = query % dim.L;
  let h = query / dim.L % dim.H;
  let b = query / dim.L / dim.H;
  let pitch = 3 * dim.H * K4;
  let first = b * dim.L * pitch + h * K4;

  var q: array<vec4f, K4>;
  var sum: array<vec4f, K4>;
  for (var c = 0u; c < K4; c++) { q[c] = qkv[first + i * pitch + c] * 0.125; }
  var top = -3e38;
  var total = 0.0;
  for (var j = 0u; j < dim.L; j++) {
    let key = first + j * pitch + dim.H * K4;
    var s = 0.0;
    for (var c = 0u; c < K4; c++) { s += dot(q[c], qkv[key + c]); }
    let next = max(top, s);
    let keep = exp(top - next);
    let e = exp(s - next);
    total = total * keep + e;
    for (var c = 0u; c < K4; c++) { sum[c] = sum[c] * keep + e * qkv[key + dim.H * K4 + c]; }
    top = next;
  }
  for (var c = 0u; c < K4; c++) { y[(b * dim.L + i) * dim.H * K4 + h * K4 + c] = sum[c] / total; }
}
