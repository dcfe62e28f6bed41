// y_i = x_i as another type          each workgroup converts a contiguous chunk of vec4s
//
// Rounding is the device's (to nearest, ties to even, where it is IEEE). What half precision cannot hold, beyond ±65504, is `held`'s to
// say, since WGSL does not promise infinities to come of it; NaN and infinities stay what they are.
struct Dims { N: u32, chunk: u32 }

@group(0) @binding(0) var<storage, read> x: array<vec4<From>>;        // [N]
@group(0) @binding(1) var<storage, read_write> y: array<vec4<To>>;    // [N]
var<immediate> dim: Dims;

override WG: u32 = 64;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let start = (wid.x + wid.y * nwg.x) * dim.chunk;
  let end = min(start + dim.chunk, (dim.N + 3u) / 4u);
  for (var i = start + lane; i < end; i += WG) {
    let v = vec4f(x[i]);
    let finite = (bitcast<vec4u>(v) & vec4u(0x7fffffff)) < vec4u(0x7f800000);
    y[i] = vec4<To>(select(v, held(v), finite));
  }
}
