// Mean and squares of runs of unlike length, put together (Chan, Golub & LeVeque 1983), around the mean of the first.
fn merged(r: u32) -> State {
  let middle = partMean[part(0, r)];
  var sums = Levels();
  for (var near = 0u; near < dim.C; near += PANEL) {
    var panel = SUM();
    let end = min(near + PANEL, dim.C);
    for (var c = near; c < end; c++) { panel.x += count_of(c) * (partMean[part(c, r)] - middle); }
    sums = with_panel(sums, panel);
  }
  let mean = middle + whole(sums).x / f32(dim.A);
  sums = Levels();
  for (var near = 0u; near < dim.C; near += PANEL) {
    var panel = SUM();
    let end = min(near + PANEL, dim.C);
    for (var c = near; c < end; c++) {
      let off = partMean[part(c, r)] - mean;
      let outside = count_of(c) * off;
      panel += vec2f(outside, partSquares[part(c, r)] + outside * off);
    }
    sums = with_panel(sums, panel);
  }
  return settled(mean, whole(sums), f32(dim.A));
}

/// Elements of run c.
fn count_of(c: u32) -> f32 { return f32((dim.A - c + dim.C - 1) / dim.C); }
