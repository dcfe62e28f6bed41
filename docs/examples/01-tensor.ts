// Tensors and scopes: what a tensor is, when it is computed, and how long it lives.
import { compute, openGpu, Scope, tensor } from "emotionclip-webgpu";
import { add, matmul, mean, scale } from "emotionclip-webgpu/kernels";

const gpu = await openGpu(); // or openGpu({ adapter: "NVIDIA" })
console.log("computing on", gpu.facts.adapter);

{
  // A tensor is a buffer on the GPU and a shape. It lives as long as the scope it was made in.
  using scope = new Scope();
  const a_NK = tensor([1, 2, 3, 4, 5, 6], [2, 3]);
  const b_KM = tensor([1, 0, 0, 1, 1, 1], [3, 2]);

  // Calls only record. The suffixes name the axes: [N, K] x [K, M] -> [N, M].
  const c_NM = add(matmul(a_NK, b_KM), tensor([10, 20]));
  console.log("recorded:", scope.pending, "launches, run so far:", gpu.dispatched);

  // Only reading is asynchronous, and reading is what makes the GPU work.
  console.log("a b + [10, 20] =", await c_NM.data(), "of shape", c_NM.shape);

  // A view shares the buffer; it costs nothing.
  console.log("mean over columns =", await mean(c_NM.reshape([4, 1]), 0).item());
} // here everything goes back to the pool

// For results alone, `compute` opens a scope, plans the whole computation at once and reads what you return.
const [doubled] = await compute(() => [scale(tensor([1, 2, 3]), { factor: 2 })]);
console.log("doubled =", doubled);

// Shapes that do not fit are refused by name, before anything runs.
await compute(() => matmul(tensor([1, 2, 3], [1, 3]), tensor([1, 2], [2, 1]))).catch((error) => {
  console.log(`${error.name}: ${error.message}`);
});
gpu.close();
