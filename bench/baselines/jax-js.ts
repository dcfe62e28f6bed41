// jax-js: NumPy-like arrays traced and compiled to WGSL, on the Dawn instance that we opened, with a device of its own.
import { type Baseline, type Contestant, finished, type Problem, withNavigator } from "./problem.ts";

/** What we use of the package. Operations consume their arguments; `ref` keeps one for later. */
interface JaxArray {
  readonly ref: JaxArray;
  mul(other: JaxArray): JaxArray;
  add(other: JaxArray): JaxArray;
  data(): Promise<Float32Array>;
  blockUntilReady(): Promise<JaxArray>;
  dispose(): void;
}
type Compiled = ((...inputs: JaxArray[]) => JaxArray) & { dispose(): void };
interface Jax {
  init(device: string): Promise<string[]>;
  defaultDevice(device: string): string;
  getWebGPUDevice(): GPUDevice;
  jit(body: (...inputs: JaxArray[]) => JaxArray): Compiled;
  numpy: {
    array(data: Float32Array, options: { shape: number[] }): JaxArray;
    matmul(a: JaxArray, b: JaxArray): JaxArray;
  };
  nn: {
    softmax(x: JaxArray): JaxArray;
    standardize(x: JaxArray): JaxArray;
    gelu(x: JaxArray, options: { approximate: boolean }): JaxArray;
  };
}

let started: Promise<Jax> | undefined;

async function start(): Promise<Jax> {
  const instance = (globalThis as { emotionclipInstances?: object[] }).emotionclipInstances?.at(-1);
  if (!instance) throw new Error("no Dawn instance is open");
  withNavigator(instance);
  const jax = (await import("@jax-js/jax")) as unknown as Jax;
  if (!(await jax.init("webgpu")).includes("webgpu")) throw new Error("it found no WebGPU device");
  jax.defaultDevice("webgpu");
  return jax;
}

function workOf(
  { jit, numpy, nn }: Jax,
  { op, dims, inputs }: Problem,
): { work: Compiled; shapes: [Float32Array, number[]][] } {
  const { N = 1, K = 1, M = 1, D = 1 } = dims;
  if (op === "matmul")
    return {
      work: jit(numpy.matmul),
      shapes: [
        [inputs.x, [N, K]],
        [inputs.w, [K, M]],
      ],
    };
  if (op === "gelu") return { work: jit((x) => nn.gelu(x, { approximate: false })), shapes: [[inputs.x, [N]]] };
  if (op === "softmax") return { work: jit((x) => nn.softmax(x)), shapes: [[inputs.x, [N, D]]] };
  const work = jit((x, gain, bias) => nn.standardize(x).mul(gain).add(bias));
  return {
    work,
    shapes: [
      [inputs.x, [N, D]],
      [inputs.gain, [D]],
      [inputs.bias, [D]],
    ],
  };
}

export const jaxJs: Baseline = {
  engine: "jax-js webgpu",
  async prepare(problem: Problem): Promise<Contestant> {
    const jax = await (started ??= start());
    const { work, shapes } = workOf(jax, problem);
    const inputs = shapes.map(([data, shape]) => jax.numpy.array(data, { shape }));
    let last: JaxArray | undefined;
    return {
      name: "jax-js webgpu",
      async run(reps) {
        for (let i = 0; i < reps; i++) {
          last?.dispose();
          last = work(...inputs.map((each) => each.ref));
          await last.blockUntilReady(); // it is lazy: an array that nobody waits for is never computed
        }
        await finished(jax.getWebGPUDevice());
      },
      output: async () => last!.ref.data(),
      free() {
        for (const array of [...inputs, last]) array?.dispose();
        work.dispose();
      },
    };
  },
};
