// y_ab = x_ab where sign · (b − a) is at most the limit, else 0: sign 1 keeps what is left of a diagonal, −1 what is right of one
struct Dims { N: u32, row: u32, count: u32, sign: i32, limit: i32 }

@group(0) @binding(0) var<storage, read> x: array<Element>;            // [N, row], count rows of each matrix
@group(0) @binding(1) var<storage, read_write> y: array<Element>;      // [N, row]
var<immediate> dim: Dims;

fn put(n: u32, q: u32) {
  let i = n * dim.row + q;
  let right = dim.sign * (columns(q) - Columns(i32(n % dim.count)));
  y[i] = select(Element(), x[i], right <= Columns(dim.limit));
}
