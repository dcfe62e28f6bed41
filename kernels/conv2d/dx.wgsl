// dx_bcij = Σ over the taps of the kernel that lay on it of drows                                one invocation per element of x
struct Dims {
  count: u32, P: u32, K: u32, C: u32, I: u32, J: u32, high: u32, wide: u32,
  kernelI: u32, kernelJ: u32, strideI: u32, strideJ: u32, paddingI: u32, paddingJ: u32, dilationI: u32, dilationJ: u32,
}

@group(0) @binding(0) var<storage, read> drows: array<T>;          // [G, P, K], P = B · high · wide, K = C / G · taps
@group(0) @binding(1) var<storage, read_write> dx: array<T>;       // [B, C, I, J]
var<immediate> dim: Dims;

alias SUM = f32;
override WG: u32 = 64;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let id = (wid.x + wid.y * nwg.x) * WG + lane;
  if (id >= dim.count) { return; }
  let taps = dim.kernelI * dim.kernelJ;
  let channels = dim.K / taps;
  let c = (id / (dim.I * dim.J)) % dim.C;
  let b = id / (dim.I * dim.J * dim.C);
  let start = (c / channels * dim.P + b * dim.high * dim.wide) * dim.K + c % channels * taps;

  var sums = Levels();
  for (var near = 0u; near < taps; near += PANEL) {
    var panel = SUM();
    let nearEnd = min(near + PANEL, taps);
    for (var tap = near; tap < nearEnd; tap++) {
      // Where the kernel would have to begin before the first place, the differences wrap around and are too large.
      let i = (id / dim.J) % dim.I + dim.paddingI - tap / dim.kernelJ * dim.dilationI;
      let j = id % dim.J + dim.paddingJ - tap % dim.kernelJ * dim.dilationJ;
      let fits = i % dim.strideI == 0 && j % dim.strideJ == 0 && i / dim.strideI < dim.high && j / dim.strideJ < dim.wide;
      let at = start + (i / dim.strideI * dim.wide + j / dim.strideJ) * dim.K + tap;
      panel += select(0.0, f32(drows[select(0, at, fits)]), fits);
    }
    sums = with_panel(sums, panel);
  }
  dx[id] = T(whole(sums));
}
