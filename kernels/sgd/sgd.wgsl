// b ← momentum · b + g + decay · p, p ← p − lr · b                              flat; a workgroup owns one chunk
//
// Nesterov's form steps by g + decay · p + momentum · b instead of b. A factor of 0 changes nothing, and a NaN is within
// any limits (see adamw).
struct Dims { N: u32, lr: f32, momentum: f32, decay: f32, nesterov: u32, least: f32, most: f32 }

@group(0) @binding(0) var<storage, read_write> p: array<vec4f>;      // [N]
@group(0) @binding(1) var<storage, read> g: array<vec4<T>>;          // [N]
@group(0) @binding(2) var<storage, read_write> b: array<vec4f>;      // [N], zero at first
@group(0) @binding(3) var<storage, read> factor: array<f32>;         // scalar, on every gradient (clipping)
var<immediate> dim: Dims;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let start = chunk_start(wid, nwg);
  let clip = factor[0];
  let end = select(start, chunk_end(start, dim.N), clip > 0);
  for (var i = start + lane; i < end; i += WG) {
    let grad = clip * vec4f(g[i]) + dim.decay * p[i];
    let next = dim.momentum * b[i] + grad;
    b[i] = next;
    let moved = p[i] - dim.lr * select(next, grad + dim.momentum * next, dim.nesterov != 0);
    let raised = select(moved, vec4f(dim.least), moved < vec4f(dim.least));
    p[i] = nan_or4(moved, select(raised, vec4f(dim.most), raised > vec4f(dim.most)));
  }
}
