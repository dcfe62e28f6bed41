// Tiny .onnx files: models of given inputs whose answers are constants.
import { onnxModel, type OnnxTensor, onnxType, type OnnxValue } from "../../bench/baselines/onnx-model.ts";

export type { OnnxTensor, OnnxValue as OnnxInput };

/** A model that answers `outputs` whatever it is fed. */
export function onnxFile(inputs: readonly OnnxValue[], outputs: readonly OnnxTensor[]): Buffer {
  return onnxModel({
    nodes: outputs.map(({ name }) => ({ kind: "Identity", inputs: [`${name}_is`], outputs: [name] })),
    tensors: outputs.map((tensor) => ({ ...tensor, name: `${tensor.name}_is` })),
    inputs,
    outputs: outputs.map(({ name, dims, values }) => ({ name, dims, type: onnxType(values) })),
  });
}
