// dbias_gijm = Σ dz over the places that the element was added to                      one invocation per element of bias
//
// Along an axis that bias has, its own place; along one of length 1, all of dz's.
struct Dims { N: u32, L: u32, S: u32, heads: u32, G: u32, I: u32, J: u32, M: u32 }

@group(0) @binding(0) var<storage, read> dz: array<f32>;            // [B · H, L, S]
@group(0) @binding(1) var<storage, read_write> dbias: array<f32>;   // [G, I, J, M], each B, H, L, S or 1
var<immediate> dim: Dims;

alias SUM = f32;
override WG: u32 = 64;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let id = (wid.x + wid.y * nwg.x) * WG + lane;
  if (id >= dim.G * dim.I * dim.J * dim.M) { return; }
  let m = id % dim.M;
  let j = (id / dim.M) % dim.J;
  let i = (id / (dim.M * dim.J)) % dim.I;
  let g = id / (dim.M * dim.J * dim.I);
  let keys = dim.S / dim.M;
  let queries = dim.L / dim.J;
  let heads = dim.heads / dim.I;
  let terms = (dim.N / dim.heads / dim.G) * heads * queries * keys;

  var sums = Levels();
  for (var near = 0u; near < terms; near += PANEL) {
    var panel = SUM();
    let nearEnd = min(near + PANEL, terms);
    for (var t = near; t < nearEnd; t++) {
      let s = m + t % keys;
      let l = j + (t / keys) % queries;
      let h = i + (t / (keys * queries)) % heads;
      let b = g + t / (keys * queries * heads);
      panel += dz[((b * dim.heads + h) * dim.L + l) * dim.S + s];
    }
    sums = with_panel(sums, panel);
  }
  dbias[id] = whole(sums);
}
