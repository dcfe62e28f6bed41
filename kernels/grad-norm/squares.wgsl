// sums_c = [Σ g², number of elements that are not finite] over chunk c                         one subgroup per chunk
//
// Not finite is told from bits alone: comparisons with NaN mean nothing on some drivers. Such elements count as 0 in
// the sum of squares.
struct Dims { N: u32, C: u32 }

@group(0) @binding(0) var<storage, read> g: array<vec4<T>>;             // [N]
@group(0) @binding(1) var<storage, read_write> sums: array<vec2f>;      // [C, 2]
var<immediate> dim: Dims;

override WG: u32 = 64;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u,
        @builtin(subgroup_id) subgroup: u32, @builtin(subgroup_invocation_id) lane: u32) {
  let c = subgroup_index(wid, nwg, subgroup);
  if (c >= dim.C) { return; }
  let all = (dim.N + 3) / 4;
  let size = (all + dim.C - 1) / dim.C;
  var squares = vec4f();
  var bad = vec4u();
  let end = min((c + 1) * size, all);
  for (var far = c * size + lane; far < end; far += STRETCH * SG) {
    var squaresStretch = vec4f();
    let farEnd = min(far + STRETCH * SG, end);
    for (var near = far; near < farEnd; near += PANEL * SG) {
      var squaresPanel = vec4f();
      let nearEnd = min(near + PANEL * SG, farEnd);
      for (var i = near; i < nearEnd; i += SG) {
        let v = vec4f(g[i]);
        let real = 4 * i + vec4u(0, 1, 2, 3) < vec4u(dim.N);
        let odd = (bitcast<vec4u>(v) & vec4u(0x7fffffff)) >= vec4u(0x7f800000);
        bad += select(vec4u(), vec4u(1), odd & real);
        let finite = select(vec4f(), v, real & !odd);
        squaresPanel += finite * finite;
      }
      squaresStretch += squaresPanel;
    }
    squares += squaresStretch;
  }
  let square = subgroupAdd(sum4(squares));
  let count = subgroupAdd(bad.x + bad.y + bad.z + bad.w);
  if (lane == 0) { sums[c] = vec2f(square, f32(count)); }
}
