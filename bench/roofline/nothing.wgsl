// One workgroup that writes one number: what a launch costs.
@group(0) @binding(0) var<storage, read_write> y: array<f32>;  // [1]

@compute @workgroup_size(1)
fn main() { y[0] = 1.0; }
