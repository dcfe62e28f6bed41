// Read a trace: launches and the main thread in time, as a file that https://ui.perfetto.dev and chrome://tracing open.
import { writeFileSync } from "node:fs";
import { later, openGpu, parameter, Profiler, Tape, tensor, traceOf } from "emotionclip-webgpu";
import { gelu, linear, mean, square } from "emotionclip-webgpu/kernels";

const [path = "trace.json"] = process.argv.slice(2);
const gpu = await openGpu();
const x = Float32Array.from({ length: 256 * 128 }, (_, i) => Math.sin(i) / 8);
const weights = [0, 1, 2].map((k) => parameter(x.subarray(k, k + 128 * 128), [128, 128]));

/** Forward and backward of three layers. */
function step() {
  using tape = new Tape();
  const loss = mean(square(weights.reduce((h, weight) => gelu(linear(h, weight)), tensor(x, [256, 128]))));
  tape.gradients(loss);
  return later(loss);
}
const profiler = new Profiler(gpu);
gpu.profiler = profiler; // from here on everything is timed
for (let n = 0; n < 10; n++) await step();
await profiler.collect();
const spans = profiler.spans(); // name, track ("main" or "gpu"), start and length in ms
writeFileSync(path, JSON.stringify(traceOf(spans, gpu.facts.adapter)));
console.log(`${spans.length} spans in ${path}`);

// What one sees there, in numbers. The main thread plans and compiles in the first step; later ones only record and encode.
const plans = spans.filter(({ name }) => name === "plan").map(({ ms }) => ms.toFixed(2));
console.log(`plan: ${plans[0]} ms in the first step, ${plans[9]} ms in the last`);

// On the GPU's track launches are work, and gaps are waiting; here for the main thread, since each step is awaited before the next.
const launches = spans.filter(({ track }) => track === "gpu").sort((a, b) => b.ms - a.ms);
const busy = launches.reduce((sum, { ms }) => sum + ms, 0);
const ends = launches.map(({ start, ms }) => start + ms);
const whole = Math.max(...ends) - Math.min(...launches.map(({ start }) => start));
console.log(`GPU: busy in ${busy.toFixed(1)} of ${whole.toFixed(1)} ms; longest launch ${launches[0].name}`);
gpu.close();
