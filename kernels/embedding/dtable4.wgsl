// dtable_v = Σ dy_n over the n with ids_n = v                 one subgroup per place of the order and SG vec4 columns
//
// The subgroup whose place starts a run of equal ids owns that row of the table; the others have nothing to do. Rows
// that do not occur keep the zeros they hold already. Four rows are on their way at a time: the padding of a batch of
// texts is one run of thousands.
struct Dims { V: u32, N: u32, D: u32 }

@group(0) @binding(0) var<storage, read> ids: array<u32>;                    // [N]
@group(0) @binding(1) var<storage, read> order: array<u32>;                  // [N]
@group(0) @binding(2) var<storage, read> dy: array<vec4<T>>;                 // [N, D]
@group(0) @binding(3) var<storage, read_write> dtable: array<vec4<T>>;       // [V, D]
var<immediate> dim: Dims;

alias SUM = vec4f;
override WG: u32 = 64;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u,
        @builtin(subgroup_id) subgroup: u32, @builtin(subgroup_invocation_id) lane: u32) {
  let D4 = dim.D / 4;
  let index = subgroup_index(wid, nwg, subgroup);
  let blocks = (D4 + SG - 1) / SG;
  let place = index / blocks;
  let d = (index % blocks) * SG + lane;
  if (place >= dim.N || d >= D4) { return; }
  let id = ids[order[place]];
  if (id >= dim.V || (place > 0 && ids[order[place - 1]] == id)) { return; }

  var end = place + 1; // ids are sorted along the order: the run's end by bisection
  var beyond = dim.N;
  while (end < beyond) {
    let middle = (end + beyond) / 2;
    if (ids[order[middle]] == id) { end = middle + 1; } else { beyond = middle; }
  }
  var sums = Levels();
  for (var near = place; near < end; near += PANEL * 4) {
    var panel = SUM();
    let nearEnd = min(near + PANEL * 4, end);
    var k = near;
    for (; k + 3 < nearEnd; k += 4) {
      let a = vec4f(dy[order[k] * D4 + d]);
      let b = vec4f(dy[order[k + 1] * D4 + d]);
      let c = vec4f(dy[order[k + 2] * D4 + d]);
      let e = vec4f(dy[order[k + 3] * D4 + d]);
      panel += (a + b) + (c + e);
    }
    for (; k < nearEnd; k++) { panel += vec4f(dy[order[k] * D4 + d]); }
    sums = with_panel(sums, panel);
  }
  dtable[id * D4 + d] = vec4<T>(whole(sums));
}
