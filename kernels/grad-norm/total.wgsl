// norm = √Σ_c sums_c0, bad = Σ_c sums_c1                                                  one subgroup for everything
struct Dims { C: u32 }

@group(0) @binding(0) var<storage, read> sums: array<vec2f>;            // [C, 2]
@group(0) @binding(1) var<storage, read_write> norm: array<f32>;        // scalar
@group(0) @binding(2) var<storage, read_write> bad: array<u32>;         // scalar
var<immediate> dim: Dims;

override WG: u32 = 64;

@compute @workgroup_size(WG)
fn main(@builtin(subgroup_id) subgroup: u32, @builtin(subgroup_invocation_id) lane: u32) {
  if (subgroup > 0) { return; }
  var square = 0.0;
  var count = 0u;
  for (var far = lane; far < dim.C; far += STRETCH * SG) {
    var squareStretch = 0.0;
    let farEnd = min(far + STRETCH * SG, dim.C);
    for (var near = far; near < farEnd; near += PANEL * SG) {
      var squarePanel = 0.0;
      let nearEnd = min(near + PANEL * SG, farEnd);
      for (var c = near; c < nearEnd; c += SG) {
        squarePanel += sums[c].x;
        count += u32(sums[c].y);
      }
      squareStretch += squarePanel;
    }
    square += squareStretch;
  }
  square = subgroupAdd(square);
  count = subgroupAdd(count);
  if (lane == 0) {
    norm[0] = sqrt(square);
    bad[0] = count;
  }
}
