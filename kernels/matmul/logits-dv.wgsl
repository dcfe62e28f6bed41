// dv_be = scale · u_be and part_b = Σ_e u_be v_be, with u = dy t                        one subgroup per row b
//
// The scale's gradient Σ dy·(v tᵀ) is Σ_b part_b: the product v tᵀ need not be kept, nor divided by the scale.
struct Dims { B: u32, E: u32 }

@group(0) @binding(0) var<storage, read> u: array<f32>;              // [B, E]
@group(0) @binding(1) var<storage, read> v: array<T>;                // [B, E]
@group(0) @binding(2) var<storage, read> scale: array<f32>;          // []
@group(0) @binding(3) var<storage, read_write> dv: array<T>;         // [B, E]
@group(0) @binding(4) var<storage, read_write> part: array<f32>;     // [B]
var<immediate> dim: Dims;

alias SUM = f32;
override WG: u32 = 64;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u,
        @builtin(subgroup_id) subgroup: u32, @builtin(subgroup_invocation_id) lane: u32) {
  let b = subgroup_index(wid, nwg, subgroup);
  if (b >= dim.B) { return; }
  let end = (b + 1) * dim.E;
  var sums = Levels();
  for (var near = b * dim.E + lane; near < end; near += 4 * PANEL * SG) {
    var panel = SUM();
    let nearEnd = min(near + 4 * PANEL * SG, end);
    for (var i = near; i < nearEnd; i += SG) {
      panel += u[i] * f32(v[i]);
      dv[i] = T(scale[0] * u[i]);
    }
    sums = with_panel(sums, panel);
  }
  let sum = subgroupAdd(whole(sums));
  if (lane == 0) { part[b] = sum; }
}
