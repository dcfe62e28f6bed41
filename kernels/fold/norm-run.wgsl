// Top = the largest |x_a|, a = first, first + each, …, and Σ (x_a / top)².
fn run(start: u32, first: u32, each: u32) -> State {
  var top = LEAST;
  for (var a = first; a < dim.A; a += each) { top = max(top, abs(f32(x[start + a * dim.M]))); }
  top = min(top, -LOWEST);
  var sums = Levels();
  for (var near = first; near < dim.A; near += PANEL * each) {
    var panel = SUM();
    let end = min(near + PANEL * each, dim.A);
    for (var a = near; a < end; a += each) {
      let part_of_top = f32(x[start + a * dim.M]) / top;
      panel += part_of_top * part_of_top;
    }
    sums = with_panel(sums, panel);
  }
  return State(top, whole(sums));
}
