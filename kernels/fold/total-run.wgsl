// The elements x_a, a = first, first + each, …, joined one after another.
fn run(start: u32, first: u32, each: u32) -> State {
  var total = VALUE(x[start + first * dim.M]);
  for (var a = first + each; a < dim.A; a += each) { total = joined(total, VALUE(x[start + a * dim.M])); }
  return State(total);
}
