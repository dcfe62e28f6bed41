// An op with a gradient, and the tests that follow from its declaration: nothing else is written for it.
import { ceilDiv, op, openGpu, type Pass, pass } from "emotionclip-webgpu";
import { type ClaimError, checkOp } from "emotionclip-webgpu/test";

/** One pass over flat arrays: `write` is an expression of the elements read. */
const flat = (sig: string, reads: string[], written: string, expression: string): Pass => {
  const bindings = [...reads, written].map((name, i) => {
    return `@group(0) @binding(${i}) var<storage, ${name === written ? "read_write" : "read"}> ${name}: array<T>;`;
  });
  const text = `struct Dims { N: u32 }\n${bindings.join("\n")}\nvar<immediate> dim: Dims;\noverride WG: u32 = 64;
@compute @workgroup_size(WG) fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x < dim.N) { ${written}[id.x] = T(${expression}); }
}`;
  return pass(sig, text, ({ N }, { WG }) => ceilDiv(N, WG));
};

/** y = x / (1 + |x|), dx = dy / (1 + |x|)². `slope` is what the backward pass multiplies with. */
const softsign = (name: string, slope: string) =>
  op({
    name,
    about: "y = x / (1 + |x|)",
    sig: "x_N -> y_N",
    forward: [flat("x_N -> y_N", ["x"], "y", "f32(x[id.x]) / (1.0 + abs(f32(x[id.x])))")],
    backward: [flat("dy_N x_N -> dx_N", ["dy", "x"], "dx", `f32(dy[id.x]) ${slope}`)],
    ref: ({ x }) => ({ y: x.map((v) => v / (1 + Math.abs(v))) }),
    flops: ({ N }) => 3 * N,
    bench: [{ N: 2 ** 22 }],
  });

const gpu = await openGpu();
const right = softsign("softsign", "/ pow(1.0 + abs(f32(x[id.x])), 2.0)");
await checkOp(right, gpu, (name) => console.log("passed:", name));

// Forget the square: the gradient test finds the smallest case that shows it, and its last line is the call that repeats it.
const wrong = softsign("wrongSoftsign", "/ (1.0 + abs(f32(x[id.x])))");
const failed = (await checkOp(wrong, gpu).catch((error) => error)) as ClaimError;
console.log(failed.message);
await checkOp(wrong, gpu, failed.repeat).catch(({ claim }) => console.log("again:", claim));
gpu.close();
