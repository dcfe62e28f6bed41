// PyTorch files as wholes: every golden checkpoint, legacy files, and TorchScript archives as OpenAI published CLIP in.
import { test } from "uvu";
import * as assert from "uvu/assert";
import { type Content, Inert, TensorRef } from "../../data/formats/content.ts";
import { type FileDtype, itemBytes, toNumbers } from "../../data/formats/dtypes.ts";
import { openWeights } from "../../data/formats/weights.ts";
import { goldenJson, goldenPath } from "../kit/golden.ts";
import {
  BUILD,
  dict,
  FALSE,
  floats,
  global,
  int,
  join,
  legacy,
  legacyStorage,
  list,
  NEWOBJ,
  NONE,
  orderedDict,
  type Part,
  pickle,
  REDUCE,
  storage,
  systemPickle,
  tensor,
  text,
  torchEntries,
  tuple,
  u16,
  u64,
  zip,
} from "./torch-files.ts";
import { checkRefusal, readWeights } from "../model/weight-files.ts";
import { refusal } from "../kit/refusal.ts";

const folder = "emotionclip/checkpoints";
const open = (name: string) => openWeights(goldenPath(`${folder}/${name}`));
const get = (content: Content, ...keys: (string | number)[]): Content =>
  keys.reduce((inner, key) => (inner as ReadonlyMap<string | number, Content>).get(key)!, content);

const dtypes: Record<string, FileDtype> = {
  float64: "F64",
  float32: "F32",
  float16: "F16",
  bfloat16: "BF16",
  int64: "I64",
  int32: "I32",
  int16: "I16",
  int8: "I8",
  uint8: "U8",
  bool: "BOOL",
};

interface ZooTensor {
  dtype: string;
  shape: number[];
  values: number[];
}

for (const name of ["zoo.pt", "zoo_legacy.pt"])
  test(`${name}: every dtype, view, scalar and empty tensor is what PyTorch saved`, async () => {
    const { nested, ...want } = goldenJson<Record<string, ZooTensor>>(`${folder}/zoo.expected.json`);
    const file = await open(name);
    assert.is(file.format, name === "zoo.pt" ? "pytorch" : "pytorch legacy");
    assert.equal([...file.tensors.keys()].sort(), Object.keys(want).sort());
    for (const [tensor, { dtype, shape, values }] of Object.entries(want)) {
      assert.equal(file.tensors.get(tensor), { dtype: dtypes[dtype], shape }, tensor);
      const bytes = await file.bytes(tensor);
      assert.is(bytes.length, values.length * itemBytes[dtypes[dtype]]);
      assert.equal([...toNumbers(dtypes[dtype], bytes)], values, tensor); // stored numbers, so without tolerance
      assert.equal([...(await file.floats(tensor))], values.map(Math.fround), tensor);
    }
    await file.close();
    assert.equal(plainOf(get(file.content, "nested")), nested);
  });

/** Content as JSON would have it. */
function plainOf(content: Content): unknown {
  if (typeof content === "bigint") return String(content);
  if (content instanceof Map) return Object.fromEntries(Array.from(content, ([key, value]) => [key, plainOf(value)]));
  return Array.isArray(content) ? content.map(plainOf) : content;
}

test("the official checkpoint holds the tensors of its expected file, unchanged, under the names of its content", async () => {
  const file = await open("emotionclip_official.pt");
  const want = await open("emotionclip_official.expected.safetensors");
  const { optimizer_index_to_name: names } = goldenJson<{ optimizer_index_to_name: Record<string, string> }>(
    `${folder}/emotionclip_official.expected.json`,
  );
  const index = new Map(Object.entries(names).map(([i, name]) => [name, i]));
  let compared = 0;
  for (const name of want.tensors.keys()) {
    const [, moment, parameter] = /^optim\.(exp_avg|exp_avg_sq)\.(.+)$/.exec(name) ?? [];
    const ours = moment ? `optimizer.state.${index.get(parameter)}.${moment}` : name;
    if (!moment && !name.startsWith("model.")) continue; // inputs and features, for other tests
    assert.equal(await file.floats(ours), await want.floats(name), name); // position_ids are wider in the checkpoint
    compared++;
  }
  assert.is(compared, 91 + 2 * 89); // logit_scale is one parameter under two names, and a buffer has no moments
  assert.is(get(file.content, "epoch"), 1);
  assert.is(get(file.content, "args", "backbone_config") === undefined, false);
  assert.is(get(file.content, "grad_scaler", "scale"), 65536);
  assert.is((get(file.content, "model", "logit_scale") as TensorRef).name, "model.logit_scale");
  await file.close();
  await want.close();
});

