// Rows of whole vec4s: K is a multiple of 4, and so is every row's start.
alias Element = vec4<T>;

/// Columns 4c .. 4c + 3 of the head's row that starts at element `at`, zero beyond K.
fn take(row: ptr<storage, array<Element>, read>, at: u32, c: u32) -> vec4f {
  return select(vec4f(), vec4f(row[at / 4 + min(c, dim.K / 4 - 1)]), c < dim.K / 4);
}

fn put(row: ptr<storage, array<Element>, read_write>, at: u32, c: u32, v: vec4f) {
  if (c < dim.K / 4) { row[at / 4 + c] = vec4<T>(v); }
}
