// Exponentials and logarithms whose infinities are exact. A top is finite: without a number to go by it is the lowest or the
// highest one, so that −∞ has a share of 0 and ∞ one of ∞.
alias SUM = f32;

/// exp(v − top), where v is at most top unless it is ∞.
fn share(v: f32, top: f32) -> f32 {
  let off = v - top;
  return select(nan_exp(off), off, off > 0.0);
}

fn log_of(sum: f32) -> f32 { return select(nan_log(sum), sum, sum > -LOWEST); }
