// What WGSL does not promise about numbers. NaN stays NaN: min, max and clamp may return either operand, so that a bound
// would take the place of a NaN and no later check would see it. It is told from bits: drivers fold x != x to false.

/// The lowest finite number: where a search for a maximum starts. Any higher start wins over a row of full masks.
const LOWEST: f32 = -3.4028234663852886e38;

fn is_nan(x: f32) -> bool { return (bitcast<u32>(x) & 0x7fffffffu) > 0x7f800000u; }

fn is_nan4(x: vec4f) -> vec4<bool> { return vec4<bool>(is_nan(x.x), is_nan(x.y), is_nan(x.z), is_nan(x.w)); }

/// x where it is above 0 or NaN of either sign, else 0: as integers −0 to −∞ are at most the bits of −∞.
fn above_zero(x: f32) -> f32 { return select(x, 0.0, bitcast<i32>(x) <= -8388608); }

fn above_zero4(x: vec4f) -> vec4f { return vec4f(above_zero(x.x), above_zero(x.y), above_zero(x.z), above_zero(x.w)); }

/// NaN, which no constant may be.
fn nan_of(bits: u32) -> f32 { return bitcast<f32>(bits | 0x7fc00000u); }

/// y, but NaN where x is.
fn nan_or(x: f32, y: f32) -> f32 { return select(y, x, is_nan(x)); }

/// Some drivers have exp(NaN) = ∞, log(NaN) = 89 and log(0) = −88.
fn nan_exp(x: f32) -> f32 { return nan_or(x, exp(x)); }

/// For x of at least 0; the bits of 0 become those of −∞.
fn nan_log(x: f32) -> f32 { return select(nan_or(x, log(x)), bitcast<f32>(bitcast<u32>(x) | 0xff800000u), x == 0.0); }

fn nan_or4(x: vec4f, y: vec4f) -> vec4f {
  return vec4f(nan_or(x.x, y.x), nan_or(x.y, y.y), nan_or(x.z, y.z), nan_or(x.w, y.w));
}
