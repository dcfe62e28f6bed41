// Weights in shards: what is written comes back through the index, and an index that lies is refused.
import { existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { writeNew } from "../../data/formats/disk.ts";
import { FormatError, ShapeError } from "../../engine/errors.ts";
import { type FileDtype, itemBytes } from "../../data/formats/dtypes.ts";
import { type SafetensorsEntry, safetensorsBytes } from "../../data/formats/safetensors.ts";
import { shardedFiles } from "../../data/formats/safetensors-index.ts";
import { openWeights } from "../../data/formats/weights.ts";
import { refusal } from "../kit/refusal.ts";

const root = mkdtempSync(join(existsSync("/dev/shm") ? "/dev/shm" : tmpdir(), "emotionclip-index-"));
test.after(() => rmSync(root, { recursive: true, force: true }));

const numbers = (...values: number[]) => new Uint8Array(Float32Array.from(values).buffer);
const entry = (name: string, ...values: number[]): SafetensorsEntry => ({
  name,
  dtype: "F32",
  shape: [values.length],
  bytes: () => numbers(...values),
});

async function fileOf(name: string, entries: SafetensorsEntry[]): Promise<void> {
  const pieces: Uint8Array[] = [];
  for await (const piece of safetensorsBytes(entries)) pieces.push(piece);
  await writeFile(join(root, name), Buffer.concat(pieces));
}

await fileOf("one.safetensors", [entry("a", 1, 2), entry("b", 3)]);
await fileOf("two.safetensors", [entry("c", 4)]);
await fileOf("again.safetensors", [entry("a", 9, 9), entry("x", 6)]);
await fileOf("none.safetensors", []);
mkdirSync(join(root, "folder.safetensors"));
mkdirSync(join(root, "sub"));
await fileOf("sub/three.safetensors", [entry("d", 5)]);
writeFileSync(join(root, "broken.safetensors"), "PK not one of these");
const outside = mkdtempSync(join(tmpdir(), "emotionclip-outside-"));
test.after(() => rmSync(outside, { recursive: true, force: true }));
writeFileSync(join(outside, "x.safetensors"), await readFile(join(root, "two.safetensors")));
symlinkSync(join(outside, "x.safetensors"), join(root, "leak.safetensors"));
symlinkSync(join(root, "two.safetensors"), join(root, "link.safetensors"));

const one = "one.safetensors";
const two = "two.safetensors";
const map = { a: one, b: one, c: two };
const path = join(root, "model.safetensors.index.json");

async function readIndex(index: unknown): Promise<Map<string, number[]>> {
  await writeFile(
    path,
    index instanceof Uint8Array ? index : typeof index === "string" ? index : JSON.stringify(index),
  );
  const file = await openWeights(path);
  try {
    assert.is(file.format, "safetensors index");
    const values = new Map<string, number[]>();
    for (const name of file.tensors.keys()) values.set(name, [...(await file.floats(name))]);
    return values;
  } finally {
    await file.close();
  }
}

const all = { a: [1, 2], b: [3], c: [4] };
const accepted: [string, unknown, Record<string, number[]>][] = [
  ["two files", { weight_map: map }, all],
  ["the size of all tensors", { metadata: { total_size: 16 }, weight_map: map }, all],
  ["further metadata", { metadata: { total_size: 16, format: "pt", layers: 3 }, weight_map: map }, all],
  ["no tensors", { weight_map: {} }, {}],
  ["a file in a folder below", { weight_map: { d: "sub/three.safetensors" } }, { d: [5] }],
  ["a link that stays inside", { weight_map: { c: "link.safetensors" } }, { c: [4] }],
];

const withFile = (file: unknown) => ({ weight_map: { ...map, c: file } });
const refused: [string, unknown, RegExp][] = [
  ["a file above the folder", withFile("../x.safetensors"), /"..\/x.safetensors" must be a plain relative path/],
  ["a file through a folder and back", withFile("sub/../two.safetensors"), /must be a plain relative path/],
  ["an absolute path", withFile("/etc/passwd"), /"\/etc\/passwd" must be relative to its folder/],
  ["a URL", withFile("https://example.org/x"), /must be relative to its folder/],
  ["a file URL", withFile("file:///etc/passwd"), /must be relative to its folder/],
  ["a drive", withFile("C:\\x"), /must be relative to its folder/],
  ["a backslash", withFile("sub\\three.safetensors"), /must be a plain relative path/],
  ["a NUL", withFile("two.safetensors\0.txt"), /is not a file name/],
  ["an empty name", withFile(""), /is not a file name/],
  ["a dot", withFile("./two.safetensors"), /must be a plain relative path/],
  ["a folder", withFile("folder.safetensors"), /"folder.safetensors" is not a regular file/],
  ["a link that leads outside", withFile("leak.safetensors"), /"leak.safetensors" leads out of its folder/],
  ["a file that is not there", withFile("three.safetensors"), /"three.safetensors" cannot be opened \(ENOENT\)/],
  [
    "a file that is not safetensors",
    withFile("broken.safetensors"),
    /broken.safetensors: (not a safetensors file|header of)/,
  ],
  ["a name that would clear the terminal", withFile("\x1b[2J"), /"\\u\{1b\}\[2J" is not a file name/],
  ["a tensor in another file", { weight_map: { ...map, b: two } }, /tensor "b" is not in "two.safetensors"/],
  ["a tensor that is nowhere", { weight_map: { ...map, d: two } }, /tensor "d" is not in "two.safetensors"/],
  [
    "a tensor __proto__ that is nowhere",
    `{"weight_map":{"__proto__":"${two}","c":"${two}"}}`,
    /tensor "__proto__" is not in/,
  ],
  [
    "a tensor that the index leaves out",
    { weight_map: { a: one, c: two } },
    /tensor "b" is in "one.safetensors", where the index does not name it/,
  ],
  [
    "a tensor that is in two files",
    { weight_map: { a: one, b: one, x: "again.safetensors" } },
    /tensor "a" is in "again.safetensors", where the index does not name it/,
  ],
  ["a tensor twice", `{"weight_map":{"a":"${one}","a":"${one}","b":"${one}"}}`, /duplicate key "a"/],
  ["another size", { metadata: { total_size: 17 }, weight_map: map }, /total_size is 17, the tensors have 16 bytes/],
  ["a size of a half", { metadata: { total_size: 0.5 }, weight_map: map }, /total_size is not a whole number/],
  ["a negative size", { metadata: { total_size: -16 }, weight_map: map }, /total_size is not a whole number/],
  ["a size in words", { metadata: { total_size: "16" }, weight_map: map }, /total_size is not a whole number/],
  [
    "a size of 2^53",
    `{"metadata":{"total_size":9007199254740992},"weight_map":{}}`,
    /total_size is not a whole number/,
  ],
  ["no weight_map", { metadata: {} }, /weight_map is missing/],
  ["a weight_map that is a list", { weight_map: [] }, /weight_map is no object/],
  ["a weight_map that is null", { weight_map: null }, /weight_map is no object/],
  ["metadata that is a list", { metadata: [], weight_map: map }, /metadata is no object/],
  ["a file that is a number", withFile(1), /the file of "c" is not text/],
  ["a file that is an object", withFile({}), /the file of "c" is not text/],
  ["an unknown field", { weight_map: map, weights: {} }, /unknown field "weights"; known: metadata, weight_map/],
  ["JSON of something else", { model: "ViT-B-32" }, /unknown field "model"/],
  ["JSON that is cut", '{"weight_map":{', /not valid JSON/],
  ["JSON with a comma too many", '{"weight_map":{},}', /not valid JSON/],
  ["JSON with text behind", '{"weight_map":{}}x', /text after the end/],
  ["JSON that is not UTF-8", Uint8Array.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]), /UTF-8/],
  ["JSON nested a hundred deep", `{"weight_map":${"[".repeat(100)}`, /nested more than 64 deep/],
  [
    "more files than a thousand",
    { weight_map: Object.fromEntries(Array.from({ length: 1001 }, (_, i) => [`t${i}`, `f${i}`])) },
    /1001 files; at most 1000 are allowed/,
  ],
];

