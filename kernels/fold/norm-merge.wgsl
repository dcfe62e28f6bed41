// The runs' sums, brought to the largest top.
fn merged(r: u32) -> State {
  var top = LEAST;
  for (var c = 0u; c < dim.C; c++) { top = max(top, partTop[part(c, r)]); }
  var sums = Levels();
  for (var near = 0u; near < dim.C; near += PANEL) {
    var panel = SUM();
    let end = min(near + PANEL, dim.C);
    for (var c = near; c < end; c++) {
      let part_of_top = partTop[part(c, r)] / top;
      panel += partSum[part(c, r)] * (part_of_top * part_of_top);
    }
    sums = with_panel(sums, panel);
  }
  return State(top, whole(sums));
}
