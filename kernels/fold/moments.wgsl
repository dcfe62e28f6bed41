// What mean and spread of runs share: sums of deviations and of their squares, side by side.
alias SUM = vec2f;

/// Mean and squares, from the sums of what is off the mean, and of its squares. Squares beyond f32 stay infinite.
fn settled(mean: f32, off: vec2f, count: f32) -> State {
  let rest = off.x / count;
  let isFinite = off.y <= -LOWEST;
  let squares = select(off.y, off.y - off.x * rest, isFinite);
  return State(select(mean, mean + rest, isFinite), select(squares, 0.0, squares < 0.0));
}