test("legacy and half-precision versions hold the same model", async () => {
  const [official, old, half] = await Promise.all(
    ["official", "legacy", "fp16"].map((name) => open(`emotionclip_${name}.pt`)),
  );
  const model = [...official.tensors.keys()].filter((name) => name.startsWith("model."));
  assert.is(old.format, "pytorch legacy");
  for (const name of model) {
    const [a, b, c] = await Promise.all(
      [official, old, half].map((file) => file.floats(file.tensors.has(name) ? name : name.slice(6))),
    );
    assert.equal(b, a, name);
    // float16 has 11 bits: half a unit in the last place is 2^-11 of the number, 2^-25 near zero
    for (let i = 0; i < a.length; i++) assert.ok(Math.abs(c[i] - a[i]) <= 2 ** -11 * Math.abs(a[i]) + 2 ** -25, name);
  }
  for (const file of [official, old, half]) await file.close();
});

test("OpenCLIP's training checkpoint, its plain file and OpenAI's state dict have their names and dtypes", async () => {
  const [plain, training, openai] = await Promise.all(
    ["openclip_backbone.pth", "openclip_training.pt", "openai_clip.pth"].map(open),
  );
  assert.equal(
    [...training.tensors.keys()].map((name) => name.replace("state_dict.module.", "")).sort(),
    [...plain.tensors.keys()].sort(),
  );
  assert.is(openai.tensors.get("visual.conv1.weight")?.dtype, "F16");
  assert.is(openai.tensors.get("ln_final.weight")?.dtype, "F32");
  assert.equal(openai.tensors.get("input_resolution"), { dtype: "I64", shape: [] });
  for (const file of [plain, training, openai]) {
    for (const name of file.tensors.keys()) assert.ok((await file.floats(name)).every(Number.isFinite), name);
    await file.close();
  }
});

test("tensors come in pieces of whole elements, and a missing one is refused with the nearest name", async () => {
  const file = await open("openclip_backbone.pth");
  const pieces: Uint8Array[] = [];
  for await (const piece of file.chunks("token_embedding.weight")) pieces.push(piece);
  assert.equal(new Uint8Array(Buffer.concat(pieces)), await file.bytes("token_embedding.weight"));
  const error = await refusal(file.floats("token_embeding.weight"));
  assert.match(error.message, /no tensor "token_embeding.weight" \(did you mean token_embedding.weight\?\)/);
  await file.close();
});

/** A module of TorchScript: a class of its own, and its attributes as state. */
const module = (type: string, ...attributes: readonly (readonly [Part, Part])[]): Part => [
  global(`__torch__.multimodal.model.${type}`, type.split(".").pop()!),
  ")",
  NEWOBJ,
  dict([text("training"), FALSE], ...attributes),
  BUILD,
];

const half = (...values: number[]) =>
  new Uint8Array(Uint16Array.from(values, (v) => ({ 0: 0, 1: 0x3c00, 2: 0x4000, 3: 0x4200 })[v]!).buffer);
const long = (value: number) => u64(value);

/** As torch.jit.save writes: numbered classes, dicts and lists behind their types, code that is not read, constants. */
function script(): Uint8Array {
  const scalar = (key: string, type: string): Part => tensor(storage(key, type, 1), [], []);
  const block = module("multimodal_transformer.___torch_mangle_9511.ResidualAttentionBlock", [
    text("mlp"),
    module("multimodal_transformer.___torch_mangle_9509.Sequential", [
      text("c_fc"),
      module("multimodal_transformer.___torch_mangle_9508.Linear", [
        text("weight"),
        tensor(storage("2", "HalfStorage", 4), [2, 2], [2, 1]),
      ]),
    ]),
  ]);
  const root = module(
    "multimodal_transformer.___torch_mangle_9547.Multimodal",
    [text("positional_embedding"), tensor(storage("0", "FloatStorage", 4), [2, 2], [2, 1])],
    [text("logit_scale"), scalar("1", "FloatStorage")],
    [text("input_resolution"), scalar("3", "LongStorage")],
    [
      text("names"),
      [
        global("torch.jit._pickle", "restore_type_tag"),
        tuple(dict([text("x"), int(1)]), text("Dict[str, int]")),
        REDUCE,
      ],
    ],
    [text("sizes"), [global("torch.jit._pickle", "build_intlist"), tuple(list(int(1), int(2))), REDUCE]],
    [
      text("visual"),
      module("multimodal_transformer.___torch_mangle_9520.VisualTransformer", [
        text("transformer"),
        module("multimodal_transformer.___torch_mangle_9515.Transformer", [
          text("resblocks"),
          module("multimodal_transformer.___torch_mangle_9513.Sequential", [text("0"), block]),
        ]),
      ]),
    ],
  );
  return zip(
    torchEntries({
      pickle: pickle(root),
      storages: { 0: floats(1, 2, 3, 4), 1: floats(4.6), 2: half(0, 1, 2, 3), 3: long(224) },
      others: [
        {
          name: "model/code/__torch__/multimodal/model.py",
          bytes: new TextEncoder().encode("import os\n"),
          deflate: true,
        },
        { name: "model/code/__torch__/multimodal/model.py.debug_pkl", bytes: Uint8Array.of(0x80, 2), deflate: true },
        { name: "model/constants.pkl", bytes: pickle(tuple(tensor(storage("0"), [4], [1]))) },
        { name: "model/constants/0", bytes: floats(1, 2, 3, 4) },
      ],
    }),
  );
}

