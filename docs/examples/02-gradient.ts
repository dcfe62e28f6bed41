// Gradients: a tape remembers the ops of a step, and walks them backwards.
import { assign, later, openGpu, parameter, Tape, tensor, type TypedArray } from "emotionclip-webgpu";
import { add, linear, mean, scale, square, sub } from "emotionclip-webgpu/kernels";

const gpu = await openGpu();

// Parameters live outside all scopes. We look for the line y = 3 x - 1.
const weight = parameter([0], [1, 1]);
const bias = parameter([0], [1]);
const x = [-1, 0, 1, 2];
const y = x.map((each) => 3 * each - 1);

for (let step = 1; step <= 60; step++) {
  // Declared outside the braces, awaited behind them: the whole step is planned, run and freed at the brace.
  let reads: Promise<TypedArray>[];
  {
    using tape = new Tape();
    const predicted_N1 = linear(tensor(x, [4, 1]), weight, bias);
    const loss = mean(square(sub(predicted_N1, tensor(y, [4, 1]))).reshape([4]), 0);

    // d loss / d parameter for every parameter the loss was computed from.
    const gradients = tape.gradients(loss);
    const descended = [weight, bias].map((p) => add(p, scale(gradients.get(p), { factor: -0.1 })));
    reads = [loss, ...descended].map(later);
  }
  const [[loss], w, b] = await Promise.all(reads);
  assign(weight, w); // the long way, to see it; AdamW (example 05) updates in place on the GPU
  assign(bias, b);
  if (step % 20 === 0)
    console.log(`step ${step}  loss ${loss.toFixed(6)}  y = ${w[0].toFixed(3)} x + ${b[0].toFixed(3)}`);
}

// After the first step nothing is made any more: a step of the same structure replays its plan.
console.log("made in 60 steps:", gpu.counters);
gpu.close();
