// p ← keep · p − lr · sign(β₁ m + (1 − β₁) g), then m ← β₂ m + (1 − β₂) g      flat; a workgroup owns one chunk
//
// keep = 1 − lr · decay. A factor of 0 changes nothing, and a NaN is within any limits (see adamw).
struct Dims {
  N: u32, lr: f32, beta1: f32, rest1: f32, beta2: f32, rest2: f32, keep: f32, least: f32, most: f32
}

@group(0) @binding(0) var<storage, read_write> p: array<vec4f>;      // [N]
@group(0) @binding(1) var<storage, read> g: array<vec4<T>>;          // [N]
@group(0) @binding(2) var<storage, read_write> m: array<vec4f>;      // [N], mean of g
@group(0) @binding(3) var<storage, read> factor: array<f32>;         // scalar, on every gradient (clipping)
var<immediate> dim: Dims;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let start = chunk_start(wid, nwg);
  let clip = factor[0];
  let end = select(start, chunk_end(start, dim.N), clip > 0);
  for (var i = start + lane; i < end; i += WG) {
    let grad = clip * vec4f(g[i]);
    let mixed = dim.beta1 * m[i] + dim.rest1 * grad;
    m[i] = dim.beta2 * m[i] + dim.rest2 * grad;
    let next = dim.keep * p[i] - dim.lr * nan_or4(mixed, sign(mixed));
    let raised = select(next, vec4f(dim.least), next < vec4f(dim.least));
    p[i] = nan_or4(next, select(raised, vec4f(dim.most), raised > vec4f(dim.most)));
  }
}
