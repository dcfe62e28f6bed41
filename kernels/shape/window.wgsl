// y[n, c, m] = x[n, c + shift, m], a value where x has no such place
//
// shift = start cuts a piece out; shift = −start puts one back among zeros. Without the index n a row is flat.
struct Dims { N: u32, row: u32, wide: i32, offset: i32, bits: u32 }

@group(0) @binding(0) var<storage, read> x: array<Element>;            // [N, wide]
@group(0) @binding(1) var<storage, read_write> y: array<Element>;      // [N, row]
var<immediate> dim: Dims;

fn put(n: u32, q: u32) {
  let at = i32(q) + dim.offset;
  let v = x[n * u32(dim.wide) + u32(clamp(at, 0, dim.wide - 1))];
  y[n * dim.row + q] = select(Element(T(bitcast<Num>(dim.bits))), v, at >= 0 && at < dim.wide);
}
