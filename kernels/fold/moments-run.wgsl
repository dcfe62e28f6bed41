// Mean and Σ (x − mean)² of x_a, a = first, first + each, …: two sweeps, the first around the first element.
//
// What the mean lacks in its last bit is seen by the second sweep, Σ (x − mean) ≠ 0, and taken from both.
fn run(start: u32, first: u32, each: u32) -> State {
  let middle = f32(x[start + first * dim.M]);
  let count = f32((dim.A - first + each - 1) / each);
  var sums = Levels();
  for (var near = first; near < dim.A; near += PANEL * each) {
    var panel = SUM();
    let end = min(near + PANEL * each, dim.A);
    for (var a = near; a < end; a += each) { panel.x += f32(x[start + a * dim.M]) - middle; }
    sums = with_panel(sums, panel);
  }
  let mean = middle + whole(sums).x / count;
  sums = Levels();
  for (var near = first; near < dim.A; near += PANEL * each) {
    var panel = SUM();
    let end = min(near + PANEL * each, dim.A);
    for (var a = near; a < end; a += each) {
      let off = f32(x[start + a * dim.M]) - mean;
      panel += vec2f(off, off * off);
    }
    sums = with_panel(sums, panel);
  }
  return settled(mean, whole(sums), count);
}
