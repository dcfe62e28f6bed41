// factor = min(1, limit / (norm + 1e-6)) / lossScale, 0 if anything was not finite                  one invocation
//
// norm is that of the gradients as they are, still multiplied by lossScale. A norm that overflowed counts as not
// finite.
struct Dims { limit: f32, lossScale: f32 }

@group(0) @binding(0) var<storage, read> norm: array<f32>;              // scalar
@group(0) @binding(1) var<storage, read> bad: array<u32>;               // scalar
@group(0) @binding(2) var<storage, read_write> factor: array<f32>;      // scalar
var<immediate> dim: Dims;

override WG: u32 = 1;

@compute @workgroup_size(WG)
fn main() {
  let finite = (bitcast<u32>(norm[0]) & 0x7fffffffu) < 0x7f800000u;
  let clip = min(1.0, dim.limit / (norm[0] / dim.lossScale + 1e-6));
  factor[0] = select(0.0, clip / dim.lossScale, finite && bad[0] == 0);
}