test("a TorchScript archive gives its state dict by attributes, its classes as data, and runs no code", async () => {
  const { format, tensors, content, values } = await readWeights(script(), "ViT.pt");
  assert.is(format, "torchscript");
  assert.equal(Object.fromEntries(tensors), {
    positional_embedding: { dtype: "F32", shape: [2, 2] },
    logit_scale: { dtype: "F32", shape: [] },
    input_resolution: { dtype: "I64", shape: [] },
    "visual.transformer.resblocks.0.mlp.c_fc.weight": { dtype: "F16", shape: [2, 2] },
  });
  assert.equal([...values.get("visual.transformer.resblocks.0.mlp.c_fc.weight")!], [0, 1, 2, 3]);
  assert.equal([...values.get("input_resolution")!], [224]);
  const root = content as Inert;
  assert.instance(root, Inert);
  assert.is(root.name, "__torch__.multimodal.model.multimodal_transformer.___torch_mangle_9547.Multimodal.Multimodal");
  assert.equal(get(root.state, "names"), new Map([["x", 1]]));
  assert.equal(get(root.state, "sizes"), [1, 2]);
  assert.is(get(root.state, "training"), false);
});

const old = (storageOf: Part, shape: number[], strides: number[]) =>
  pickle(dict([text("a"), tensor(storageOf, shape, strides)]));
const four = u64(4);

// Legacy files that are accepted, each next to a refusal below that differs in one thing.
const accepted: [string, Uint8Array, number[]][] = [
  ["one tensor", legacy(), [1, 2, 3, 4]],
  [
    "a view of a storage",
    legacy({ object: old(legacyStorage("17", "FloatStorage", 4, tuple(text("v"), int(1), int(2))), [2], [1]) }),
    [2, 3],
  ],
  [
    "a storage that no tensor uses",
    legacy({
      object: pickle(
        dict([text("a"), tensor(legacyStorage("17"), [4], [1])], [text("b"), legacyStorage("18", "ByteStorage", 1)]),
      ),
      keys: pickle(list(text("17"), text("18"))),
      data: join(four, floats(1, 2, 3, 4), u64(1), 7),
    }),
    [1, 2, 3, 4],
  ],
  ["an empty storage", legacy({ object: old(legacyStorage("17", "FloatStorage", 0), [0], [1]), data: u64(0) }), []],
  ["no word about the widths of types", legacy({ system: pickle(dict([text("little_endian"), 0x88])) }), [1, 2, 3, 4]],
];

const magicPickle = (last: number) => pickle(0x8a, 10, [0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, last]);

