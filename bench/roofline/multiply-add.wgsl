// y = what `steps` rounds of eight independent vec4 multiply-adds leave: arithmetic at best      64 flops per round and lane
//
// The factor comes from memory, so that no compiler can know the result; every sum ends at 1 for a = 1/2,
// and so what is written at 8: exact in either type.
struct Dims { steps: u32 }

@group(0) @binding(0) var<storage, read> x: array<vec4<T>>;        // [4]
@group(0) @binding(1) var<storage, read_write> y: array<vec4<T>>;  // [4 · invocations]
var<immediate> dim: Dims;

override WG: u32 = 64;

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let a = x[0];
  let b = vec4<T>(1.0) - a;
  var c0 = b * T(id.x & 7u);
  var c1 = c0 + a;
  var c2 = c1 * a;
  var c3 = c2 + a;
  var c4 = c3 * a;
  var c5 = c4 + a;
  var c6 = c5 * a;
  var c7 = c6 + a;
  for (var i = 0u; i < dim.steps; i++) {
    c0 = fma(c0, a, b);
    c1 = fma(c1, a, b);
    c2 = fma(c2, a, b);
    c3 = fma(c3, a, b);
    c4 = fma(c4, a, b);
    c5 = fma(c5, a, b);
    c6 = fma(c6, a, b);
    c7 = fma(c7, a, b);
  }
  y[id.x] = ((c0 + c1) + (c2 + c3)) + ((c4 + c5) + (c6 + c7));
}
