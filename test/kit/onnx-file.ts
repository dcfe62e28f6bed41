// Tiny .onnx files, written field by field: models of given inputs whose answers are constants.
// (ONNX is a protobuf; the numbers of fields are those of onnx.proto.)

/** A tensor of an .onnx file: its name, dimensions and values; `bigint` ones are int64, others float32. */
export interface OnnxTensor {
  readonly name: string;
  readonly dims: readonly number[];
  readonly values: readonly number[] | readonly bigint[];
}

/** An input: its name, element type and dimensions, of which a text is open. */
export interface OnnxInput {
  readonly name: string;
  readonly type: keyof typeof TYPES;
  readonly dims: readonly (number | string)[];
}

const TYPES = { float32: 1, uint8: 2, int64: 7, float16: 10 } as const;

/** A model that answers `outputs` whatever it is fed. */
export function onnxFile(inputs: readonly OnnxInput[], outputs: readonly OnnxTensor[]): Buffer {
  const graph = message([
    ...outputs.map(({ name }) => [1, node("Identity", [`${name}_is`], [name])] as const),
    [2, text("constant")],
    ...outputs.map((tensor) => [5, tensorOf({ ...tensor, name: `${tensor.name}_is` })] as const),
    ...inputs.map(({ name, type, dims }) => [11, valueInfo(name, TYPES[type], dims)] as const),
    ...outputs.map(({ name, dims, values }) => [12, valueInfo(name, typeOf(values), dims)] as const),
  ]);
  const opset = message([
    [1, text("")],
    [2, 13],
  ]);
  return message([
    [1, 8],
    [7, graph],
    [8, opset],
  ]);
}

const typeOf = (values: OnnxTensor["values"]): number => (typeof values[0] === "bigint" ? TYPES.int64 : TYPES.float32);

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

const node = (kind: string, inputs: readonly string[], outputs: readonly string[]): Buffer =>
  message([
    ...inputs.map((name) => [1, text(name)] as const),
    ...outputs.map((name) => [2, text(name)] as const),
    [4, text(kind)],
  ]);

function tensorOf({ name, dims, values }: OnnxTensor): Buffer {
  const type = typeOf(values);
  const numbers = type === TYPES.int64 ? BigInt64Array.from(values as bigint[]) : Float32Array.from(values as number[]);
  return message([
    ...dims.map((dim) => [1, dim] as const),
    [2, type],
    [8, text(name)],
    [9, Buffer.from(numbers.buffer)],
  ]);
}

function valueInfo(name: string, type: number, dims: readonly (number | string)[]): Buffer {
  const shape = message(
    dims.map((dim) => [1, message([typeof dim === "number" ? [1, dim] : [2, text(dim)]])] as const),
  );
  const tensor = message([
    [1, type],
    [2, shape],
  ]);
  return message([
    [1, text(name)],
    [2, message([[1, tensor]])],
  ]);
}
