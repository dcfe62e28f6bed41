// Four normal numbers of four random words: √(−2 ln u) · (cos 2πt, sin 2πt), u and t uniform (Box & Muller 1958). The built-in
// sine is off by 2e-4 on some drivers, so the angle is taken apart: the upper two bits of its word are the quadrant, the rest
// an angle within ±π/4 for two short series.

/// A point on the unit circle, uniform over the words.
fn circle(word: u32) -> vec2f {
  let x = (f32(word & 0x3fffffff) * 9.313225746e-10 - 0.5) * 1.570796327;
  let t = x * x;
  let s = x * (1 + t * (-1.6666667e-1 + t * (8.3333333e-3 + t * (-1.9841270e-4 + t * 2.7557319e-6))));
  let c = 1 + t * (-0.5 + t * (4.1666667e-2 + t * (-1.3888889e-3 + t * 2.4801587e-5)));
  let quarter = select(vec2f(c, s), vec2f(-s, c), (word & 0x40000000) != 0);
  return select(quarter, -quarter, (word & 0x80000000) != 0);
}

/// √(−2 ln u) of a word in (0, 1].
fn radius(word: u32) -> f32 { return sqrt(max(-2 * log((f32(word) + 0.5) * 2.328306437e-10), 0.0)); }

fn normal4(words: vec4u) -> vec4f { return vec4f(radius(words.x) * circle(words.y), radius(words.z) * circle(words.w)); }
