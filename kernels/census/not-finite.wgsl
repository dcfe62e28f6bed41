// found_c = [NaNs, infinities, place of the first of either] among chunk c of x                one subgroup per chunk
//
// Told from bits alone: comparisons with NaN mean nothing on some drivers. Without any, the place is N.
struct Dims { N: u32, C: u32 }

@group(0) @binding(0) var<storage, read> x: array<vec4<T>>;             // [N]
@group(0) @binding(1) var<storage, read_write> found: array<u32>;       // [C, 3]
var<immediate> dim: Dims;

override WG: u32 = 64;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u,
        @builtin(subgroup_id) subgroup: u32, @builtin(subgroup_invocation_id) lane: u32) {
  let c = subgroup_index(wid, nwg, subgroup);
  if (c >= dim.C) { return; }
  let all = (dim.N + 3) / 4;
  let size = (all + dim.C - 1) / dim.C;
  var nans = vec4u();
  var infinities = vec4u();
  var places = vec4u(dim.N);
  for (var i = c * size + lane; i < min((c + 1) * size, all); i += SG) {
    let bits = bitcast<vec4u>(vec4f(x[i])) & vec4u(0x7fffffffu);
    let place = 4 * i + vec4u(0, 1, 2, 3);
    let real = place < vec4u(dim.N);
    nans += select(vec4u(), vec4u(1), real & (bits > vec4u(0x7f800000u)));
    infinities += select(vec4u(), vec4u(1), real & (bits == vec4u(0x7f800000u)));
    places = min(places, select(vec4u(dim.N), place, real & (bits >= vec4u(0x7f800000u))));
  }
  let nan = subgroupAdd(nans.x + nans.y + nans.z + nans.w);
  let infinite = subgroupAdd(infinities.x + infinities.y + infinities.z + infinities.w);
  let first = subgroupMin(min(min(places.x, places.y), min(places.z, places.w)));
  if (lane == 0) {
    found[3 * c] = nan;
    found[3 * c + 1] = infinite;
    found[3 * c + 2] = first;
  }
}
