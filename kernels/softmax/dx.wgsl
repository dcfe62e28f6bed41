// dx = y · (dy − Σ y dy)                                                                  one subgroup per row
struct Dims { N: u32, D: u32 }

@group(0) @binding(0) var<storage, read> dy: array<T>;         // [N, D]
@group(0) @binding(1) var<storage, read> y: array<T>;          // [N, D]
@group(0) @binding(2) var<storage, read_write> dx: array<T>;   // [N, D]
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
    for (var j = near; j < nearEnd; j += SG) { panel += f32(y[start + j]) * f32(dy[start + j]); }
    sums = with_panel(sums, panel);
  }
  let sum = subgroupAdd(whole(sums));
  for (var j = lane; j < dim.D; j += SG) {
    dx[start + j] = T(f32(y[start + j]) * (f32(dy[start + j]) - sum));
  }
}