for (const [what, index, want] of accepted)
  test(`accepted: ${what}`, async () => assert.equal(Object.fromEntries(await readIndex(index)), want));

for (const [what, index, message] of refused)
  test(`refused: ${what}`, async () => {
    const error = await refusal(readIndex(index));
    assert.instance(error, FormatError);
    assert.match(error.message, message);
    assert.ok(error.message.length < 4096 && !/\p{C}/u.test(error.message), "safe to print");
  });

test("any index leads to its tensors or to a FormatError, and no file stays open", async () => {
  const value = fc.oneof(
    fc.constantFrom(one, two, "../x", "", "leak.safetensors", "broken.safetensors"),
    fc.jsonValue(),
  );
  const index = fc.oneof(
    fc.record(
      {
        weight_map: fc.dictionary(fc.constantFrom("a", "b", "c", "__proto__", "constructor"), value),
        metadata: fc.jsonValue(),
      },
      { requiredKeys: [] },
    ),
    fc.jsonValue(),
    fc.string({ unit: "binary" }).map((text) => `{${text}`),
  );
  await fc.assert(
    fc.asyncProperty(index, async (json) => {
      try {
        await readIndex(json);
      } catch (error) {
        if (!(error instanceof FormatError)) throw error;
        assert.ok(!/\p{C}/u.test(error.message) && error.message.length < 4096);
      }
    }),
    { numRuns: 2000, seed: 2022, includeErrorInReport: true },
  );
  assert.is(({} as { polluted?: unknown }).polluted, undefined);
});

