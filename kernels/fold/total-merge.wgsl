// The runs joined one after another.
fn merged(r: u32) -> State {
  var total = VALUE(partTotal[part(0, r)]);
  for (var c = 1u; c < dim.C; c++) { total = joined(total, VALUE(partTotal[part(c, r)])); }
  return State(total);
}
