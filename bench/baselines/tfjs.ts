// TensorFlow.js with its WebGPU backend, on a device of its own: a command that is refused ends a device, and ours goes on.
import { findAdapter, type GpuOptions } from "../../engine/device/open.ts";
import { finished, type Baseline, type Contestant, type Problem, withNavigator } from "./problem.ts";

/** What we use of the packages; their own types clash with ours. */
interface Tensor {
  data(): Promise<Float32Array>;
  dispose(): void;
}
interface Core {
  removeBackend(name: string): void;
  registerBackend(name: string, factory: () => object): boolean;
  setBackend(name: string): Promise<boolean>;
  tensor(data: Float32Array, shape: number[]): Tensor;
  tidy<R>(body: () => R): R;
  matMul(a: Tensor, b: Tensor): Tensor;
  softmax(x: Tensor): Tensor;
  moments(x: Tensor, axis: number, keepDims: boolean): { mean: Tensor; variance: Tensor };
  add(a: Tensor, b: Tensor | number): Tensor;
  sub(a: Tensor, b: Tensor | number): Tensor;
  mul(a: Tensor, b: Tensor | number): Tensor;
  rsqrt(x: Tensor): Tensor;
  erf(x: Tensor): Tensor;
}

interface Backend {
  endComputePassEncoder(): void;
  submitQueue(): void;
}

let started: Promise<{ tf: Core; backend: Backend; device: GPUDevice }> | undefined;

const limits = [
  "maxStorageBufferBindingSize",
  "maxBufferSize",
  "maxComputeWorkgroupStorageSize",
  "maxComputeInvocationsPerWorkgroup",
  "maxComputeWorkgroupSizeX",
] as const;

async function start(options: GpuOptions): Promise<{ tf: Core; backend: Backend; device: GPUDevice }> {
  const { adapter } = await findAdapter(options);
  const requiredLimits = Object.fromEntries(limits.map((limit) => [limit, adapter.limits[limit]]));
  const device = await adapter.requestDevice({ requiredLimits });
  withNavigator({});
  const tf = (await import("@tensorflow/tfjs-core")) as unknown as Core;
  const { WebGPUBackend } = (await import("@tensorflow/tfjs-backend-webgpu")) as unknown as {
    WebGPUBackend: new (device: GPUDevice, info: GPUAdapterInfo) => Backend;
  };
  const backend = new WebGPUBackend(device, adapter.info);
  tf.removeBackend("webgpu"); // theirs would look for a browser
  tf.registerBackend("webgpu", () => backend);
  if (!(await tf.setBackend("webgpu"))) throw new Error("its backend did not initialise");
  return { tf, backend, device };
}

/** The problem as a function of tensors on the device. */
function workOf(tf: Core, { op, dims, inputs }: Problem): { tensors: Tensor[]; work: () => Tensor } {
  const { N = 1, K = 1, M = 1, D = 1 } = dims;
  if (op === "matmul") {
    const [x, w] = [tf.tensor(inputs.x, [N, K]), tf.tensor(inputs.w, [K, M])];
    return { tensors: [x, w], work: () => tf.matMul(x, w) };
  }
  if (op === "gelu") {
    const x = tf.tensor(inputs.x, [N]);
    const work = () => tf.mul(tf.mul(x, 0.5), tf.add(tf.erf(tf.mul(x, Math.SQRT1_2)), 1));
    return { tensors: [x], work };
  }
  const x = tf.tensor(inputs.x, [N, D]);
  if (op === "softmax") return { tensors: [x], work: () => tf.softmax(x) };
  const [gain, bias] = [tf.tensor(inputs.gain, [D]), tf.tensor(inputs.bias, [D])];
  const work = () => {
    const { mean, variance } = tf.moments(x, -1, true);
    return tf.add(tf.mul(tf.mul(tf.sub(x, mean), tf.rsqrt(tf.add(variance, 1e-5))), gain), bias);
  };
  return { tensors: [x, gain, bias], work };
}

export const tfjs = (options: GpuOptions): Baseline => ({
  engine: "tfjs webgpu",
  async prepare(problem: Problem): Promise<Contestant> {
    const { tf, backend, device } = await (started ??= start(options));
    const { tensors, work } = workOf(tf, problem);
    let last: Tensor | undefined;
    return {
      name: "tfjs webgpu",
      async run(reps) {
        for (let i = 0; i < reps; i++) {
          last?.dispose();
          last = tf.tidy(work);
        }
        backend.endComputePassEncoder(); // it collects commands until it has many
        backend.submitQueue();
        await finished(device);
      },
      output: async () => last!.data(),
      free() {
        for (const tensor of [...tensors, last]) tensor?.dispose();
      },
    };
  },
});
