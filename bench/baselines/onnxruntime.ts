// ONNX Runtime with its WebGPU provider, on a Dawn and a device of its own. It is in no list of package.json: 288 MB for a few rows.
import { onnxModel, type OnnxNode } from "./onnx-model.ts";
import type { Baseline, Contestant, Problem } from "./problem.ts";

/** What we use of the package, which need not be there and so gives no types. */
interface Runtime {
  readonly InferenceSession: { create(model: Buffer, options: object): Promise<Session> };
  readonly Tensor: new (type: "float32", data: Float32Array, dims: readonly number[]) => object;
}
interface Session {
  run(feeds: Record<string, object>): Promise<{ y: { data: Float32Array } }>;
  release(): Promise<void>;
}

const engine = "onnxruntime webgpu";

async function runtime(): Promise<Runtime> {
  const name: string = "onnxruntime-node";
  return (await import(name).catch(() => {
    throw new Error(`${name} is not installed: npm install --no-save --ignore-scripts ${name}@1.30.0`);
  })) as Runtime;
}

/** The shapes of the inputs by name, in the operator's order. */
function shapesOf({ op, dims: { N = 1, K = 1, M = 1, D = 1 } }: Problem): Record<string, number[]> {
  if (op === "matmul") return { x: [N, K], w: [K, M] };
  if (op === "gelu") return { x: [N] };
  return op === "softmax" ? { x: [N, D] } : { x: [N, D], gain: [D], bias: [D] };
}

const kinds = { matmul: "MatMul", gelu: "Gelu", softmax: "Softmax", layernorm: "LayerNormalization" } as const;

/** The problem as the file of one operator. */
function modelOf(problem: Problem): Buffer {
  const shapes = shapesOf(problem);
  const node: OnnxNode = { kind: kinds[problem.op], inputs: Object.keys(shapes), outputs: ["y"] };
  const { N = 1, M = 1 } = problem.dims;
  const dims = problem.op === "matmul" ? [N, M] : shapes.x;
  return onnxModel({
    nodes: [node],
    inputs: Object.entries(shapes).map(([name, shape]) => ({ name, type: "float32", dims: shape })),
    outputs: [{ name: "y", type: "float32", dims }],
  });
}

export const onnxRuntime: Baseline = {
  engine,
  note: "its runs carry inputs to the device and the result back, ours leave them there; it chooses the adapter",
  async prepare(problem: Problem): Promise<Contestant> {
    const { InferenceSession, Tensor } = await runtime();
    const options = { executionProviders: ["webgpu"], logSeverityLevel: 3 };
    const session = await InferenceSession.create(modelOf(problem), options);
    const feeds = Object.fromEntries(
      Object.entries(shapesOf(problem)).map(([name, dims]) => [
        name,
        new Tensor("float32", problem.inputs[name], dims),
      ]),
    );
    let last: Float32Array = new Float32Array(0);
    return {
      name: engine,
      async run(reps) {
        for (let i = 0; i < reps; i++) last = (await session.run(feeds)).y.data;
      },
      output: async () => last,
      free: () => void session.release(),
    };
  },
};
