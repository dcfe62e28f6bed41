// .npy files: the two golden ones, what we write, and files that are broken or hostile.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { FormatError, ShapeError } from "../../engine/errors.ts";
import { type NpyArray, npyBytes, npyLimits, readNpy, readNpyFile } from "../../data/formats/npy.ts";
import { golden, goldenBytes, goldenPath } from "../kit/golden.ts";

const folder = mkdtempSync(join(tmpdir(), "emotionclip-npy-"));
test.after(() => rmSync(folder, { recursive: true, force: true }));

const joined = (parts: Iterable<Uint8Array>) => new Uint8Array(Buffer.concat([...parts]));
const write = (...arrays: NpyArray[]) => joined(npyBytes(arrays));
const latin1 = (text: string) => new Uint8Array(Buffer.from(text, "latin1"));

/** A file of one array with this header text, version 1.0, not padded, and `data` bytes of zeros. */
function file(header: string, data = 0, version = [1, 0], length?: number): Uint8Array {
  const size = length ?? header.length;
  const bytes =
    version[0] === 1 ? [size & 255, size >> 8] : [size & 255, (size >> 8) & 255, (size >> 16) & 255, size >>> 24];
  return joined([latin1("\x93NUMPY"), Uint8Array.from([...version, ...bytes]), latin1(header), new Uint8Array(data)]);
}

const dictionary = (descr: string, shape: string, fortran = "False") =>
  `{'descr': ${descr}, 'fortran_order': ${fortran}, 'shape': ${shape}, }\n`;
const plain = dictionary("'<f4'", "(2, 3)");

test("npy: the official feature cache holds features and targets back to back", () => {
  const tensors = golden("emotionclip/metrics/metrics.safetensors");
  const [features, targets, ...rest] = readNpyFile(goldenPath("emotionclip/metrics/feature_cache.npy"));
  assert.is(rest.length, 0);
  assert.equal(
    [features.shape, targets.shape],
    [
      [5, 12],
      [5, 6],
    ],
  );
  assert.equal(features.data, tensors.get("X_train")!.data.slice(0, 60));
  assert.equal(targets.data, tensors.get("Y_train")!.data.slice(0, 30));
});

test("npy: both golden files are written again byte by byte", () => {
  for (const name of ["feature_cache", "sentiment_logits"]) {
    const bytes = goldenBytes(`emotionclip/metrics/${name}.npy`);
    assert.equal(write(...readNpy(bytes, name)), bytes);
  }
});

test("npy: every plain type is read, in both byte orders and versions", () => {
  const values = [1, 2, 100];
  const cases: [string, (view: DataView, at: number, v: number, little: boolean) => void, number][] = [
    ["f4", (d, at, v, l) => d.setFloat32(at, v, l), 4],
    ["f8", (d, at, v, l) => d.setFloat64(at, v, l), 8],
    ["i1", (d, at, v) => d.setInt8(at, v), 1],
    ["u1", (d, at, v) => d.setUint8(at, v), 1],
    ["i2", (d, at, v, l) => d.setInt16(at, v, l), 2],
    ["u2", (d, at, v, l) => d.setUint16(at, v, l), 2],
    ["i4", (d, at, v, l) => d.setInt32(at, v, l), 4],
    ["u4", (d, at, v, l) => d.setUint32(at, v, l), 4],
    ["i8", (d, at, v, l) => d.setBigInt64(at, BigInt(v), l), 8],
    ["u8", (d, at, v, l) => d.setBigUint64(at, BigInt(v), l), 8],
  ];
  for (const [type, set, size] of cases)
    for (const order of size === 1 ? ["|", "<", "", "="] : ["<", ">", "=", ""])
      for (const version of [1, 2, 3]) {
        const bytes = file(dictionary(`'${order}${type}'`, "(3,)"), 3 * size, [version, 0]);
        const view = new DataView(bytes.buffer, bytes.length - 3 * size);
        for (const [i, v] of values.entries()) set(view, i * size, v, order !== ">");
        assert.equal(Array.from(readNpy(bytes, "x")[0].data), values, `${order}${type} in version ${version}`);
      }
});

