// A property of your own: what must hold for every input is tried on many, and where it does not, on ever smaller ones.
import { ceilDiv, compute, op, openGpu, pass, tensor, type TypedArray } from "emotionclip-webgpu";
import { checkOp } from "emotionclip-webgpu/test";
import fc from "fast-check";

const text = /* wgsl */ `
struct Dims { N: u32, angle: f32 }
@group(0) @binding(0) var<storage, read> x: array<vec2f>;        // [N, 2]: points
@group(0) @binding(1) var<storage, read_write> y: array<vec2f>;  // [N, 2]: the same, turned
var<immediate> dim: Dims;
@compute @workgroup_size(64) fn main(@builtin(global_invocation_id) id: vec3u) {
  let way = vec2f(cos(dim.angle), sin(dim.angle));
  if (id.x < dim.N) { y[id.x] = vec2f(dot(x[id.x], vec2f(way.x, -way.y)), dot(x[id.x], way.yx)); }
}`;
const { cos, sin } = Math;
const turn = op({
  name: "turn",
  about: "points of the plane, turned by an angle",
  sig: "x_N2:f32 -> y_N2:f32",
  attrs: { angle: 0.5 },
  forward: [pass("x_N2:f32 -> y_N2:f32", text, ({ N }) => ceilDiv(N, 64))],
  ref: ({ x }, _, { angle: a }) => ({ y: x.map((v, i) => v * cos(a) + (i % 2 ? x[i - 1] : -x[i + 1]) * sin(a)) }),
  flops: ({ N }) => 6 * N,
  bench: [{ N: 2 ** 20 }],
});
const gpu = await openGpu();
await checkOp(turn, gpu, (name) => console.log("passed:", name)); // what follows from the declaration

const turned = (x: number[], angle: number) => compute(() => turn(tensor(x, [1, 2]), { angle }));
/** Tries a claim about points x and the turned ones y on a hundred points and angles. */
async function holds(claim: string, property: (x: number[], y: TypedArray) => boolean): Promise<void> {
  const whole = fc.integer({ min: -9, max: 9 });
  const tried = fc.asyncProperty(fc.tuple(whole, whole), whole, async (x, a) => property(x, await turned(x, a)));
  const { failed, counterexample } = await fc.check(tried);
  console.log(`${claim}: ${failed ? `not for ${JSON.stringify(counterexample)}` : "yes"}`);
}
await holds("the length stays", (x, y) => Math.abs(Math.hypot(...x) - Math.hypot(...y)) < 1e-4);
await holds("the first number stays", (x, y) => Math.abs(x[0] - y[0]) < 1e-4);
gpu.close();
