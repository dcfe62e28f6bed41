// y[b, n, d] = x[b, ids_n, d], nothing for ids beyond the axis                             a row is [b, n]
struct Dims { N: u32, row: u32, chosen: u32, V: u32 }

@group(0) @binding(0) var<storage, read> x: array<Element>;            // [B, V, row]
@group(0) @binding(1) var<storage, read> ids: array<u32>;              // [chosen]
@group(0) @binding(2) var<storage, read_write> y: array<Element>;      // [N, row], N = B · chosen
var<immediate> dim: Dims;

fn put(n: u32, q: u32) {
  let id = ids[n % dim.chosen];
  let place = ((n / dim.chosen) * dim.V + min(id, dim.V - 1)) * dim.row + q;
  y[n * dim.row + q] = select(Element(missing(id)), x[place], id < dim.V);
}
