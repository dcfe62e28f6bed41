// Profile a program of your own: a row per op and pass, beside what the device can do. `emotionclip profile -- example 10` prints more.
import { measureRoofline } from "emotionclip-webgpu/bench";
import { openGpu, Profiler, Tape, tensor } from "emotionclip-webgpu";
import { gelu, layernorm, matmul, mean, square } from "emotionclip-webgpu/kernels";

const gpu = await openGpu();
const roof = await measureRoofline(gpu);
const rate = (perSecond: number) => (perSecond / 1e9).toFixed(1).padStart(7);
console.log(`${gpu.facts.adapter}: ${rate(roof.bytesPerSecond)} GB/s, ${rate(roof.flopsPerSecond)} GFLOP/s at best`);

const random = (n: number) => Float32Array.from({ length: n }, () => Math.random() - 0.5);
const [N, D] = [512, 256];
const [x, w, ones, zeros] = [random(N * D), random(D * D), new Float32Array(D).fill(1), new Float32Array(D)];

/** Forward and backward of one layer. */
function step(): void {
  using tape = new Tape();
  const x_ND = tensor(x, [N, D]);
  const w_DD = tensor(w, [D, D]);
  w_DD.value.needsGrad = true;
  const y_ND = gelu(matmul(layernorm(x_ND, tensor(ones), tensor(zeros)), w_DD));
  tape.gradients(mean(square(y_ND).reshape([N * D]), 0));
}
step(); // compiles
await gpu.idle();

gpu.profiler = new Profiler(gpu); // from here on every launch is timed on the device
for (let i = 0; i < 5; i++) step();
await gpu.profiler.collect();
console.log("     us   GFLOP/s      GB/s  of roof  bound by  op and pass");
for (const { label, calls, seconds, flops, bytes, bound, share } of gpu.profiler.rows(roof)) {
  const time = ((seconds / calls) * 1e6).toFixed(0).padStart(7);
  const percent = `${(100 * share).toFixed(0)} %`.padStart(7);
  console.log(
    `${time}   ${rate(flops / seconds)}   ${rate(bytes / seconds)}  ${percent}  ${bound.padEnd(8)}  ${label}`,
  );
}
gpu.close();
