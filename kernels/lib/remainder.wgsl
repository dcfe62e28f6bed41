// Remainders of floating point, exactly. a % b of WGSL is a − b · trunc(a / b), whose product is rounded: of 1e6 and 0.1 it is off by
// half of b. Needs numbers.wgsl.

/// What is left of a, with its sign, after whole multiples of b: the long division of their binary digits. NaN where a is not finite,
/// or b is NaN or 0 (on many devices all below 2^−126 is).
fn rest_of(a: f32, b: f32) -> f32 {
  let x = bitcast<u32>(abs(a));
  let y = bitcast<u32>(abs(b));
  if (x >= 0x7f800000u || y > 0x7f800000u || y < 0x00800000u) { return nan_of(x); }
  if (x < y) { return a; }
  let least = y >> 23u;
  let divisor = (y & 0x007fffffu) | 0x00800000u;
  var rest = (x & 0x007fffffu) | 0x00800000u;
  rest = select(rest, rest - divisor, rest >= divisor);
  for (var e = x >> 23u; e > least; e--) {
    rest = rest << 1u;
    rest = select(rest, rest - divisor, rest >= divisor);
  }
  let up = countLeadingZeros(rest) - 8u;
  if (rest == 0u || least <= up) { return 0.0; }
  let size = bitcast<f32>(((least - up) << 23u) | ((rest << up) & 0x007fffffu));
  return select(size, -size, a < 0.0);
}

/// Whether the quotient rounded to 0 is one above ⌊a / b⌋.
fn is_above(rest: f32, b: f32) -> bool { return rest != 0.0 && (rest < 0.0) != (b < 0.0); }

/// The remainder with the sign of b.
fn remainder(a: f32, b: f32) -> f32 {
  let rest = rest_of(a, b);
  return select(rest, rest + b, is_above(rest, b));
}

/// ⌊a / b⌋ without the rounding of a / b: of 1 and 0.1 it is 9, for in binary 0.1 is a little more than a tenth.
fn floor_divide(a: f32, b: f32) -> f32 {
  let rest = rest_of(a, b);
  let quotient = round((a - rest) / b) - select(0.0, 1.0, is_above(rest, b));
  return select(quotient, a / b, b == 0.0);
}

fn remainder4(a: vec4f, b: vec4f) -> vec4f {
  return vec4f(remainder(a.x, b.x), remainder(a.y, b.y), remainder(a.z, b.z), remainder(a.w, b.w));
}

fn floor_divide4(a: vec4f, b: vec4f) -> vec4f {
  return vec4f(floor_divide(a.x, b.x), floor_divide(a.y, b.y), floor_divide(a.z, b.z), floor_divide(a.w, b.w));
}
