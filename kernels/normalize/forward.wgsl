// y = x / max(‖x‖, floor)                                                                 one subgroup per row
struct Dims { N: u32, D: u32, floor: f32 }

@group(0) @binding(0) var<storage, read> x: array<T>;              // [N, D]
@group(0) @binding(1) var<storage, read_write> y: array<T>;        // [N, D]
@group(0) @binding(2) var<storage, read_write> norm: array<f32>;   // [N], as it is: also below the floor
var<immediate> dim: Dims;

alias SUM = f32;
override WG: u32 = 64;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u,
        @builtin(subgroup_id) subgroup: u32, @builtin(subgroup_invocation_id) lane: u32) {
  let row = subgroup_index(wid, nwg, subgroup);
  if (row >= dim.N) { return; }
  let start = row * dim.D;

  var sums = Levels();
  for (var near = lane; near < dim.D; near += PANEL * SG) {
    var panel = SUM();
    let nearEnd = min(near + PANEL * SG, dim.D);
    for (var j = near; j < nearEnd; j += SG) {
      let v = f32(x[start + j]);
      panel += v * v;
    }
    sums = with_panel(sums, panel);
  }
  let length = sqrt(subgroupAdd(whole(sums)));
  if (lane == 0) { norm[row] = length; }
  let scale = 1.0 / nan_or(length, max(length, dim.floor));
  for (var j = lane; j < dim.D; j += SG) { y[start + j] = T(f32(x[start + j]) * scale); }
}
