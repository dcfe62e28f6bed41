// p ← p − size · m / (√v · root + eps), g + decay · p being the gradient of both moments  flat; a workgroup owns one chunk
//
// size and root are those of adamw, as are a factor of 0, which changes nothing, and limits.
struct Dims {
  N: u32, beta1: f32, rest1: f32, beta2: f32, rest2: f32, eps: f32, decay: f32, size: f32, root: f32,
  least: f32, most: f32
}

@group(0) @binding(0) var<storage, read_write> p: array<vec4f>;      // [N]
@group(0) @binding(1) var<storage, read> g: array<vec4<T>>;          // [N]
@group(0) @binding(2) var<storage, read_write> m: array<vec4f>;      // [N], mean of the gradient
@group(0) @binding(3) var<storage, read_write> v: array<vec4f>;      // [N], mean of its square
@group(0) @binding(4) var<storage, read> factor: array<f32>;         // scalar, on every g (clipping)
var<immediate> dim: Dims;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let start = chunk_start(wid, nwg);
  let clip = factor[0];
  let end = select(start, chunk_end(start, dim.N), clip > 0);
  for (var i = start + lane; i < end; i += WG) {
    let grad = clip * vec4f(g[i]) + dim.decay * p[i];
    let mean = dim.beta1 * m[i] + dim.rest1 * grad;
    let square = dim.beta2 * v[i] + dim.rest2 * (grad * grad);
    m[i] = mean;
    v[i] = square;
    let next = p[i] - dim.size * mean / (sqrt(square) * dim.root + dim.eps);
    let raised = select(next, vec4f(dim.least), next < vec4f(dim.least));
    p[i] = nan_or4(next, select(raised, vec4f(dim.most), raised > vec4f(dim.most)));
  }
}