const refused: [string, Uint8Array, RegExp][] = [
  [
    "another magic number",
    legacy({ magic: magicPickle(0x1a) }),
    /a pickle, but not one of PyTorch: the magic number is missing/,
  ],
  ["a magic number that is text", legacy({ magic: pickle(text("torch")) }), /the magic number is missing/],
  ["a pickle of something else", pickle(dict([text("a"), int(1)])), /the magic number is missing/],
  [
    "a forbidden name in the first pickle",
    legacy({ magic: pickle(global("os", "system"), tuple(text("x")), REDUCE) }),
    /names "os.system"/,
  ],
  ["another protocol", legacy({ protocol: pickle(["M", u16(1002)]) }), /legacy protocol 1002; 1001 is read/],
  ["a protocol in words", legacy({ protocol: pickle(text("1001")) }), /legacy protocol unknown; 1001 is read/],
  ["a big-endian machine", legacy({ system: systemPickle(false) }), /not little-endian/],
  ["a system without its order of bytes", legacy({ system: pickle(dict()) }), /not little-endian/],
  ["a system that is a list", legacy({ system: pickle(list()) }), /the third pickle is not a dict/],
  ["a forbidden name in the object", legacy({ object: pickle(global("os", "system")) }), /names "os.system"/],
  ["keys that are a dict", legacy({ keys: pickle(dict()) }), /the fifth pickle is not a list of storages/],
  ["a key that is a number", legacy({ keys: pickle(list(int(17))) }), /a storage whose key is not text/],
  ["a key that nothing uses", legacy({ keys: pickle(list(text("17"), text("18"))) }), /storage "18" is not used/],
  ["a key that comes twice", legacy({ keys: pickle(list(text("17"), text("17"))) }), /storage "17" is listed twice/],
  [
    "a key that is missing",
    legacy({ keys: pickle(list()), data: new Uint8Array(0) }),
    /0 storages are listed, 1 are used/,
  ],
  [
    "a storage with another count",
    legacy({ data: join(u64(3), floats(1, 2, 3)) }),
    /storage "17" has 3 elements, expected 4/,
  ],
  [
    "a storage with a negative count",
    legacy({ data: join(u64(2n ** 64n - 1n), floats(1)) }),
    /storage "17" has -1 elements, expected 4/,
  ],
  [
    "a storage with a count of 2^62",
    legacy({ data: join(u64(2n ** 62n), floats(1)) }),
    /has 4611686018427387904 elements/,
  ],
  ["weights that are cut", legacy().subarray(0, -1), /storage "17" would end at byte \d+, the file has \d+/],
  ["no weights", legacy({ data: new Uint8Array(0) }), /ends at byte \d+, before storage "17"/],
  ["half a count", legacy({ data: new Uint8Array(5) }), /before storage "17"/],
  ["bytes behind the weights", join(legacy(), 0), /1 bytes after the last storage/],
  [
    "a storage of terabytes",
    legacy({ object: old(legacyStorage("17", "FloatStorage", 2 ** 40), [4], [1]), data: u64(2 ** 40) }),
    /would end at byte 4398\d+, the file has/,
  ],
  ["a cut pickle", legacy().subarray(0, 160), /no end after \d+ bytes/],
  ["four pickles", legacy({ keys: new Uint8Array(0), data: new Uint8Array(0) }), /no end after 0 bytes/],
  [
    "a persistent id of five parts",
    legacy({ object: old(storage("17"), [4], [1]) }),
    /a persistent id that is a tuple of 5; only storages are read/,
  ],
  [
    "a view beyond its storage",
    legacy({ object: old(legacyStorage("17", "FloatStorage", 4, tuple(text("v"), int(3), int(2))), [2], [1]) }),
    /a view of 2 elements from 3 leaves the storage of 4/,
  ],
  [
    "a tensor beyond its view",
    legacy({ object: old(legacyStorage("17", "FloatStorage", 4, tuple(text("v"), int(1), int(2))), [3], [1]) }),
    /leave the storage of 2 elements/,
  ],
  [
    "a view from before its storage",
    legacy({ object: old(legacyStorage("17", "FloatStorage", 4, tuple(text("v"), int(-1), int(2))), [2], [1]) }),
    /offset of a storage's view must be .* found -1/,
  ],
  [
    "a view of two parts",
    legacy({ object: old(legacyStorage("17", "FloatStorage", 4, tuple(text("v"), int(1))), [1], [1]) }),
    /a tuple of 2 as the view of a storage/,
  ],
  [
    "a view that is text",
    legacy({ object: old(legacyStorage("17", "FloatStorage", 4, text("all")), [1], [1]) }),
    /text as the view of a storage/,
  ],
  [
    "an unknown storage class",
    legacy({ object: old(legacyStorage("17", "ComplexFloatStorage"), [4], [1]) }),
    /names "torch.ComplexFloatStorage"/,
  ],
  [
    "a storage under two counts",
    legacy({
      object: pickle(
        dict(
          [text("a"), tensor(legacyStorage("17"), [4], [1])],
          [text("b"), tensor(legacyStorage("17", "FloatStorage", 5), [5], [1])],
        ),
      ),
    }),
    /storage "17" is F32 x 4 and also F32 x 5/,
  ],
  [
    "a view that repeats 17 times",
    legacy({ object: old(legacyStorage("17"), [17, 4], [0, 1]) }),
    /repeat 4 elements to 68/,
  ],
  [
    "an object with hooks",
    legacy({ object: pickle(dict([text("a"), tensor(legacyStorage("17"), [4], [1])]), dict(), BUILD, NONE) }),
    /2 values at STOP/,
  ],
];

