// Models as .onnx files, written field by field. (ONNX is a protobuf; the numbers of fields are those of onnx.proto.)

/** An input or output: its name, element type and dimensions, of which a text is open. */
export interface OnnxValue {
  readonly name: string;
  readonly type: keyof typeof types;
  readonly dims: readonly (number | string)[];
}

/** A tensor in the file: its name, dimensions and values; `bigint` ones are int64, others float32. */
export interface OnnxTensor {
  readonly name: string;
  readonly dims: readonly number[];
  readonly values: readonly number[] | readonly bigint[];
}

/** An operator, the values that it reads and those that it makes. */
export interface OnnxNode {
  readonly kind: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
}

/** What a file holds. */
export interface OnnxGraph {
  readonly nodes: readonly OnnxNode[];
  readonly tensors?: readonly OnnxTensor[];
  readonly inputs: readonly OnnxValue[];
  readonly outputs: readonly OnnxValue[];
}

const types = { float32: 1, uint8: 2, int64: 7, float16: 10 } as const;

/** The file of a graph. Operator set 20 is the first that has LayerNormalization and Gelu. */
export function onnxModel({ nodes, tensors = [], inputs, outputs }: OnnxGraph): Buffer {
  const graph = message([
    ...nodes.map((each) => [1, nodeOf(each)] as const),
    [2, text("graph")],
    ...tensors.map((each) => [5, tensorOf(each)] as const),
    ...inputs.map((each) => [11, valueInfo(each)] as const),
    ...outputs.map((each) => [12, valueInfo(each)] as const),
  ]);
  const operators = message([
    [1, text("")],
    [2, 20],
  ]);
  return message([
    [1, 9],
    [7, graph],
    [8, operators],
  ]);
}

/** The element type of values. */
export const onnxType = (values: OnnxTensor["values"]): "int64" | "float32" =>
  typeof values[0] === "bigint" ? "int64" : "float32";

type Field = readonly [number: number, value: number | Buffer];

/** Whole numbers as varints, all else with its length before it. */
function message(fields: readonly Field[]): Buffer {
  return Buffer.concat(
    fields.map(([number, value]) =>
      typeof value === "number"
        ? Buffer.concat([varint(number << 3), varint(value)])
        : Buffer.concat([varint((number << 3) | 2), varint(value.length), value]),
    ),
  );
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  for (let rest = value; ; rest = Math.floor(rest / 128)) {
    if (rest < 128) return Buffer.from([...bytes, rest]);
    bytes.push((rest % 128) | 128);
  }
}

const text = (value: string): Buffer => Buffer.from(value, "utf8");

const nodeOf = ({ kind, inputs, outputs }: OnnxNode): Buffer =>
  message([
    ...inputs.map((name) => [1, text(name)] as const),
    ...outputs.map((name) => [2, text(name)] as const),
    [4, text(kind)],
  ]);

function tensorOf({ name, dims, values }: OnnxTensor): Buffer {
  const type = onnxType(values);
  const numbers = type === "int64" ? BigInt64Array.from(values as bigint[]) : Float32Array.from(values as number[]);
  return message([
    ...dims.map((dim) => [1, dim] as const),
    [2, types[type]],
    [8, text(name)],
    [9, Buffer.from(numbers.buffer)],
  ]);
}

function valueInfo({ name, type, dims }: OnnxValue): Buffer {
  const shape = message(
    dims.map((dim) => [1, message([typeof dim === "number" ? [1, dim] : [2, text(dim)]])] as const),
  );
  const tensor = message([
    [1, types[type]],
    [2, shape],
  ]);
  return message([
    [1, text(name)],
    [2, message([[1, tensor]])],
  ]);
}
