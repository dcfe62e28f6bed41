// y[n, q, p] = x[n, p, q], P and Q multiples of 4                    one invocation turns a block of 4 x 4 in registers
struct Dims { N: u32, P: u32, Q: u32 }

@group(0) @binding(0) var<storage, read> x: array<vec4<T>>;            // [N, P, Q]
@group(0) @binding(1) var<storage, read_write> y: array<vec4<T>>;      // [N, Q, P]
var<immediate> dim: Dims;

override WG: u32 = 64;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let P4 = dim.P / 4;
  let Q4 = dim.Q / 4;
  let i = (wid.x + wid.y * nwg.x) * WG + lane;
  if (i >= dim.N * P4 * Q4) { return; }
  let q = i % Q4;
  let p = (i / Q4) % P4;
  let n = i / (P4 * Q4);
  let source = (n * dim.P + 4 * p) * Q4 + q;
  let r0 = x[source];
  let r1 = x[source + Q4];
  let r2 = x[source + 2 * Q4];
  let r3 = x[source + 3 * Q4];
  let to = (n * dim.Q + 4 * q) * P4 + p;
  y[to] = vec4<T>(r0.x, r1.x, r2.x, r3.x);
  y[to + P4] = vec4<T>(r0.y, r1.y, r2.y, r3.y);
  y[to + 2 * P4] = vec4<T>(r0.z, r1.z, r2.z, r3.z);
  y[to + 3 * P4] = vec4<T>(r0.w, r1.w, r2.w, r3.w);
}