test("npy: halves, booleans, scalars and empty arrays are read", () => {
  const halves = file(dictionary("'<f2'", "(6,)"), 12);
  const view = new DataView(halves.buffer, halves.length - 12);
  const bits = [0x3c00, 0xc000, 0x0001, 0x7bff, 0x7c00, 0x7e00];
  for (const [i, half] of bits.entries()) view.setUint16(2 * i, half, true);
  assert.equal(Array.from(readNpy(halves, "x")[0].data), [1, -2, 2 ** -24, 65504, Infinity, NaN]);
  const flags = file(dictionary("'|b1'", "(3,)"), 3);
  flags[flags.length - 1] = 7;
  assert.equal(Array.from(readNpy(flags, "x")[0].data), [0, 0, 1]);
  assert.equal(readNpy(file(dictionary("'<f8'", "()"), 8), "x")[0].shape, []);
  assert.equal(readNpy(file(dictionary("'<f8'", "(0, 7)")), "x")[0], { shape: [0, 7], data: new Float64Array(0) });
});

test("npy: Fortran order is turned into rows", () => {
  const bytes = file(dictionary("'<f4'", "(2, 3)", "True"), 24);
  const view = new DataView(bytes.buffer, bytes.length - 24);
  for (const [i, v] of [1, 4, 2, 5, 3, 6].entries()) view.setFloat32(4 * i, v, true);
  assert.equal(Array.from(readNpy(bytes, "x")[0].data), [1, 2, 3, 4, 5, 6]);
});

test("npy: spaces, double quotes and another order of keys are Python too", () => {
  const [array] = readNpy(file(`  { "shape":(2,3) ,"fortran_order" : False,'descr':"<f4"}  \n`, 24), "x");
  assert.equal(array.shape, [2, 3]);
});

const arrays = fc.array(
  fc
    .tuple(
      fc.array(fc.nat(4), { maxLength: 4 }),
      fc.constantFrom(Float32Array, Float64Array, Int32Array, Uint8Array, Int16Array),
    )
    .chain(([shape, Kind]) => {
      const count = shape.reduce((product, size) => product * size, 1);
      return fc
        .array(fc.integer({ min: 0, max: 255 }), { minLength: count, maxLength: count })
        .map((values): NpyArray => ({ shape, data: Kind.from(values) }));
    }),
  { minLength: 1, maxLength: 4 },
);

test("npy: what is written is read again", () => {
  fc.assert(
    fc.property(arrays, (list) => assert.equal(readNpy(write(...list), "x"), list)),
    { seed: 2022, numRuns: 300, includeErrorInReport: true },
  );
});

test("npy: a shape that does not fit its values is not written", () => {
  assert.throws(
    () => write({ shape: [2, 2], data: new Float32Array(3) }),
    (e: Error) => e instanceof ShapeError,
  );
  assert.is(write({ shape: [3], data: new Float32Array(3) }).length, 140);
});

