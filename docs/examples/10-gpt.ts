// A small GPT that learns any text letter by letter: example 10 my.txt 800 trains 800 steps on a file, example 10 on three sonnets.
import { readFileSync } from "node:fs";
import { compute, during, later, openGpu, Tape, type Tensor, tensor, type TypedArray } from "emotionclip-webgpu";
import { add, attention, crossEntropy, embedding, layernorm, linear, slice, softmax } from "emotionclip-webgpu/kernels";
import { allocate, Init, named } from "emotionclip-webgpu/model";
import { AdamW } from "emotionclip-webgpu/train";

const sonnets = new URL("../docs/examples/sonnets.txt", import.meta.url); // seen from where examples are built: dist, or build
const [path = sonnets, steps = "400", every = "50"] = process.argv.slice(2);
const text = readFileSync(path, "utf8");
const letters = [...new Set(text)].sort(); // the vocabulary: number -> letter
const ids = Uint32Array.from([...text], (letter) => letters.indexOf(letter));

// Axes: B pieces of text in a batch, T letters in a piece, D numbers for each of them, V letters that there are.
const [B, T, D, V, heads, depth] = [8, 32, 32, letters.length, 4, 2];
const gpu = await openGpu();
const init = new Init(2022); // the same seed gives the same bits

// A module is an object of tensors and modules. They are declared here; `allocate` gives them memory, and `fill` values.
const dense = (from: number, to: number) => {
  return { weight: init.uniform([to, from], from ** -0.5), bias: init.constant([to], 0) };
};
const norm = () => ({ weight: init.constant([D], 1), bias: init.constant([D], 0) });
const block = () => {
  const attention = { ln1: norm(), qkv: dense(D, 3 * D), out: dense(D, D) };
  return { ...attention, ln2: norm(), up: dense(D, 4 * D), down: dense(4 * D, D) };
};
const gpt = {
  letters: init.uniform([V, D], 0.5),
  places: init.uniform([T, D], 0.5),
  blocks: Array.from({ length: depth }, block),
  ln: norm(),
  head: dense(D, V),
};

// Matrices decay; gains and biases do not. Each group is one flat piece of memory with its gradients and two moments.
const members = [...named(gpt)];
const groups = [
  { name: "matrices", members: members.filter(([, { shape }]) => shape.length === 2), decay: true },
  { name: "vectors", members: members.filter(([, { shape }]) => shape.length === 1), decay: false },
];
const adam = { beta1: 0.9, beta2: 0.99, eps: 1e-8, decay: 0.01, clip: 1 };
const optimizer = new AdamW(groups, allocate(groups, AdamW.moments), adam);
init.fill();

type Weights = { weight: Tensor; bias: Tensor };
const normed = (x: Tensor, { weight, bias }: Weights) => layernorm(x, weight, bias);

/** Letters -> how likely each letter comes next, as logits: ids_BT -> logits_BTV. No place sees what comes after it. */
function forward(ids_BT: Tensor<"u32">): Tensor {
  let x_BTD = add(embedding(gpt.letters, ids_BT), gpt.places);
  for (const { ln1, qkv, out, ln2, up, down } of gpt.blocks) {
    const qkv_BTC = linear(normed(x_BTD, ln1), qkv.weight, qkv.bias); // queries, keys, values side by side: C = 3 D
    const seen_BTD = attention(qkv_BTC, { heads, causal: true });
    x_BTD = add(x_BTD, linear(seen_BTD, out.weight, out.bias));
    const hidden_BTM = linear(normed(x_BTD, ln2), up.weight, up.bias, { activation: "geluTanh" });
    x_BTD = add(x_BTD, linear(hidden_BTM, down.weight, down.bias));
  }
  return linear(normed(x_BTD, gpt.ln), gpt.head.weight, gpt.head.bias);
}

/** The pieces of a step, and with a shift of one what comes next in them. A prime stride passes by everywhere. */
function pieces(step: number, shift: number): Tensor<"u32"> {
  const starts = Array.from({ length: B }, (_, b) => (((step * B + b) * 7919) % (ids.length - T)) + shift);
  return tensor(Uint32Array.from(starts.flatMap((start) => [...ids.subarray(start, start + T)])), [B, T]);
}

/** One update: all of it is recorded, and runs when the tape ends. Its loss is on its way then. */
function update(step: number): Promise<TypedArray> {
  using tape = new Tape();
  const loss = crossEntropy(forward(pieces(step, 0)), pieces(step, 1));
  tape.gradients(loss);
  optimizer.step(step, 0.01);
  return later(loss);
}
for (let step = 1; step <= Number(steps); step++) {
  const [loss] = await during(`step ${step}`, () => update(step));
  if (step % Number(every) === 0) console.log(`step ${step}  loss ${loss.toFixed(6)}`); // a guess has ln V
}

/** What comes after the last T letters, drawn as often as the model expects it. */
async function next(last: Uint32Array): Promise<number> {
  const shares_V = await compute(() => softmax(slice(forward(tensor(last, [1, T])), T - 1, T, 1)));
  let rest = Math.random();
  return Math.max(
    0,
    [...shares_V].findIndex((share) => (rest -= share) < 0),
  );
}
const written = [...ids.subarray(0, T)]; // it goes on from the beginning of the text
for (let n = 0; n < 300; n++) written.push(await next(Uint32Array.from(written.slice(-T))));
console.log(`\n${written.map((id) => letters[id]).join("")}`);
gpu.close();
