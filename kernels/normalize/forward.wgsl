// y = x / max(‖x‖, floor)                                                                 one subgroup per row
struct Dims { N: u32, D: u32, floor: f32 }

@group(0) @binding(0) var<storage, read> x: array<T>;              // [N, D]
@group(0) @binding(1) var<storage, read_write> y: array<T>;        // [N, D]
@group(0) @binding(2) var<storage, read_write> norm: array<f32>;   // [N], as it is: also below the floor
var<immediate> dim: Dims;

override WG: u32 = 64;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u,
        @builtin(subgroup_id) subgroup: u32, @builtin(subgroup_invocation_id) lane: u32) {
  let row = subgroup_index(wid, nwg, subgroup);
  if (row >= dim.N) { return; }
  let start = row * dim.D;

  var squares = 0.0;
  for (var whole = lane; whole < dim.D; whole += 64 * STRETCH * SG) {
    var squaresWhole = 0.0;
    let wholeEnd = min(whole + 64 * STRETCH * SG, dim.D);
    for (var far = whole; far < wholeEnd; far += STRETCH * SG) {
      var squaresStretch = 0.0;
      let farEnd = min(far + STRETCH * SG, wholeEnd);
      for (var near = far; near < farEnd; near += PANEL * SG) {
        var squaresPanel = 0.0;
        let nearEnd = min(near + PANEL * SG, farEnd);
        for (var j = near; j < nearEnd; j += SG) {
          let v = f32(x[start + j]);
          squaresPanel += v * v;
        }
        squaresStretch += squaresPanel;
      }
      squaresWhole += squaresStretch;
    }
    squares += squaresWhole;
  }
  let length = sqrt(subgroupAdd(squares));
  if (lane == 0) { norm[row] = length; }
  let scale = 1.0 / nan_or(length, max(length, dim.floor));
  for (var j = lane; j < dim.D; j += SG) { y[start + j] = T(f32(x[start + j]) * scale); }
}
