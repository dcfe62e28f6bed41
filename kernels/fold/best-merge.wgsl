// The run whose element wins; of equals the one that stands first along the axis.
fn merged(r: u32) -> State {
  var state = State(Num(partBest[part(0, r)]), partPlace[part(0, r)]);
  for (var c = 1u; c < dim.C; c++) {
    let other = State(Num(partBest[part(c, r)]), partPlace[part(c, r)]);
    let isEqual = !wins(other.best, state.best) && !wins(state.best, other.best);
    if (wins(other.best, state.best) || (isEqual && other.place < state.place)) { state = other; }
  }
  return state;
}
