// Rows of any length and start, number by number.
alias Element = T;

/// Columns 4c .. 4c + 3 of the head's row that starts at element `at`, zero beyond K.
fn take(row: ptr<storage, array<Element>, read>, at: u32, c: u32) -> vec4f {
  var v = vec4f();
  for (var i = 0u; i < 4; i++) {
    if (4 * c + i < dim.K) { v[i] = f32(row[at + 4 * c + i]); }
  }
  return v;
}

fn put(row: ptr<storage, array<Element>, read_write>, at: u32, c: u32, v: vec4f) {
  for (var i = 0u; i < 4; i++) {
    if (4 * c + i < dim.K) { row[at + 4 * c + i] = T(v[i]); }
  }
}
