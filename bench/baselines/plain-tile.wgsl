// c[M,N] = a b, the quick way: one invocation per 4 x 4 outputs, vec4 loads, no sharing. FORM says what is stored:
// 0 NN a[M,K] b[K,N], 1 NT a[M,K] b[N,K], 2 TN a[K,M] b[K,N]. Sizes are multiples of 4. The yardstick of kernels/matmul.
struct Dims { M: u32, N: u32, K: u32 }

override WG: u32 = 64;
override FORM: u32 = 0;

@group(0) @binding(0) var<storage, read> a: array<vec4f>;
@group(0) @binding(1) var<storage, read> b: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> c: array<vec4f>;  // [M, N]
var<immediate> dim: Dims;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
  let N4 = dim.N / 4u;
  let M4 = dim.M / 4u;
  let K4 = dim.K / 4u;
  let i = (wid.x + wid.y * groups.x) * WG + lane;
  let row = i / N4;
  let col = i % N4;
  if (row >= M4) { return; }
  var c0 = vec4f();
  var c1 = vec4f();
  var c2 = vec4f();
  var c3 = vec4f();
  for (var q = 0u; q < K4; q++) {
    var A: mat4x4f;  // row r of the tile, four k's
    var B: mat4x4f;  // four columns of k number j
    if (FORM == 2u) {
      A = transpose(mat4x4f(a[(4u * q) * M4 + row], a[(4u * q + 1u) * M4 + row], a[(4u * q + 2u) * M4 + row], a[(4u * q + 3u) * M4 + row]));
    } else {
      A = mat4x4f(a[(4u * row) * K4 + q], a[(4u * row + 1u) * K4 + q], a[(4u * row + 2u) * K4 + q], a[(4u * row + 3u) * K4 + q]);
    }
    if (FORM == 1u) {
      B = transpose(mat4x4f(b[(4u * col) * K4 + q], b[(4u * col + 1u) * K4 + q], b[(4u * col + 2u) * K4 + q], b[(4u * col + 3u) * K4 + q]));
    } else {
      B = mat4x4f(b[(4u * q) * N4 + col], b[(4u * q + 1u) * N4 + col], b[(4u * q + 2u) * N4 + col], b[(4u * q + 3u) * N4 + col]);
    }
    c0 += A[0].x * B[0] + A[0].y * B[1] + A[0].z * B[2] + A[0].w * B[3];
    c1 += A[1].x * B[0] + A[1].y * B[1] + A[1].z * B[2] + A[1].w * B[3];
    c2 += A[2].x * B[0] + A[2].y * B[1] + A[2].z * B[2] + A[2].w * B[3];
    c3 += A[3].x * B[0] + A[3].y * B[1] + A[3].z * B[2] + A[3].w * B[3];
  }
  c[(4u * row) * N4 + col] = c0;
  c[(4u * row + 1u) * N4 + col] = c1;
  c[(4u * row + 2u) * N4 + col] = c2;
  c[(4u * row + 3u) * N4 + col] = c3;
}
