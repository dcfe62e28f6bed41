// safetensors: what is written comes back, every damaged or hostile file is refused by name, and size does not matter.
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdtemp, open, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { FormatError, ShapeError } from "../../engine/errors.ts";
import { type FileDtype, itemBytes, toFloat32 } from "../../data/formats/dtypes.ts";
import { parseJson, quoted } from "../../data/formats/json.ts";
import {
  type SafetensorsEntry,
  type Header,
  limits,
  parseSafetensors,
  SafetensorsFile,
  safetensorsBytes,
  safetensorsSize,
} from "../../data/formats/safetensors.ts";
import { writeSafetensors } from "../kit/write-safetensors.ts";
import { mutatedOf } from "../kernels/mutated.ts";
import { refusal } from "../kit/refusal.ts";
import { effort } from "../kit/effort.ts";

const root = await mkdtemp(join(existsSync("/dev/shm") ? "/dev/shm" : tmpdir(), "emotionclip-st-"));

test.after(() => rm(root, { recursive: true, force: true }));

const utf8 = (text: string) => new TextEncoder().encode(text);

/** A file around any header text. */
function file(header: string | Uint8Array, data = 0, length?: bigint): Uint8Array {
  const text = typeof header === "string" ? utf8(header) : header;
  const bytes = new Uint8Array(8 + text.length + data);
  new DataView(bytes.buffer).setBigUint64(0, length ?? BigInt(text.length), true);
  bytes.set(text, 8);
  return bytes;
}

async function joined(chunks: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const all: Uint8Array[] = [];
  for await (const chunk of chunks) all.push(chunk);
  return Buffer.concat(all);
}

const one = (fields: string, data = 4, name = '"a"') => file(`{${name}:{${fields}}}`, data);
const two = (a: number[], b: number[], data: number) =>
  file(
    `{"a":{"dtype":"U8","shape":[${a[1] - a[0]}],"data_offsets":[${a}]},"b":{"dtype":"U8","shape":[${b[1] - b[0]}],"data_offsets":[${b}]}}`,
    data,
  );

// Files that are accepted: each stands next to a refusal below that differs in one thing.
const accepted: [string, Uint8Array][] = [
  ["one float", one('"dtype":"F32","shape":[1],"data_offsets":[0,4]')],
  ["a scalar", one('"dtype":"F32","shape":[],"data_offsets":[0,4]')],
  ["an empty tensor", one('"dtype":"F32","shape":[0,7],"data_offsets":[0,0]', 0)],
  ["no tensors", file("{}")],
  ["padding after the header", file("{}      ")],
  ["fields in another order", one('"data_offsets":[0,4],"shape":[1],"dtype":"F32"')],
  ["spaces inside", file('{ "a" : { "dtype" : "U8" , "shape" : [ 2 ] , "data_offsets" : [ 0 , 2 ] } }', 2)],
  ["tensors listed out of order", two([2, 4], [0, 2], 4)],
  ["metadata of strings", file('{"__metadata__":{"format":"pt"}}')],
  ["a name in any script", one('"dtype":"F32","shape":[1],"data_offsets":[0,4]', 4, '"感情 \\u00e9"')],
  ["a tensor named __proto__", one('"dtype":"F32","shape":[1],"data_offsets":[0,4]', 4, '"__proto__"')],
  ["32 axes", one(`"dtype":"U8","shape":[${Array(32).fill(1)}],"data_offsets":[0,1]`, 1)],
];

