// rows_gpk = the element of x under tap k of the kernel at place p, 0 beyond the border       one invocation per element of rows
//
// Place p is (b, row, column) of the output, tap k (channel of group g, row, column) of the kernel.
struct Dims {
  count: u32, P: u32, K: u32, C: u32, I: u32, J: u32, high: u32, wide: u32,
  kernelI: u32, kernelJ: u32, strideI: u32, strideJ: u32, paddingI: u32, paddingJ: u32, dilationI: u32, dilationJ: u32,
}

@group(0) @binding(0) var<storage, read> x: array<T>;              // [B, C, I, J]
@group(0) @binding(1) var<storage, read_write> rows: array<T>;     // [G, P, K], P = B · high · wide, K = C / G · taps
var<immediate> dim: Dims;

override WG: u32 = 64;

@compute @workgroup_size(WG)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) nwg: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let id = (wid.x + wid.y * nwg.x) * WG + lane;
  if (id >= dim.count) { return; }
  let k = id % dim.K;
  let p = (id / dim.K) % dim.P;
  let g = id / (dim.K * dim.P);
  let taps = dim.kernelI * dim.kernelJ;
  let c = g * (dim.K / taps) + k / taps;
  // Before the border the differences wrap around and are larger than every side.
  let i = (p / dim.wide) % dim.high * dim.strideI + (k % taps) / dim.kernelJ * dim.dilationI - dim.paddingI;
  let j = p % dim.wide * dim.strideJ + k % dim.kernelJ * dim.dilationJ - dim.paddingJ;
  let inside = i < dim.I && j < dim.J;
  let at = ((p / (dim.wide * dim.high) * dim.C + c) * dim.I + i) * dim.J + j;
  rows[id] = select(T(0), x[select(0, at, inside)], inside);
}
