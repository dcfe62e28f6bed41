// part_pd = Σ of x_nd over the rows n of part p                       one invocation per part and (four) columns
//
// A long sum takes two launches: parts of the rows side by side, then the parts in order; one invocation per column
// would leave most of a GPU idle. The prefix of colsum.ts says what X, Y and SUM are: single elements or vec4s.
struct Dims { rows: u32, width: u32, part: u32, parts: u32 }

@group(0) @binding(0) var<storage, read> x: array<X>;               // [rows, width]
@group(0) @binding(1) var<storage, read_write> y: array<Y>;         // [parts, width]
var<immediate> dim: Dims;

override WG: u32 = 64;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let id = (wid.x + wid.y * nwg.x) * WG + lane;
  if (id >= dim.parts * dim.width) { return; }
  let p = id / dim.width;
  let end = min((p + 1) * dim.part, dim.rows) * dim.width;
  let start = p * dim.part * dim.width + id % dim.width;
  var sums = Levels();
  for (var near = start; near < end; near += PANEL * dim.width) {
    var panel = SUM();
    let nearEnd = min(near + PANEL * dim.width, end);
    for (var i = near; i < nearEnd; i += dim.width) { panel += SUM(x[i]); }
    sums = with_panel(sums, panel);
  }
  y[id] = Y(whole(sums));
}
