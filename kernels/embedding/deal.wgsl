// order[place] = position, for the positions of block c in order, to the next place of their digit   one invocation per block
//
// Equal digits keep their order, within a block and between blocks: sorting by the low digit and then by the high one
// sorts by id.
struct Dims { V: u32, N: u32, R: u32, C: u32, shift: u32 }

@group(0) @binding(0) var<storage, read> ids: array<u32>;              // [N]
@group(0) @binding(1) var<storage, read_write> hist: array<u32>;       // [R, C], the next places
@group(0) @binding(2) var<storage, read_write> order: array<u32>;      // [N]
var<immediate> dim: Dims;

override WG: u32 = 64;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let c = (wid.x + wid.y * nwg.x) * WG + lane;
  if (c >= dim.C) { return; }
  let size = (dim.N + dim.C - 1) / dim.C;
  for (var k = c * size; k < min((c + 1) * size, dim.N); k++) {
    let at = place_of(k);
    let r = (min(ids[at], dim.V) >> dim.shift) % dim.R;
    let place = hist[r * dim.C + c];
    order[place] = at;
    hist[r * dim.C + c] = place + 1;
  }
}
