// Philox4x32-10 (Salmon et al., SC 2011): a counter and a key make four random words. Known answer: counter 0, key 0
// gives 6627e8d5 e169c58d bc57ac4c 9b00dbd8.

/// Upper half of the 64-bit product, from 16-bit halves.
fn multiply_high(a: u32, b: u32) -> u32 {
  let a0 = a & 0xffff;
  let a1 = a >> 16;
  let b0 = b & 0xffff;
  let b1 = b >> 16;
  let middle = a1 * b0 + ((a0 * b0) >> 16);
  let carry = a0 * b1 + (middle & 0xffff);
  return a1 * b1 + (middle >> 16) + (carry >> 16);
}

fn philox(counter: vec4u, key: vec2u) -> vec4u {
  var c = counter;
  var k = key;
  for (var round = 0; round < 10; round++) {
    let high0 = multiply_high(0xd2511f53, c.x);
    let high1 = multiply_high(0xcd9e8d57, c.z);
    c = vec4u(high1 ^ c.y ^ k.x, 0xcd9e8d57 * c.z, high0 ^ c.w ^ k.y, 0xd2511f53 * c.x);
    k += vec2u(0x9e3779b9, 0xbb67ae85);
  }
  return c;
}
