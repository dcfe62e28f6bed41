// Logarithms of probabilities and of their complements, exact to the last bits near 0 and near 1, where WGSL's log is not.

/// ln((1 + s) / (1 − s)) for |s| ≤ 1/3, which is ln(1 + e) for s = e / (2 + e).
fn log_ratio(s: f32) -> f32 {
  let q = s * s;
  return 2 * s * (1 + q * (1.0 / 3 + q * (0.2 + q * (1.0 / 7 + q * (1.0 / 9 + q * (1.0 / 11 + q * (1.0 / 13 + q / 15)))))));
}

/// ln(1 + exp x)
fn log_up(x: f32) -> f32 {
  let e = exp(-min(abs(x), 100.0));
  return nan_or(x, max(x, 0.0) + log_ratio(e / (2 + e)));
}

fn log_up4(x: vec4f) -> vec4f { return vec4f(log_up(x.x), log_up(x.y), log_up(x.z), log_up(x.w)); }

/// ln p, at least −100; NaN where p is no probability.
fn log_share(p: f32) -> f32 {
  let rest = 1 - p;
  let far = select(max(log(p), -100.0), -100.0, p <= 0);
  let y = select(far, log_ratio(-rest / (2 - rest)), p > 0.5);
  return nan_or(p, select(y, nan_of(bitcast<u32>(p)), p < 0 || p > 1));
}

fn log_share4(p: vec4f) -> vec4f { return vec4f(log_share(p.x), log_share(p.y), log_share(p.z), log_share(p.w)); }

/// ln(1 − p), at least −100; NaN where p is no probability. For small p, 1 − p has lost what p says.
fn log_rest(p: f32) -> f32 {
  return nan_or(p, select(log_share(1 - p), log_ratio(-p / (2 - p)), p >= 0 && p < 0.5));
}

fn log_rest4(p: vec4f) -> vec4f { return vec4f(log_rest(p.x), log_rest(p.y), log_rest(p.z), log_rest(p.w)); }
