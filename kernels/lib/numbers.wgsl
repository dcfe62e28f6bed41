// What WGSL does not promise about numbers. NaN stays NaN: min, max and clamp may return either operand, so that a bound
// would take the place of a NaN and no later check would see it. It is told from bits: drivers fold x != x to false.

/// The lowest finite number: where a search for a maximum starts. Any higher start wins over a row of full masks.
const LOWEST: f32 = -3.4028234663852886e38;

fn is_nan(x: f32) -> bool { return (bitcast<u32>(x) & 0x7fffffffu) > 0x7f800000u; }

fn is_nan4(x: vec4f) -> vec4<bool> { return (bitcast<vec4u>(x) & vec4u(0x7fffffffu)) > vec4u(0x7f800000u); }

/// −∞ to −0, but no NaN of either sign: as integers those are at most the bits of −∞.
fn is_negative4(x: vec4f) -> vec4<bool> { return bitcast<vec4i>(x) <= vec4i(-0x800000); }

/// NaN, which no constant may be.
fn nan_of(bits: u32) -> f32 { return bitcast<f32>(bits | 0x7fc00000u); }

/// y, but NaN where x is.
fn nan_or(x: f32, y: f32) -> f32 { return select(y, x, is_nan(x)); }

/// Some drivers have exp(NaN) = ∞, log(NaN) = 89 and log(0) = −88.
fn nan_exp(x: f32) -> f32 { return nan_or(x, exp(x)); }

/// For x of at least 0; the bits of 0 become those of −∞.
fn nan_log(x: f32) -> f32 { return select(nan_or(x, log(x)), bitcast<f32>(bitcast<u32>(x) | 0xff800000u), x == 0.0); }

fn nan_or4(x: vec4f, y: vec4f) -> vec4f { return select(y, x, is_nan4(x)); }
