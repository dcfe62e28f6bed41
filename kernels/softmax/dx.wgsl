// dx = y · (dy − Σ y dy)                                                                  one subgroup per row
struct Dims { N: u32, D: u32 }

@group(0) @binding(0) var<storage, read> dy: array<T>;         // [N, D]
@group(0) @binding(1) var<storage, read> y: array<T>;          // [N, D]
@group(0) @binding(2) var<storage, read_write> dx: array<T>;   // [N, D]
var<immediate> dim: Dims;

override WG: u32 = 64;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u,
        @builtin(subgroup_id) subgroup: u32, @builtin(subgroup_invocation_id) lane: u32) {
  let row = subgroup_index(wid, nwg, subgroup);
  if (row >= dim.N) { return; }
  let start = row * dim.D;

  var sum = 0.0;
  for (var whole = lane; whole < dim.D; whole += 64 * STRETCH * SG) {
    var sumWhole = 0.0;
    let wholeEnd = min(whole + 64 * STRETCH * SG, dim.D);
    for (var far = whole; far < wholeEnd; far += STRETCH * SG) {
      var sumStretch = 0.0;
      let farEnd = min(far + STRETCH * SG, wholeEnd);
      for (var near = far; near < farEnd; near += PANEL * SG) {
        var sumPanel = 0.0;
        let nearEnd = min(near + PANEL * SG, farEnd);
        for (var j = near; j < nearEnd; j += SG) { sumPanel += f32(y[start + j]) * f32(dy[start + j]); }
        sumStretch += sumPanel;
      }
      sumWhole += sumStretch;
    }
    sum += sumWhole;
  }
  sum = subgroupAdd(sum);
  for (var j = lane; j < dim.D; j += SG) {
    dx[start + j] = T(f32(y[start + j]) * (f32(dy[start + j]) - sum));
  }
}
