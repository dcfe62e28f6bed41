// The three GELUs that linear layers end in, and their slopes; exact GELU needs lib/erf.wgsl before it. Arguments of exp
// and tanh are clamped: some drivers overflow to NaN (tanh beyond 88).

/// x/2 · (1 + erf(x/√2)) (Hendrycks & Gimpel 2016)
fn gelu(x: vec4f) -> vec4f { return 0.5 * x * (1 + erf4(x * 0.70710678)); }

/// Φ(x) + x · φ(x)
fn geluSlope(x: vec4f) -> vec4f {
  return 0.5 * (1 + erf4(x * 0.70710678)) + x * 0.39894228 * exp(-min(0.5 * x * x, vec4f(80)));
}

fn geluTanhGate(x: vec4f) -> vec4f {
  return tanh(clamp(0.79788456 * x * (1 + 0.044715 * x * x), vec4f(-15), vec4f(15)));
}

/// x/2 · (1 + tanh(√(2/π)(x + 0.044715 x³)))
fn geluTanh(x: vec4f) -> vec4f { return 0.5 * x * (1 + geluTanhGate(x)); }

fn geluTanhSlope(x: vec4f) -> vec4f {
  let t = geluTanhGate(x);
  return 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * 0.79788456 * (1 + 0.134145 * x * x);
}

/// sigmoid(1.702 x); 0 below −60, so that x times it is too, however large x.
fn quickGeluGate(x: vec4f) -> vec4f {
  return select(1 / (1 + exp(-clamp(1.702 * x, vec4f(-80), vec4f(80)))), vec4f(), x < vec4f(-60));
}

/// x · sigmoid(1.702 x)
fn quickGelu(x: vec4f) -> vec4f { return x * quickGeluGate(x); }

fn quickGeluSlope(x: vec4f) -> vec4f {
  let g = quickGeluGate(x);
  return g * (1 + 1.702 * x * (1 - g));
}
