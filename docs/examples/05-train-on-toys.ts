// A small network learns which points lie in a ring: parameters, a tape per step, AdamW on the GPU, and a map at the end.
import { compute, later, openGpu, Tape, type Tensor, tensor, type TypedArray } from "emotionclip-webgpu";
import { crossEntropy, linear } from "emotionclip-webgpu/kernels";
import { allocate, Init, named } from "emotionclip-webgpu/model";
import { AdamW } from "emotionclip-webgpu/train";

const gpu = await openGpu();
const init = new Init(1); // the same seed gives the same bits
const layer = (from: number, to: number) => {
  return { weight: init.uniform([to, from], from ** -0.5), bias: init.uniform([to], from ** -0.5) };
};
const net = { hidden: layer(2, 32), out: layer(32, 2) }; // a module is an object of tensors and modules
const forward = (x_N2: Tensor): Tensor =>
  linear(linear(x_N2, net.hidden.weight, net.hidden.bias, { activation: "gelu" }), net.out.weight, net.out.bias);

// A flat group: parameters side by side, with gradients and AdamW's moments, all updated in one launch.
const groups = [{ name: "all", members: [...named(net)], decay: false }];
const optimizer = new AdamW(groups, allocate(groups, AdamW.moments), { beta2: 0.99, decay: 0, clip: 1 });
init.fill();

const points = Array.from({ length: 288 }, (_, n) => [(n % 24) / 6 - 23 / 12, Math.floor(n / 24) / 3 - 11 / 6]);
const inRing = points.map(([x, y]) => Number(Math.abs(Math.hypot(x, y) - 1.2) < 0.4));
/** One step: everything is recorded, and runs when the tape ends. Its loss is on its way then. */
function update(step: number): Promise<TypedArray> {
  using tape = new Tape();
  const loss = crossEntropy(forward(tensor(points.flat(), [288, 2])), tensor(inRing, [288], "u32"));
  tape.gradients(loss); // parameters of a group receive theirs in place
  optimizer.step(step, 0.02);
  return later(loss);
}
for (let step = 1; step <= 300; step++) {
  const [loss] = await update(step); // a loop without an await piles work up, and is refused; `await gpu.idle()` would do as well
  if (step % 60 === 0) console.log(`step ${step}  loss ${loss.toFixed(4)}`);
}

const logits = await compute(() => forward(tensor(points.flat(), [288, 2])));
const map = points.map((_, n) => (logits[2 * n + 1] > logits[2 * n] ? "#" : "."));
console.log(map.join("").match(/.{24}/g)?.join("\n"));
gpu.close();
