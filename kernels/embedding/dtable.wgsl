// dtable_v = Σ dy_n over the n with ids_n = v                      one subgroup per place of the order and SG columns
//
// The subgroup whose place starts a run of equal ids owns that row of the table; the others have nothing to do. Rows
// that do not occur keep the zeros they hold already.
struct Dims { V: u32, N: u32, D: u32 }

@group(0) @binding(0) var<storage, read> ids: array<u32>;              // [N]
@group(0) @binding(1) var<storage, read> order: array<u32>;            // [N]
@group(0) @binding(2) var<storage, read> dy: array<T>;                 // [N, D]
@group(0) @binding(3) var<storage, read_write> dtable: array<T>;       // [V, D]
var<immediate> dim: Dims;

alias SUM = f32;
override WG: u32 = 64;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u,
        @builtin(subgroup_id) subgroup: u32, @builtin(subgroup_invocation_id) lane: u32) {
  let index = subgroup_index(wid, nwg, subgroup);
  let blocks = (dim.D + SG - 1) / SG;
  let place = index / blocks;
  let d = (index % blocks) * SG + lane;
  if (place >= dim.N || d >= dim.D) { return; }
  let id = ids[order[place]];
  if (id >= dim.V || (place > 0 && ids[order[place - 1]] == id)) { return; }

  var end = place + 1; // ids are sorted along the order: the run's end by bisection
  var beyond = dim.N;
  while (end < beyond) {
    let middle = (end + beyond) / 2;
    if (ids[order[middle]] == id) { end = middle + 1; } else { beyond = middle; }
  }
  var sums = Levels();
  for (var near = place; near < end; near += PANEL) {
    var panel = SUM();
    let nearEnd = min(near + PANEL, end);
    for (var k = near; k < nearEnd; k++) { panel += f32(dy[order[k] * dim.D + d]); }
    sums = with_panel(sums, panel);
  }
  dtable[id * dim.D + d] = T(whole(sums));
}
