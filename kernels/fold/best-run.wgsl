// The element that wins among x_a, a = first, first + each, …, and its place: the first of equals.
fn run(start: u32, first: u32, each: u32) -> State {
  var state = State(Num(x[start + first * dim.M]), first);
  for (var a = first + each; a < dim.A; a += each) {
    let v = Num(x[start + a * dim.M]);
    if (wins(v, state.best)) { state = State(v, a); }
  }
  return state;
}
