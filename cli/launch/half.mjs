// A short child process: does an adapter compute in half precision? On NVIDIA it is behind a toggle of Dawn's that has ended processes,
// so it is tried where nothing is lost. Arguments: the project's package.json, the adapter's name. One line of JSON.
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const count = 256;

/** y_i = x_i w_i + 1 as f16, and its running sum in f32: multiples of 1/8 below 2^8, which f16 holds exactly. */
const kernel = `
enable f16;
@group(0) @binding(0) var<storage, read> x: array<vec4<f16>>;
@group(0) @binding(1) var<storage, read_write> y: array<vec4<f16>>;
@group(0) @binding(2) var<storage, read_write> sum: array<f32>;
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  y[id.x] = x[id.x] * vec4<f16>(0.5h, 2.0h, -1.0h, 0.25h) + vec4<f16>(1.0h);
  let v = vec4f(y[id.x]);
  sum[id.x] = v.x + v.y + v.z + v.w;
}`;
const expected = (i) => {
  const x = (i % 64) / 2;
  return x * [0.5, 2, -1, 0.25][i % 4] + 1;
};

async function wrong() {
  const require = createRequire(pathToFileURL(process.argv[2]));
  const { create, globals } = await import(pathToFileURL(require.resolve("webgpu")));
  Object.assign(globalThis, globals);
  const toggles = "enable-dawn-features=allow_unsafe_apis,vulkan_enable_f16_on_nvidia";
  globalThis.instance = create([toggles, ...(process.argv[3] ? [`adapter=${process.argv[3]}`] : [])]);
  const adapter = await globalThis.instance.requestAdapter();
  const device = await adapter.requestDevice({ requiredFeatures: ["shader-f16"] });
  const module = device.createShaderModule({ code: kernel });
  const pipeline = await device.createComputePipelineAsync({ layout: "auto", compute: { module } });
  const { STORAGE, COPY_SRC, COPY_DST, MAP_READ } = GPUBufferUsage;
  const buffer = (size, usage) => device.createBuffer({ size, usage });
  const [x, y, sum] = [2 * count, 2 * count, count].map((size) => buffer(size, STORAGE | COPY_SRC | COPY_DST));
  const back = buffer(3 * count, MAP_READ | COPY_DST);
  device.queue.writeBuffer(
    x,
    0,
    Uint16Array.from({ length: count }, (_, i) => halfOf((i % 64) / 2)),
  );
  const encoder = device.createCommandEncoder();
  const pass = encoder.beginComputePass();
  pass.setPipeline(pipeline);
  const entries = [x, y, sum].map((buffer, binding) => ({ binding, resource: { buffer } }));
  pass.setBindGroup(0, device.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries }));
  pass.dispatchWorkgroups(count / 4 / 64);
  pass.end();
  encoder.copyBufferToBuffer(y, 0, back, 0, 2 * count);
  encoder.copyBufferToBuffer(sum, 0, back, 2 * count, count);
  device.queue.submit([encoder.finish()]);
  await back.mapAsync(GPUMapMode.READ);
  const bytes = back.getMappedRange();
  const halves = new Uint16Array(bytes, 0, count);
  const sums = new Float32Array(bytes, 2 * count, count / 4);
  const wrongHalves = halves.filter((bits, i) => bits !== halfOf(expected(i))).length;
  const total = (i) => [0, 1, 2, 3].reduce((all, k) => all + expected(4 * i + k), 0);
  return wrongHalves + sums.filter((value, i) => value !== total(i)).length;
}

/** Bits of a number that f16 holds exactly. */
function halfOf(value) {
  if (value === 0) return 0;
  const exponent = Math.floor(Math.log2(Math.abs(value)));
  const fraction = (Math.abs(value) / 2 ** exponent - 1) * 1024;
  return (value < 0 ? 0x8000 : 0) | ((exponent + 15) << 10) | fraction;
}

const answer = await wrong().then(
  (wrong) => ({ wrong }),
  (error) => ({
    error: String(error?.message ?? error)
      .split("\n")[0]
      .slice(0, 300),
  }),
);
process.stdout.write(`${JSON.stringify(answer)}\n`, () => process.exit(0));
