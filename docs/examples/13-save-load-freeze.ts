// Save, load, freeze: a network learns one task and goes to a file; its first layer serves another task without changing.
import { allocateFrozen, openGpu, Tape, tensor } from "emotionclip-webgpu";
import { crossEntropy, linear } from "emotionclip-webgpu/kernels";
import { allocate, Init, load, named, save } from "emotionclip-webgpu/model";
import { AdamW } from "emotionclip-webgpu/train";

const [path = "ring.safetensors"] = process.argv.slice(2);
const gpu = await openGpu();
const init = new Init(1);
const layer = (from: number, to: number) => ({ weight: init.uniform([to, from], 1), bias: init.uniform([to], 1) });
const network = () => ({ hidden: layer(2, 32), out: layer(32, 2) }); // the fields are the names in the file: hidden.weight …
const optimizerOf = (part: object) => {
  const groups = [{ name: "all", members: [...named(part)], decay: false }];
  return new AdamW(groups, allocate(groups, AdamW.moments), { beta2: 0.99, clip: 1 });
};
const [first, second] = [network(), network()];
allocateFrozen([second.hidden.weight, second.hidden.bias]); // memory, but no gradients and no moments: it will not change
const [whole, head] = [optimizerOf(first), optimizerOf(second.out)];
init.fill();
const points = Array.from({ length: 288 }, (_, n) => [(n % 24) / 6 - 23 / 12, Math.floor(n / 24) / 3 - 11 / 6]);
async function learn(task: string, net: typeof first, optimizer: AdamW, inner: number, outer: number): Promise<void> {
  const classes = points.map(([x, y]) => Number(Math.hypot(x, y) > inner && Math.hypot(x, y) < outer));
  for (let n = 1; n <= 200; n++) {
    using tape = new Tape();
    const hidden = linear(tensor(points.flat(), [288, 2]), net.hidden.weight, net.hidden.bias, { activation: "gelu" });
    const loss = crossEntropy(linear(hidden, net.out.weight, net.out.bias), tensor(classes, [288], "u32"));
    tape.gradients(loss);
    optimizer.step(n, 0.02);
    if (n % 100 === 0) console.log(`${task}: step ${n}  loss ${(await loss.item()).toFixed(3)}`);
  }
}
await learn("ring", first, whole, 0.8, 1.6);
await save(path, first, { metadata: { task: "ring" } });
const { loaded, unexpected, metadata } = await load(path, { hidden: second.hidden }, { strict: false });
console.log(`from the ${metadata.task}: ${loaded.join(", ")}; left in the file: ${unexpected.join(", ")}`);
await learn("disc", second, head, 0, 1);
const [before, after] = [await first.hidden.weight.data(), await second.hidden.weight.data()];
console.log(`the first layer ${before.every((v, i) => v === after[i]) ? "stayed" : "changed"}`);
gpu.close();