const tensors = fc.uniqueArray(
  fc.record({
    name: fc.string({ unit: "grapheme" }).filter((name) => name !== "__metadata__" && !/\p{Surrogate}/u.test(name)),
    dtype: fc.constantFrom<FileDtype>("F32", "F16", "U8", "I64"),
    shape: fc.array(fc.nat(4), { maxLength: 3 }),
  }),
  { selector: ({ name }) => name, maxLength: 8 },
);

test("what is written in shards comes back: names, shapes, bytes, and no shard is too large", async () => {
  await fc.assert(
    fc.asyncProperty(tensors, fc.integer({ min: 1, max: 200 }), async (list, most) => {
      const data = list.map(({ dtype, shape }, i) =>
        Uint8Array.from({ length: shape.reduce((n, d) => n * d, itemBytes[dtype]) }, (_, j) => i * 37 + j * 11),
      );
      const entries: SafetensorsEntry[] = list.map((tensor, i) => ({ ...tensor, bytes: () => data[i] }));
      const folder = mkdtempSync(join(root, "round-"));
      const files = shardedFiles(entries, most);
      assert.match(files.at(-1)!.name, /^model\.safetensors\.index\.json$/);
      for (const { name, size, bytes } of files) {
        const written = await writeNew(join(folder, name), bytes());
        assert.is(written.bytes, size);
      }
      const opened = await openWeights(join(folder, files.at(-1)!.name));
      assert.equal(new Set(opened.tensors.keys()), new Set(list.map(({ name }) => name)));
      for (const [i, { name, dtype, shape }] of list.entries()) {
        const { dtype: storedDtype, shape: storedShape } = opened.tensors.get(name)!;
        assert.equal([storedDtype, storedShape], [dtype, shape]);
        assert.equal(await opened.bytes(name), data[i]);
      }
      await opened.close();
      for (const { name } of files.slice(0, -1)) {
        const shard = await openWeights(join(folder, name));
        const sizes = Array.from(shard.tensors.values(), ({ dtype, shape }) =>
          shape.reduce((n, d) => n * d, itemBytes[dtype]),
        );
        assert.ok(sizes.length <= 1 || sizes.reduce((sum, size) => sum + size, 0) <= most);
        await shard.close();
      }
      rmSync(folder, { recursive: true });
    }),
    { numRuns: 100, seed: 2022, includeErrorInReport: true },
  );
});

test("shards are numbered from 1 of all, and two tensors of one name are refused before anything is written", () => {
  const files = shardedFiles([entry("a", 1, 2), entry("b", 3), entry("c", 4)], 8, "weights");
  assert.equal(
    files.map(({ name }) => name),
    ["weights-00001-of-00002.safetensors", "weights-00002-of-00002.safetensors", "weights.safetensors.index.json"],
  );
  assert.throws(
    () => shardedFiles([entry("a", 1), entry("a", 1)], 1),
    (error: unknown) => error instanceof ShapeError,
  );
});

test.run();
