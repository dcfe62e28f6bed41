// factor = min(1, limit / (norm / scale + 1e-6)) / scale, 0 if anything was not finite; scale and sound follow      one invocation
//
// norm is that of the gradients as they are, still multiplied by scale; own is without it. A norm that overflowed counts as not finite.
// The scale does not grow beyond what f32 can hold.
struct Dims { limit: f32, growth: f32, backoff: f32, interval: f32 }

@group(0) @binding(0) var<storage, read> norm: array<f32>;              // scalar
@group(0) @binding(1) var<storage, read> bad: array<u32>;               // scalar
@group(0) @binding(2) var<storage, read_write> scale: array<f32>;       // scalar
@group(0) @binding(3) var<storage, read_write> sound: array<f32>;       // scalar, steps since the scale changed
@group(0) @binding(4) var<storage, read_write> factor: array<f32>;      // scalar
@group(0) @binding(5) var<storage, read_write> own: array<f32>;         // scalar, the norm without scale
var<immediate> dim: Dims;

override WG: u32 = 1;

@compute @workgroup_size(WG)
fn main() {
  let by = scale[0];
  let mine = norm[0] / by;
  let finite = (bitcast<u32>(norm[0]) & 0x7fffffffu) < 0x7f800000u;
  let taken = finite && bad[0] == 0;
  let count = sound[0] + 1.0;
  let grows = count >= dim.interval;
  let grown = select(by, by * dim.growth, grows && by <= 8.5070592e37 / dim.growth);
  own[0] = mine;
  factor[0] = select(0.0, min(1.0, dim.limit / (mine + 1e-6)) / by, taken);
  scale[0] = select(by * dim.backoff, grown, taken);
  sound[0] = select(0.0, select(count, 0.0, grows), taken);
}
