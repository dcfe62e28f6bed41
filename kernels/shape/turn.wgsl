// y[n, a, m] = x[n, A − 1 − a, m] where inner is not 0, else x[n, a + shift, m] round the axis                row = A · inner
//
// Divisions are dear: the shift is that of a flat row, and a row whose elements stand alone is read from behind.
struct Dims { N: u32, row: u32, inner: u32, shift: u32 }

@group(0) @binding(0) var<storage, read> x: array<Element>;            // [N, row]
@group(0) @binding(1) var<storage, read_write> y: array<Element>;      // [N, row]
var<immediate> dim: Dims;

fn put(n: u32, q: u32) {
  var place = dim.row - 1 - q;
  if (dim.inner == 0) { place = q + dim.shift - select(0u, dim.row, q + dim.shift >= dim.row); }
  if (dim.inner > 1) { place += 2 * (q % dim.inner) + 1 - dim.inner; }
  y[n * dim.row + q] = x[n * dim.row + place];
}