const valid = file(plain, 24);
const at = (bytes: Uint8Array, i: number, value: number) => bytes.map((b, j) => (j === i ? value : b));
const hostile: [about: string, bytes: Uint8Array, message: RegExp][] = [
  ["an empty file", new Uint8Array(0), /0 bytes at byte 0/],
  ["nine bytes", valid.subarray(0, 9), /9 bytes at byte 0; a .npy header needs at least 10/],
  ["another magic", at(valid, 0, 0x50), /no .npy magic at byte 0/],
  ["a zip file", latin1("PK\x03\x04 and some more text"), /no .npy magic/],
  ["version 0", at(valid, 6, 0), /version 0\.0; 1\.0, 2\.0 and 3\.0 are known/],
  ["version 4", at(valid, 6, 4), /version 4\.0/],
  ["version 1.1", at(valid, 7, 1), /version 1\.1/],
  ["a version 2 file that ends in its length", latin1("\x93NUMPY\x02\x00\x10\x00"), /ends inside the header/],
  ["a header longer than the file", file(plain, 0, [1, 0], 5000), /header of 5000 bytes, but the file has \d+ left/],
  ["a header over NumPy's limit", file(plain.padEnd(10_001), 24), /header of 10001 bytes; at most 10000/],
  ["a header length of 4 GB", file(plain, 24, [2, 0], 0xffffffff), /header of 4294967295 bytes; at most 10000/],
  ["no header text", file("", 24), /"\{" is expected at character 0/],
  ["an empty dictionary", file("{}\n"), /key "descr" is missing/],
  ["a dictionary that never ends", file("{'descr': '<f4', "), /a key is expected/],
  ["a missing shape", file("{'descr': '<f4', 'fortran_order': False}"), /key "shape" is missing/],
  ["a missing order", file("{'descr': '<f4', 'shape': ()}"), /key "fortran_order" is missing/],
  [
    "a key twice",
    file("{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': ()}", 4),
    /key "descr" twice/,
  ],
  ["an unknown key", file("{'descr': '<f4', 'fortran_order': False, 'shape': (), 'x': ()}", 4), /unknown key "x"/],
  ["__proto__ as a key", file("{'__proto__': '<f4'}"), /unknown key "__proto__"/],
  ["constructor as a type", file(dictionary("'constructor'", "(2, 3)"), 24), /type "constructor"/],
  ["an escape code as a key", file("{'\x1b[31m': 1}"), /a key is expected at character 1/],
  ["a key with a backslash", file("{'de\\x73cr': '<f4'}"), /a key is expected/],
  ["an object array", file(dictionary("'|O'", "(2, 3)"), 24), /type "\|O"; plain numbers are known/],
  ["a text array", file(dictionary("'<U8'", "(2, 3)"), 24), /type "<U8"/],
  ["a byte string array", file(dictionary("'|S8'", "(2, 3)"), 48), /type "\|S8"/],
  ["a void type", file(dictionary("'|V4'", "(2, 3)"), 24), /type "\|V4"/],
  ["complex numbers", file(dictionary("'<c8'", "(2, 3)"), 48), /type "<c8"/],
  ["dates", file(dictionary("'<M8[ns]'", "(2, 3)"), 48), /type "<M8\[ns\]"/],
  ["long doubles", file(dictionary("'<f16'", "(2, 3)"), 96), /type "<f16"/],
  ["four bytes without an order", file(dictionary("'|f4'", "(2, 3)"), 24), /type "\|f4"/],
  ["a structured type", file(dictionary("[('a', '<f4')]", "(2, 3)"), 24), /a plain type is expected/],
  ["an order that is neither", file(dictionary("'<f4'", "(2, 3)", "1"), 24), /neither True nor False/],
  ["a call in the header", file(dictionary("__import__('os').system('x')", "(2, 3)"), 24), /a plain type is expected/],
  ["a shape that is a list", file(dictionary("'<f4'", "[2, 3]"), 24), /"\(" is expected/],
  ["a shape that is a number", file(dictionary("'<f4'", "6"), 24), /"\(" is expected/],
  ["a shape in needless brackets", file(dictionary("'<f4'", "(6)"), 24), /not a tuple/],
  ["a negative size", file(dictionary("'<f4'", "(-2, 3)"), 24), /a size is expected/],
  ["a broken size", file(dictionary("'<f4'", "(2.5, 3)"), 24), /"\)" is expected/],
  ["a size in hexadecimal", file(dictionary("'<f4'", "(0x2, 3)"), 24), /"\)" is expected/],
  ["a size with leading zeros", file(dictionary("'<f4'", "(02, 3)"), 24), /size 02 starts with 0/],
  ["a size of 2^53", file(dictionary("'<f4'", "(9007199254740992,)"), 24), /above 2\^53 - 1/],
  ["a size of 30 digits", file(dictionary("'<f4'", `(${"9".repeat(30)},)`), 24), /a size is expected/],
  [
    "sizes whose product overflows",
    file(dictionary("'<f4'", "(4294967296, 4294967296, 4294967296)"), 24),
    /is more than 1073741824 bytes/,
  ],
  ["a zero beside a huge size", file(dictionary("'<f4'", "(0, 9007199254740991)")), /is more than/],
  ["33 axes", file(dictionary("'<f4'", `(${"1, ".repeat(33)})`), 4), /more than 32 axes/],
  ["data cut short", valid.subarray(0, valid.length - 1), /shape \(2, 3\) needs 24 bytes, but 23 are left/],
  ["one byte too many", file(plain, 25), /1 bytes at byte \d+; a .npy header needs/],
  ["rubbish after the array", joined([valid, latin1("rubbish rubbish")]), /no .npy magic at byte/],
  ["a broken second array", joined([valid, valid.subarray(0, 40)]), /header of \d+ bytes, but the file has/],
  ["text after the dictionary", file(`${plain}exit()`, 24), /"exit\(\)" after the dictionary/],
  ["two commas", file("{'descr': '<f4',, 'fortran_order': False, 'shape': ()}", 4), /a key is expected/],
  ["bytes outside ASCII", file("{'d\xe9scr': '<f4'}", 4), /a key is expected/],
  [
    "an integer beyond 2^53",
    joined([file(dictionary("'<i8'", "(1,)")), new Uint8Array(8).fill(0x7f)]),
    /beyond 2\^53 - 1/,
  ],
  [
    "more arrays than allowed",
    joined(Array.from({ length: npyLimits.arrays + 1 }, () => valid)),
    /more than 1000 arrays/,
  ],
];

