// sin and cos: WGSL promises 2⁻¹¹ within ±π and nothing beyond. The argument is brought to ±π/4 by subtracting a multiple of
// π/2 in three parts (Cody & Waite 1980), which is exact to some 1e5; then the series, at most 1e-7 away from the true value.
fn turned(x: vec4f) -> vec4f { return round(x * 0.63661977); }

fn within_turn(x: vec4f, k: vec4f) -> vec4f {
  return ((x - k * 1.5703125) - k * 4.8351288e-4) - k * 3.1391647e-7;
}

fn sine_part(r: vec4f) -> vec4f {
  let s = r * r;
  return r + r * s * (-1.6666667e-1 + s * (8.3333310e-3 + s * (-1.9840874e-4 + s * 2.7525562e-6)));
}

fn cosine_part(r: vec4f) -> vec4f {
  let s = r * r;
  return 1 - 0.5 * s + s * s * (4.1666664e-2 + s * (-1.3888397e-3 + s * 2.4760495e-5));
}

/// sin(x + quarters · π/2). What is not finite, or too large for its multiple of π/2 to be told, gives NaN.
fn sin_from(x: vec4f, quarters: u32) -> vec4f {
  let k = turned(x);
  let r = within_turn(x, k);
  let q = (vec4u(vec4i(clamp(k, vec4f(-1e9), vec4f(1e9)))) + quarters) & vec4u(3u);
  let y = select(sine_part(r), cosine_part(r), (q & vec4u(1u)) == vec4u(1u));
  let signed = select(y, -y, q >= vec4u(2u));
  return nan_or4(x, vec4f(bounded(x.x, signed.x), bounded(x.y, signed.y), bounded(x.z, signed.z), bounded(x.w, signed.w)));
}

/// y, but NaN where |x| is infinite.
fn bounded(x: f32, y: f32) -> f32 {
  let bits = bitcast<u32>(x);
  return select(y, nan_of(bits), (bits & 0x7fffffffu) == 0x7f800000u);
}

fn sin4(x: vec4f) -> vec4f { return sin_from(x, 0u); }

fn cos4(x: vec4f) -> vec4f { return sin_from(x, 1u); }
