// dx[b, v, d] = Σ dy[b, n, d] over the n with ids_n = v, in their order              one invocation per Element of dy
//
// The invocation whose place in the order starts a run of equal ids owns that place of dx; the others have nothing to do.
// Places that do not occur keep the zeros they hold already.
struct Dims { B: u32, V: u32, N: u32, inner: u32 }

@group(0) @binding(0) var<storage, read> ids: array<u32>;              // [N]
@group(0) @binding(1) var<storage, read> order: array<u32>;            // [N]
@group(0) @binding(2) var<storage, read> dy: array<Element>;           // [B, N, inner]
@group(0) @binding(3) var<storage, read_write> dx: array<Element>;     // [B, V, inner]
var<immediate> dim: Dims;

override WG: u32 = 64;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let i = (wid.x + wid.y * nwg.x) * WG + lane;
  if (i >= dim.B * dim.N * dim.inner) { return; }
  let row = i / dim.inner;
  let d = i % dim.inner;
  let place = row % dim.N;
  let b = row / dim.N;
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
    for (var k = near; k < nearEnd; k++) { panel += SUM(dy[(b * dim.N + order[k]) * dim.inner + d]); }
    sums = with_panel(sums, panel);
  }
  dx[(b * dim.V + id) * dim.inner + d] = Element(whole(sums));
}
