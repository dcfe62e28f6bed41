// hist_i ← Σ_j<i hist_j: where each digit's ids of each block begin                          one workgroup for everything
struct Dims { R: u32, C: u32 }

@group(0) @binding(0) var<storage, read_write> hist: array<u32>;       // [R, C]
var<immediate> dim: Dims;

override WG: u32 = 256;  // at most 256
var<workgroup> totals: array<u32, 256>;

@compute @workgroup_size(WG)
fn main(@builtin(local_invocation_index) lane: u32) {
  let all = dim.R * dim.C;
  let size = (all + WG - 1) / WG;
  let start = lane * size;
  let end = min(start + size, all);
  var sum = 0u;
  for (var i = start; i < end; i++) { sum += hist[i]; }
  totals[lane] = sum;
  workgroupBarrier();
  var before = 0u;
  for (var l = 0u; l < lane; l++) { before += totals[l]; }
  for (var i = start; i < end; i++) {
    let count = hist[i];
    hist[i] = before;
    before += count;
  }
}