test("npy: the file that the hostile ones are made from is accepted", () => {
  assert.equal(readNpy(valid, "x")[0].shape, [2, 3]);
  assert.is(readNpy(joined([valid, valid]), "x").length, 2);
  assert.is(readNpy(file(plain.padEnd(10_000), 24), "x").length, 1);
  assert.is(readNpy(file(dictionary("'<f4'", `(${"1, ".repeat(32)})`), 4), "x")[0].shape.length, 32);
});

for (const [about, bytes, message] of hostile)
  test(`npy: ${about} is refused`, () => {
    try {
      readNpy(bytes, "file.npy");
    } catch (error) {
      assert.instance(error, FormatError);
      const text = (error as Error).message;
      assert.match(text, message);
      assert.ok(text.startsWith("file.npy: ") && text.length <= 4096 && !/\p{Cc}/u.test(text), text);
      return;
    }
    assert.unreachable("it was read");
  });

test("npy: a missing file and a folder are refused by name", () => {
  const path = join(folder, "x.npy");
  assert.throws(
    () => readNpyFile(path),
    (e: Error) => e instanceof FormatError && e.message === "x.npy: no such file",
  );
  mkdirSync(join(folder, "y.npy"));
  assert.throws(() => readNpyFile(join(folder, "y.npy")), /y\.npy: not a regular file/);
  writeFileSync(path, valid);
  assert.is(readNpyFile(path).length, 1);
});

type Edit = { kind: "flip" | "set" | "delete" | "insert" | "repeat" | "cut"; at: number; value: number };
function mutate(bytes: Uint8Array, edits: Edit[]): Uint8Array {
  const out = [...bytes];
  for (const { kind, at: place, value } of edits) {
    const i = place % (out.length + 1);
    if (kind === "flip") out[i] = (out[i] ?? 0) ^ (1 << (value % 8));
    else if (kind === "set") out[i] = value;
    else if (kind === "delete") out.splice(i, 1 + (value % 4));
    else if (kind === "insert") out.splice(i, 0, value);
    else if (kind === "repeat") out.splice(i, 0, ...out.slice(i, i + value));
    else out.length = i;
  }
  return Uint8Array.from(out);
}

const edit: fc.Arbitrary<Edit> = fc.record({
  kind: fc.constantFrom("flip", "set", "delete", "insert", "repeat", "cut"),
  at: fc.nat(700),
  value: fc.nat(255),
});

/** A Python-like dictionary with anything in its places. */
const shell = fc
  .tuple(
    fc.constantFrom("'<f4'", "'|O'", "'>i8'", "'__proto__'", "1", "[('a', '<f4')]", "'\\x1b'", "'|b1'"),
    fc.constantFrom("True", "False", "None", "0", "'True'"),
    fc.constantFrom("()", "(0,)", "(3,)", "(2, 3)", "(9007199254740991, 2)", "(-1,)", "((1,),)", "(1e9,)", "(, 2)"),
    fc.nat(64),
  )
  .map(([descr, order, shape, data]) => file(dictionary(descr, shape, order), data));

test("npy: whatever the bytes, an array whose values fit its shape comes back, or a FormatError", () => {
  const seeds = [
    valid,
    goldenBytes("emotionclip/metrics/feature_cache.npy"),
    file(dictionary("'>i8'", "(2, 2)", "True"), 32),
  ];
  const mutated = fc.tuple(fc.constantFrom(...seeds), fc.array(edit, { minLength: 1, maxLength: 8 }));
  const any = fc.oneof(
    { weight: 1, arbitrary: fc.uint8Array({ maxLength: 200 }) },
    { weight: 8, arbitrary: mutated.map(([seed, edits]) => mutate(seed, edits)) },
    { weight: 3, arbitrary: shell },
  );
  const runs = 20_000;
  const result = fc.check(
    fc.property(any, (bytes) => {
      try {
        for (const { shape, data } of readNpy(bytes, "x"))
          assert.is(
            data.length,
            shape.reduce((product, size) => product * size, 1),
          );
      } catch (error) {
        if (!(error instanceof FormatError)) throw error;
      }
      assert.is(({} as Record<string, unknown>).polluted, undefined);
    }),
    { seed: 2022, numRuns: runs, includeErrorInReport: true },
  );
  assert.not.ok(result.failed, fc.defaultReportMessage(result) ?? "");
  assert.is(result.numRuns, runs);
});

test.run();
