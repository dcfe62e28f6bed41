// Top = the largest of x_a, a = first, first + each, …, and Σ exp(x_a − top).
fn run(start: u32, first: u32, each: u32) -> State {
  var top = LOWEST;
  for (var a = first; a < dim.A; a += each) { top = max(top, f32(x[start + a * dim.M])); }
  top = min(top, -LOWEST);
  var sums = Levels();
  for (var near = first; near < dim.A; near += PANEL * each) {
    var panel = SUM();
    let end = min(near + PANEL * each, dim.A);
    for (var a = near; a < end; a += each) { panel += share(f32(x[start + a * dim.M]), top); }
    sums = with_panel(sums, panel);
  }
  return State(top, whole(sums));
}
