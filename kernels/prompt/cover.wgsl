// cover[n, p] = mean of the mask over patch p of frame n                                     one subgroup per patch
struct Dims { N: u32, I: u32, J: u32, R: u32 }

@group(0) @binding(0) var<storage, read> mask: array<T>;             // [N, I, J]
@group(0) @binding(1) var<storage, read_write> cover: array<f32>;     // [N, P]
var<immediate> dim: Dims;

alias SUM = f32;
override WG: u32 = 64;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u,
        @builtin(subgroup_id) subgroup: u32, @builtin(subgroup_invocation_id) lane: u32) {
  let R = dim.R;
  let high = dim.I / R;
  let wide = dim.J / R;
  let id = subgroup_index(wid, nwg, subgroup);
  if (id >= dim.N * high * wide) { return; }
  let p = id % (high * wide);
  let start = ((id / (high * wide)) * dim.I + (p / wide) * R) * dim.J + (p % wide) * R;
  let across = R;
  var sums = Levels();
  for (var near = lane; near < R * across; near += 4 * PANEL * SG) {
    var panel = SUM();
    let nearEnd = min(near + 4 * PANEL * SG, R * across);
    for (var i = near; i < nearEnd; i += SG) {
      panel += f32(mask[(start + (i / across) * dim.J) + i % across]);
    }
    sums = with_panel(sums, panel);
  }
  let total = subgroupAdd(whole(sums));
  if (lane == 0) { cover[id] = total / f32(R * R); }
}