// Files that are refused, with what the message must say.
const fine = '"dtype":"F32","shape":[1],"data_offsets":[0,4]';
const refused: [string, Uint8Array, RegExp][] = [
  ["an empty file", new Uint8Array(0), /0 bytes; a safetensors file has at least 8/],
  ["seven bytes", new Uint8Array(7), /7 bytes/],
  ["a header of no bytes", file(""), /header of 0 bytes/],
  ["a header longer than the file", file("{}", 0, 3n), /header of 3 bytes, but the file has 10/],
  ["a header longer than allowed", file("{}", 0, 100_000_001n), /header of 100000001 bytes; at most 100000000/],
  ["a header of 2^63 bytes", file("{}", 0, 2n ** 63n), /header of 9223372036854775808 bytes/],
  ["a header of 2^64 - 1 bytes", file("{}", 0, 2n ** 64n - 1n), /header of 18446744073709551615 bytes/],
  ["a zip archive", utf8("PK\x03\x04aaaaaaaaaaaaaaaaaaaa"), /not a safetensors file/],
  ["a header that begins with a space", file(" {}"), /does not start with \{/],
  ["a header that is a list", file("[]"), /does not start with \{/],
  ["a header cut in a string", file('{"a'), /a string without an end/],
  ["a header cut in an object", file('{"a":{'), /a string expected/],
  ["text after the header", file("{} {}"), /text after the end/],
  ["a comma too many", file(`{"a":{${fine}},}`, 4), /a string expected/],
  ["bytes that are not UTF-8", file(Uint8Array.from([...utf8('{"'), 0xff, ...utf8(`":{${fine}}}`)]), 4), /UTF-8/],
  ["an overlong UTF-8 form", file(Uint8Array.from([...utf8('{"'), 0xc0, 0x80, ...utf8(`":{${fine}}}`)]), 4), /UTF-8/],
  ["half a surrogate pair", one(fine, 4, '"\\ud800"'), /surrogate/],
  ["a control character in a name", one(fine, 4, '"a\x1b[2J"'), /control character 0x1b/],
  ["a tensor given twice", file(`{"a":{${fine}},"a":{${fine}}}`, 4), /duplicate key "a"/],
  ["a tensor given twice, once escaped", file(`{"a":{${fine}},"\\u0061":{${fine}}}`, 4), /duplicate key "a"/],
  ["a field given twice", one(`${fine},"dtype":"F32"`), /duplicate key "dtype"/],
  ["metadata given twice", file('{"__metadata__":{},"__metadata__":{}}'), /duplicate key "__metadata__"/],
  ["an unknown field", one(`${fine},"strides":[1]`), /unknown field "strides"; known: dtype, shape, data_offsets/],
  ["no dtype", one('"shape":[1],"data_offsets":[0,4]'), /"a" has no dtype/],
  ["no shape", one('"dtype":"F32","data_offsets":[0,4]'), /"a" has no shape/],
  ["no offsets", one('"dtype":"F32","shape":[1]'), /"a" has no data_offsets/],
  ["one offset", one('"dtype":"F32","shape":[1],"data_offsets":[0]'), /no second number in data_offsets/],
  ["three offsets", one('"dtype":"F32","shape":[1],"data_offsets":[0,4,4]'), /more than 2 members/],
  ["an unknown dtype", one('"dtype":"F31","shape":[1],"data_offsets":[0,4]'), /unknown dtype "F31"; known: F64, F32/],
  [
    "a dtype out of the prototype",
    one('"dtype":"toString","shape":[1],"data_offsets":[0,4]'),
    /unknown dtype "toString"/,
  ],
  ["a dtype that is a number", one('"dtype":32,"shape":[1],"data_offsets":[0,4]'), /a string expected/],
  [
    "a negative length",
    one('"dtype":"F32","shape":[-1],"data_offsets":[0,4]'),
    /whole number from 0 to 2\^53 - 1, found -1/,
  ],
  ["a fractional length", one('"dtype":"F32","shape":[1.0],"data_offsets":[0,4]'), /found 1\.0/],
  ["a length with an exponent", one('"dtype":"F32","shape":[1e0],"data_offsets":[0,4]'), /found 1e0/],
  ["a length with a leading zero", one('"dtype":"F32","shape":[01],"data_offsets":[0,4]'), /bad number 01/],
  ["a length of 2^53", one('"dtype":"U8","shape":[9007199254740992],"data_offsets":[0,4]'), /found 9007199254740992/],
  [
    "a number of a thousand digits",
    one(`"dtype":"U8","shape":[${"9".repeat(1000)}],"data_offsets":[0,4]`),
    /too large|bad number|found 9{39}…/,
  ],
  [
    "a shape that overflows",
    one('"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,4]'),
    /more than 2\^53 - 1 bytes/,
  ],
  [
    "a shape that would wrap to the right size",
    one('"dtype":"F32","shape":[4611686018427387905],"data_offsets":[0,4]'),
    /found 4611686018427387905/,
  ],
  ["33 axes", one(`"dtype":"U8","shape":[${Array(33).fill(1)}],"data_offsets":[0,1]`, 1), /more than 32 members/],
  [
    "too few bytes for its shape",
    one('"dtype":"F32","shape":[2],"data_offsets":[0,4]'),
    /has 4 bytes, but F32 \[2\] needs 8/,
  ],
  [
    "an empty shape with bytes",
    one('"dtype":"F32","shape":[0],"data_offsets":[0,4]'),
    /has 4 bytes, but F32 \[0\] needs 0/,
  ],
  [
    "offsets that run backwards",
    one('"dtype":"F32","shape":[1],"data_offsets":[4,0]'),
    /ends at 0, before its begin 4/,
  ],
  ["data cut short", one(fine, 3), /ends at byte 4 of the data, but the file has 3/],
  [
    "data beyond the end",
    one('"dtype":"U8","shape":[4000000000],"data_offsets":[0,4000000000]'),
    /4000000000 of the data, but the file has 4/,
  ],
  ["bytes left over", one(fine, 5), /1 bytes after the last tensor/],
  ["data without tensors", file("{}", 1), /1 bytes after the last tensor/],
  ["a hole between tensors", two([0, 2], [3, 4], 4), /"b" leaves a hole: it begins at byte 3, expected 2/],
  ["a hole before the first", two([1, 2], [2, 4], 4), /"a" leaves a hole/],
  ["overlapping tensors", two([0, 3], [2, 4], 4), /"b" overlaps another: it begins at byte 2, expected 3/],
  ["metadata that is not strings", file('{"__metadata__":{"step":1}}'), /__metadata__ "step" is not a string/],
  ["metadata that is a list", file('{"__metadata__":[]}'), /'\{' expected/],
  ["a tensor that is null", file('{"a":null}'), /'\{' expected/],
  ["a name that would clear the terminal", file('{"\\u001b[2J\\u202e":{}}'), /"\\u\{1b\}\[2J\\u\{202e\}" has no dtype/],
  ["a name of a million letters", file(`{"${"x".repeat(1e6)}":{}}`), /"x{79}…" has no dtype/],
  ["lists in lists in lists", file(`{"a":{"shape":${"[".repeat(1e5)}`), /a number expected/],
];

for (const [what, bytes] of accepted) {
  test(`accepted: ${what}`, async () => {
    const path = join(root, "fine.safetensors");
    await writeFile(path, bytes);
    await using opened = await SafetensorsFile.open(path);
    assert.ok(isSound(parseSafetensors(bytes, "fine"), bytes.length));
    for (const [name, { bytes: size }] of opened.tensors) assert.is((await opened.read(name)).byteLength, size);
  });
}

for (const [what, bytes, message] of refused) {
  test(`refused: ${what}`, async () => {
    const path = join(root, "bad.safetensors");
    await writeFile(path, bytes);
    const error = await refusal(SafetensorsFile.open(path));
    assert.instance(error, FormatError);
    assert.is(error.exitCode, 3);
    assert.match(error.message, message);
    assert.ok(error.message.startsWith("bad.safetensors: "), error.message);
    assert.ok(error.message.length < 4096 && !/[\p{C}]/u.test(error.message), "safe to print");
  });
}

test("a missing file, a folder and a device are refused", async () => {
  for (const [path, message] of [
    [join(root, "none"), /no such file/],
    [root, /not a regular file/],
    ["/dev/zero", /not a regular file|no such file/],
  ] as const) {
    const error = await refusal(SafetensorsFile.open(path));
    assert.instance(error, FormatError);
    assert.match(error.message, message);
    assert.ok(error.message.startsWith(basename(path)));
  }
});

test("a header of a hundred megabytes is refused before it is read to its end", async () => {
  const path = join(root, "large.safetensors");
  const entries = Array.from(
    { length: limits.tensors + 1 },
    (_, i) => `"${i}":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}`,
  );
  await writeFile(path, file(`{${entries.join(",")}${" ".repeat(80e6)}}`));
  const refused = async () =>
    assert.match((await refusal(SafetensorsFile.open(path))).message, /more than 200000 tensors/);
  const cost = await effort(refused, 3000);
  assert.ok(cost < 3000, `${cost} yardsticks`);
});

test("metadata of more than 100,000 entries is refused before the rest is read", async () => {
  const entries = (n: number) => Array.from({ length: n }, (_, i) => `"${i}":""`).join(",");
  assert.is(parseSafetensors(file(`{"__metadata__":{${entries(100_000)}}}`), "fine").metadata.size, 100_000);
  const unfinished = file(`{"__metadata__":{${entries(100_001)},`);
  assert.throws(() => parseSafetensors(unfinished, "bad"), /^bad: more than 100000 entries in __metadata__$/);
});

/** What any accepted header must satisfy, checked without the reader's own code. */
function isSound({ tensors, metadata }: Header, size: number): boolean {
  const spans = [...tensors.values()].map((t) => {
    const due = t.shape.reduce((n, d) => n * BigInt(d), BigInt(itemBytes[t.dtype]));
    assert.is(due, BigInt(t.bytes));
    return [t.offset, t.offset + t.bytes];
  });
  spans.sort((a, b) => a[0] - b[0] || a[1] - b[1]);
  for (let i = 1; i < spans.length; i++) assert.is(spans[i][0], spans[i - 1][1]);
  if (spans.length) assert.is(spans.at(-1)![1], size);
  return [...metadata.values()].every((value) => typeof value === "string");
}

function parsesOrRefuses(bytes: Uint8Array): void {
  try {
    isSound(parseSafetensors(bytes, "fuzz"), bytes.length);
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    assert.ok(!/\p{C}/u.test(error.message) && error.message.length < 4096);
  }
}

const seeds = [...accepted.map(([, bytes]) => bytes), ...refused.slice(0, 40).map(([, bytes]) => bytes)].filter(
  (bytes) => bytes.length < 4096,
);

/** Well-formed shells with wrong types, sizes and names. */
const shells = fc
  .array(
    fc.tuple(
      fc.oneof(
        fc.string({ unit: "binary" }),
        fc.constantFrom("__proto__", "constructor", "__metadata__", "\x1b[2J", ""),
      ),
      fc.record(
        {
          dtype: fc.oneof(fc.constantFrom("F32", "U8", "BF16", "F8", "__proto__"), fc.jsonValue()),
          shape: fc.oneof(fc.array(fc.constantFrom(0, 1, 2, 2 ** 32, 2 ** 53, -1, 0.5)), fc.jsonValue()),
          data_offsets: fc.oneof(fc.array(fc.constantFrom(0, 1, 2, 4, 8, 2 ** 53), { maxLength: 3 }), fc.jsonValue()),
          extra: fc.jsonValue(),
        },
        { requiredKeys: [] },
      ),
    ),
    { maxLength: 3 },
  )
  .map((pairs) => file(`{${pairs.map(([name, fields]) => `${JSON.stringify(name)}:${JSON.stringify(fields)}`)}}`, 8));

for (const [what, arbitrary, numRuns] of [
  ["any bytes", fc.uint8Array({ maxLength: 200 }), 5_000],
  ["any bytes behind a true length", fc.uint8Array({ maxLength: 200 }).map((bytes) => file(bytes)), 5_000],
  ["any mutation of a seed", mutatedOf(seeds), 20_000],
  ["any shell of the right grammar", shells, 5_000],
] as const) {
  test(`${what}: sound tensors or a FormatError, nothing else`, () => {
    fc.assert(fc.property(arbitrary as fc.Arbitrary<Uint8Array>, parsesOrRefuses), {
      numRuns,
      seed: 2022,
      includeErrorInReport: true,
    });
    assert.is(({} as { polluted?: unknown }).polluted, undefined);
  });
}

const bits = (values: Float32Array) => new Uint32Array(values.buffer);
const dtypes = Object.keys(itemBytes) as FileDtype[];
const tensors = fc.uniqueArray(
  fc.record({
    name: fc.string({ unit: "grapheme" }).filter((name) => name !== "__metadata__" && !/\p{Surrogate}/u.test(name)),
    dtype: fc.constantFrom(...dtypes),
    shape: fc.array(fc.nat(4), { maxLength: 4 }),
  }),
  { selector: ({ name }) => name, maxLength: 8 },
);

test("what is written comes back: names, dtypes, shapes, bytes, metadata, sha256", async () => {
  const path = join(root, "round.safetensors");
  await fc.assert(
    fc.asyncProperty(tensors, fc.dictionary(fc.string(), fc.string()), async (list, metadata) => {
      const data = list.map(({ dtype, shape }, i) =>
        Uint8Array.from({ length: shape.reduce((n, d) => n * d, itemBytes[dtype]) }, (_, j) => i * 37 + j * 11),
      );
      const entries: SafetensorsEntry[] = list.map((tensor, i) => ({ ...tensor, bytes: () => data[i] }));
      const written = await writeSafetensors(path, entries, metadata);

      const bytes = await readFile(path);
      assert.is(written.bytes, bytes.length);
      assert.is(safetensorsSize(entries, metadata), bytes.length);
      assert.is(written.sha256, createHash("sha256").update(bytes).digest("hex"));

      await using opened = await SafetensorsFile.open(path);
      assert.equal(new Set(opened.tensors.keys()), new Set(list.map(({ name }) => name)));
      assert.equal(opened.metadata, new Map(Object.entries(metadata)));
      for (const [i, { name, dtype, shape }] of list.entries()) {
        const info = opened.info(name);
        assert.equal([info.dtype, info.shape], [dtype, shape]);
        assert.is(info.offset % itemBytes[dtype], 0, "aligned to its element");
        assert.equal(await opened.read(name), data[i]);
        assert.equal(await joined(opened.chunks(name, undefined, 8)), Buffer.from(data[i]));
        assert.equal(bits(await opened.floats(name)), bits(toFloat32(dtype, data[i]))); // NaN included
      }
    }),
    { numRuns: 200, seed: 2022, includeErrorInReport: true },
  );
});

test("a tensor may be given in pieces, and gives as many bytes as its shape needs or is refused", async () => {
  async function* pieces() {
    yield Uint8Array.of(1, 2, 3);
    yield Uint8Array.of(4);
  }
  const entry = (length: number): SafetensorsEntry => ({ name: "a", dtype: "U8", shape: [length], bytes: pieces });
  const bytes = await joined(safetensorsBytes([entry(4)]));
  assert.equal([...bytes.subarray(-4)], [1, 2, 3, 4]);
  const error = await refusal(joined(safetensorsBytes([entry(5)])));
  assert.instance(error, ShapeError);
  assert.match(error.message, /"a" gave 4 bytes, but U8 \[5\] needs 5/);
});

test("two tensors of one name are refused before anything is written", async () => {
  const entry: SafetensorsEntry = { name: "a", dtype: "U8", shape: [0], bytes: () => new Uint8Array(0) };
  const path = join(root, "twice.safetensors");
  const error = await refusal(writeSafetensors(path, [entry, entry]));
  assert.instance(error, ShapeError);
  assert.not.ok(existsSync(path));
});

test("a missing tensor is refused with the nearest name", async () => {
  const path = join(root, "near.safetensors");
  await writeFile(path, one(fine, 4, '"visual.proj"'));
  await using opened = await SafetensorsFile.open(path);
  assert.throws(() => opened.info("visual.prj"), /no tensor "visual.prj" \(did you mean visual.proj\?\)/);
});

test("every dtype becomes float32 by its definition", () => {
  const of = (...bytes: number[]) => Uint8Array.from(bytes);
  const cases: [FileDtype, Uint8Array, number[]][] = [
    ["F64", new Uint8Array(Float64Array.of(0.1, -1e300).buffer), [Math.fround(0.1), Number.NEGATIVE_INFINITY]],
    ["F32", new Uint8Array(Float32Array.of(1.5, -0).buffer), [1.5, -0]],
    // 1, −2, the smallest subnormal, the largest subnormal, the largest finite, +inf
    [
      "F16",
      new Uint8Array(Uint16Array.of(0x3c00, 0xc000, 1, 0x3ff, 0x7bff, 0x7c00).buffer),
      [1, -2, 2 ** -24, 1023 * 2 ** -24, 65504, Number.POSITIVE_INFINITY],
    ],
    ["BF16", of(0x80, 0x3f, 0x49, 0xc0), [1, -3.140625]],
    ["I64", new Uint8Array(BigInt64Array.of(-3n, 2n ** 40n).buffer), [-3, 2 ** 40]],
    ["U64", new Uint8Array(BigUint64Array.of(2n ** 63n).buffer), [2 ** 63]],
    ["I32", new Uint8Array(Int32Array.of(-7).buffer), [-7]],
    ["U32", new Uint8Array(Uint32Array.of(2 ** 31).buffer), [2 ** 31]],
    ["I16", of(0xff, 0xff), [-1]],
    ["U16", of(0xff, 0xff), [65535]],
    ["I8", of(0x80), [-128]],
    ["U8", of(200), [200]],
    ["BOOL", of(0, 1), [0, 1]],
  ];
  assert.equal(cases.map(([dtype]) => dtype).sort(), [...dtypes].sort());
  for (const [dtype, bytes, want] of cases) {
    assert.equal([...toFloat32(dtype, bytes)], want, dtype);
    const shifted = new Uint8Array(bytes.length + 1);
    shifted.set(bytes, 1);
    assert.equal([...toFloat32(dtype, shifted.subarray(1))], want, `${dtype}, unaligned`);
  }
  assert.ok(Number.isNaN(toFloat32("F16", of(1, 0x7c))[0]));
});

test("a file beyond five gigabytes is read by position", async () => {
  const path = join(tmpdir(), `emotionclip-sparse-${process.pid}.safetensors`);
  const large = 5 * 2 ** 30;
  const header = `{"pad":{"dtype":"U8","shape":[${large}],"data_offsets":[0,${large}]},"last":{"dtype":"F32","shape":[2],"data_offsets":[${large},${large + 8}]}}`;
  try {
    await writeFile(path, file(header));
    await truncate(path, 8 + header.length + large + 8); // a sparse file: no disk is used
    const handle = await open(path, "r+");
    await handle.write(new Uint8Array(Float32Array.of(3, 4).buffer), 0, 8, 8 + header.length + large);
    await handle.close();
    await using opened = await SafetensorsFile.open(path);
    assert.equal([...(await opened.floats("last"))], [3, 4]);
    for await (const piece of opened.chunks("pad")) {
      assert.is(piece.length, limits.chunk);
      break;
    }
    const error = await refusal(opened.read("pad"));
    assert.match(error.message, /"pad" has 5368709120 bytes; below 4294967296 fit in memory at once/);
  } finally {
    await rm(path, { force: true });
  }
});

test("JSON: what we accept is what JSON.parse accepts, and means the same", () => {
  fc.assert(
    fc.property(fc.json({ maxDepth: 6 }), (text) => {
      assert.equal(JSON.parse(JSON.stringify(parseJson(utf8(text), "x"))), JSON.parse(text));
    }),
    { numRuns: 2000, seed: 2022, includeErrorInReport: true },
  );
  for (const text of [
    "",
    "nul",
    "NaN",
    "Infinity",
    "-",
    "1.",
    ".5",
    "+1",
    "1e",
    '"\\x"',
    "[1,]",
    "{a:1}",
    "1 2",
    "1e999",
    "'a'",
  ]) {
    assert.throws(() => parseJson(utf8(text), "x"), /^x: /, text);
  }
});

test("JSON of more than 400,000 values is refused before the rest is read", () => {
  const list = (values: number, end: string) => utf8(`[${"[],".repeat(values - 2)}[]${end}`);
  assert.is((parseJson(list(400_000, "]"), "x") as unknown[]).length, 399_999); // and the list itself
  assert.throws(() => parseJson(list(400_001, ",nonsense"), "x"), /^x: more than 400000 values$/);
});

test("JSON: 64 levels are accepted, 65 are not, and __proto__ is a key like any other", () => {
  const nested = (depth: number) => utf8("[".repeat(depth) + "]".repeat(depth));
  parseJson(nested(65), "x"); // the value at depth 64 is the innermost list
  assert.throws(() => parseJson(nested(66), "x"), /nested more than 64 deep/);
  const object = parseJson(utf8('{"__proto__":{"polluted":1}}'), "x") as object;
  assert.equal(Object.keys(object), ["__proto__"]);
  assert.is(({} as { polluted?: unknown }).polluted, undefined);
});

test("names from files are printed without anything a terminal obeys", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary", maxLength: 200 }), (text) => {
      const shown = quoted(text);
      assert.ok(!/[\p{C}\p{Zl}\p{Zp}]/u.test(shown), shown);
      assert.ok(shown.length <= 80 * 10);
    }),
    { numRuns: 2000, seed: 2022 },
  );
  assert.is(quoted('a "b"'), '"a \\"b\\""');
});

test.run();
