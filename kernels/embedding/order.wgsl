// order[rank of n] = n, where n's rank counts the positions that sort before it             one invocation per position
//
// Sorting by counting: all pairs of ids are compared, which at a batch's 10 000 ids is little work and takes no
// scratch memory and no atomics. Equal ids keep their order, so that later sums have one order too.
struct Dims { N: u32 }

@group(0) @binding(0) var<storage, read> ids: array<vec4<u32>>;        // [N]
@group(0) @binding(1) var<storage, read_write> order: array<u32>;      // [N]
var<immediate> dim: Dims;

override WG: u32 = 64;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let n = (wid.x + wid.y * nwg.x) * WG + lane;
  if (n >= dim.N) { return; }
  let id = ids[n / 4][n % 4];
  var count = vec4u();
  for (var j = 0u; j < (dim.N + 3) / 4; j++) {
    let at = 4 * j + vec4u(0, 1, 2, 3);
    let other = ids[j];
    let before = ((other < vec4u(id)) | ((other == vec4u(id)) & (at < vec4u(n)))) & (at < vec4u(dim.N));
    count += select(vec4u(), vec4u(1), before);
  }
  order[count.x + count.y + count.z + count.w] = n;
}