for (const [what, bytes, values] of accepted)
  test(`accepted: a legacy file with ${what}`, async () => {
    const file = await readWeights(bytes, "fine.pt");
    assert.is(file.format, "pytorch legacy");
    assert.equal([...file.values.get("a")!], values);
  });

for (const [what, bytes, message] of refused)
  test(`refused: a legacy file with ${what}`, () => checkRefusal(bytes, "bad.pt", message));

test("every cut of a legacy file and of an archive is refused", async () => {
  for (const [name, whole] of [
    ["legacy.pt", legacy()],
    ["zip.pt", script()],
  ] as const)
    for (let length = 0; length < whole.length; length += Math.ceil(whole.length / 60))
      await checkRefusal(whole.subarray(0, length), name, /./);
});

const latin = (value: string) => new TextEncoder().encode(value);
for (const [what, bytes, message] of [
  ["an empty file", new Uint8Array(0), /an empty file/],
  ["a web page", latin("<!DOCTYPE html><html>404</html>"), /a web page, not weights/],
  ["a pointer of Git LFS", latin("version https://git-lfs.github.com/spec/v1\noid sha256:0\n"), /a Git LFS pointer/],
  ["an HDF5 file", latin("\x89HDF\r\n\x1a\n"), /not a file of weights: neither PyTorch, nor safetensors/],
  ["a text", latin("hello"), /not a file of weights/],
] as [string, Uint8Array, RegExp][])
  test(`refused: ${what}`, () => checkRefusal(bytes, "bad.pt", message));

test("all tensors together may be 16 times the file, not more", async () => {
  const mega = new Uint8Array(2 ** 20);
  const views = (count: number) =>
    zip(
      torchEntries({
        pickle: pickle(
          dict(
            ...Array.from({ length: count }, (_, i): [Part, Part] => [
              text(`t${i}`),
              tensor(storage("0", "ByteStorage", 2 ** 20), [16, 2 ** 20], [0, 1]),
            ]),
          ),
        ),
        storages: { 0: mega },
      }),
    );
  const file = await readWeights(views(4), "fine.pt"); // exactly the 64 MiB that small files may have
  assert.is(file.values.size, 4);
  await checkRefusal(views(5), "bad.pt", tooMuch);
});

const tooMuch = /its tensors come to more than 67108864 bytes to read; 16 times the file is allowed/;

/** `count` tensors of two bytes, from both ends of storages of a MiB, which take turns. */
function farViews(count: number, storages: number, deflate: boolean): Uint8Array {
  const size = 2 ** 20;
  const pairs = Array.from({ length: count }, (_, i): [Part, Part] => [
    text(`t${i}`),
    tensor(storage(String(i % storages), "ByteStorage", size), [2], [size - 1]),
  ]);
  const packed = Array.from({ length: storages }, (_, k) => ({
    name: `model/data/${k}`,
    bytes: new Uint8Array(size),
    deflate,
  }));
  return zip(torchEntries({ pickle: pickle(dict(...pairs)), storages: {}, others: packed }));
}

test("small tensors may not make the reader go through large storages over and over", async () => {
  assert.is((await readWeights(farViews(64, 1, true), "fine.pt")).values.size, 64); // 64 MiB
  await checkRefusal(farViews(65, 1, true), "bad.pt", tooMuch);
  await checkRefusal(farViews(65, 2, true), "bad.pt", tooMuch);
  await checkRefusal(farViews(100, 4, false), "bad.pt", /more than 67\d{6} bytes to read/);
});

test("a tensor under many names counts each time, as it is read each time", async () => {
  const shared = (names: number) => {
    const memo: Part = ["q", 0];
    const first: [Part, Part] = [text("t0"), [tensor(storage("0", "ByteStorage", 2 ** 20), [2 ** 20], [1]), memo]];
    const more = Array.from({ length: names - 1 }, (_, i): [Part, Part] => [text(`t${i + 1}`), ["h", 0]]);
    const others = [{ name: "model/data/0", bytes: new Uint8Array(2 ** 20), deflate: true }];
    return zip(torchEntries({ pickle: pickle(dict(first, ...more)), storages: {}, others }));
  };
  assert.is((await readWeights(shared(64), "fine.pt")).values.size, 64);
  await checkRefusal(shared(65), "bad.pt", tooMuch);
});

test("an OrderedDict is content like a dict", async () => {
  const bytes = legacy({ object: pickle(orderedDict, text("a"), tensor(legacyStorage("17"), [4], [1]), "s") });
  const { content } = await readWeights(bytes, "fine.pt");
  assert.instance(get(content, "a"), TensorRef);
});

test.run();
