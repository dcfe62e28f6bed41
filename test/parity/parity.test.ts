// Every golden file within its tolerances, and the program that says so: npm run golden.
import { appendFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { FormatError, UsageError } from "../../engine/errors.ts";
import { sharedGpu } from "../kernels/derive.ts";
import { golden as tensorsOf, goldenPath } from "../kit/golden.ts";
import { GoldenFiles } from "./golden-folder.ts";
import { golden } from "./command.ts";
import { Folder } from "./folder.ts";
import { checkFile, type Result } from "./run.ts";
import type { GoldenTensor } from "./tensor-file.ts";
import { refusal } from "../kit/refusal.ts";
import { inTemporary } from "../kit/temporary.ts";

await sharedGpu();
const ours = new Folder(goldenPath("emotionclip"));

for (const folder of [ours, new Folder(goldenPath("emoclip"))])
  for (const file of folder.files)
    test(`${file} agrees within its tolerances`, async () => {
      const { outcome, failures, notes } = await checkFile(folder, file);
      assert.is(outcome, "pass", [...failures, ...notes].join("\n"));
    });

/** A golden file's tensors, to be changed. */
const copyOf = (file: string): Map<string, GoldenTensor> => tensorsOf(`emotionclip/${file}`);
const linear = "ops/linear.safetensors";
const allowed = { rtol: 1e-4, atol: 2e-5 };

/** Checks one file of made tensors. */
async function checked(file: string, tensors: Map<string, GoldenTensor>, desc = ""): Promise<Result> {
  let result: Result | undefined;
  await inTemporary(async (root) => {
    const files = new GoldenFiles(root);
    await files.tensors(file, tensors, allowed, desc);
    result = await checkFile(files.folder(), file);
  });
  return result!;
}

test("an op is known by its tensors, whatever its file is called", async () => {
  for (const name of [linear, "dense layers/other.safetensors"]) {
    const { outcome, comparisons, worst } = await checked(name, copyOf(linear));
    assert.equal([outcome, comparisons], ["pass", 4]);
    assert.ok(worst!.share > 0 && worst!.share < 1);
  }
});

test("a wrong element fails with its tensor, its index and its share of the tolerance", async () => {
  const tensors = copyOf(linear);
  const y = tensors.get("y")!;
  y.data[5] += 1e-3;
  const { outcome, failures, worst } = await checked(linear, tensors);
  assert.equal([outcome, worst!.name, worst!.at], ["fail", "y", 5]);
  assert.match(failures.join("\n"), /^y\[5\]: got -?[\d.e-]+, want -?[\d.e-]+: [\d.]+ x its tolerance$/);
  assert.ok(worst!.share > 1);
});

test('a row of tokens is filled to its end token: the first token of the vocabulary, "!", is no padding', () =>
  inTemporary(async (root) => {
    const files = new GoldenFiles(root);
    const ids = [0, 3, 260];
    const row = [49406, ...ids, 49407, ...new Array(72).fill(0)];
    const text = { text: "!$%", cleaned: "!$%", needs: "none", ids, row_nonzero: 5, row };
    files.json("tokenizer.json", { vocab_size: 49408, sot: 49406, eot: 49407, context_length: 77, cases: [text] });
    const { outcome, failures } = await checkFile(files.folder(), "tokenizer.json");
    assert.is(outcome, "pass", failures.join("\n"));
  }));

test("an element that is not a number fails, however large its tolerance", async () => {
  const tensors = copyOf(linear);
  tensors.get("dw")!.data[0] = Number.NaN;
  const { outcome, failures } = await checked(linear, tensors);
  assert.is(outcome, "fail");
  assert.match(failures[0], /^dw\[0\]: .*: beyond its tolerance$/);
});

test("arrays are written again as they are: floats byte by byte, other types and columns by their values", async () => {
  // numpy.save of int64 [[1, 2], [3, 4]] in order "F"
  const header = "{'descr': '<i8', 'fortran_order': True, 'shape': (2, 2), }".padEnd(117);
  const values = new Uint8Array(BigInt64Array.of(1n, 3n, 2n, 4n).buffer);
  await inTemporary(async (root) => {
    const bytes = Buffer.concat([Buffer.from("\x93NUMPY\x01\0\x76\0", "latin1"), Buffer.from(`${header}\n`), values]);
    writeFileSync(join(root, "columns.npy"), bytes);
    writeFileSync(join(root, "manifest.json"), JSON.stringify({ files: { "columns.npy": { kind: "npy" } } }));
    const { outcome, comparisons, failures } = await checkFile(new Folder(root), "columns.npy");
    assert.equal([outcome, comparisons, failures], ["pass", 2, []]);
  });
});

test("a tensor that nothing is compared with is named", async () => {
  const tensors = copyOf(linear);
  tensors.set("dz", tensors.get("dy")!);
  const { outcome, notes } = await checked(linear, tensors);
  assert.equal([outcome, notes], ["pass", ["without a check: dz"]]);
});

test("a file of unknown tensors is named, and fails nothing", async () => {
  const { outcome, notes } = await checked("ops/fft.safetensors", new Map([["spectrum", copyOf(linear).get("x")!]]));
  assert.is(outcome, "none");
  assert.match(notes[0], /^no check: safetensors,.*\(spectrum …\)$/);
});

test("inputs of impossible shapes are the file's failure, not the program's", async () => {
  const tensors = copyOf(linear);
  const { dtype } = tensors.get("w")!;
  tensors.set("w", { dtype, shape: [2, 2], data: new Float32Array(4) });
  const { outcome, failures } = await checked(linear, tensors);
  assert.is(outcome, "fail");
  assert.match(failures[0], /^ShapeError: linear/);
});

test("a file that is not the listed one fails, by its size, its digest or its absence", async () => {
  const path = (root: string) => join(root, linear);
  const damages: [(root: string) => void, RegExp][] = [
    [() => {}, /^$/],
    [(root) => appendFileSync(path(root), "x"), /^has \d+ bytes, the manifest says \d+$/],
    [(root) => writeFileSync(path(root), Buffer.alloc(new Folder(root).entry(linear).bytes!)), /another sha256/],
    [(root) => rmSync(path(root)), /^is listed, but missing$/],
  ];
  for (const [damage, message] of damages)
    await inTemporary(async (root) => {
      const files = new GoldenFiles(root);
      await files.tensors(linear, copyOf(linear), allowed);
      files.folder();
      damage(root);
      assert.match((await checkFile(new Folder(root), linear)).failures.join(), message);
    });
});

const model = "tiny";
const shapes = {
  "inputs.safetensors": ["video", "video_mask", "text", "sentiment", "sentiment_dup"],
  "forward.safetensors": tensorsOf(`emotionclip/${model}/forward.safetensors`).keys(),
} as const;

/** The first `count` rows of `T` frames each, or of one. */
function firstClips({ dtype, shape, data }: GoldenTensor, clips: number, count: number): GoldenTensor {
  const rows = (shape[0] / clips) * count;
  return { dtype, shape: [rows, ...shape.slice(1)], data: data.slice(0, (data.length / shape[0]) * rows) };
}

test("a model folder has any name and any number of clips", async () => {
  await inTemporary(async (root) => {
    const files = new GoldenFiles(root);
    const at = "models/another one";
    const known = tensorsOf(`emotionclip/${model}/inputs.safetensors`).get("text")!.shape[0];
    files.json(`${at}/config.json`, { ...ours.json<object>(`${model}/config.json`), seed: 7 });
    await files.tensors(`${at}/model.safetensors`, copyOf(`${model}/model.safetensors`), undefined);
    for (const [file, names] of Object.entries(shapes)) {
      const all = copyOf(`${model}/${file}`);
      const few = [...names].filter((name) => name !== "logits" && all.get(name)!.shape.length > 0);
      const cut = new Map(few.map((name) => [name, firstClips(all.get(name)!, known, 2)]));
      await files.tensors(`${at}/${file}`, cut, { rtol: 1e-4, atol: 2e-5 });
    }
    for (const file of files.folder().files) {
      const { outcome, failures } = await checkFile(new Folder(root), file);
      assert.is(outcome, "pass", `${file}: ${failures.join("\n")}`);
    }
  });
});

const device = async () => {};

test("the program prints a line for each file and the totals, and its exit code is that of the worst", async () => {
  await inTemporary(async (root) => {
    const files = new GoldenFiles(root);
    await files.tensors(linear, copyOf(linear), allowed);
    files.json("notes.json", { any: "thing" }, "of no kind");
    const wrong = copyOf(linear);
    wrong.get("db")!.data[1] += 1;
    await files.tensors("ops/wrong.safetensors", wrong, allowed);
    files.folder();
    writeFileSync(join(root, "stray.bin"), "");
    const lines: string[] = [];
    assert.is(await golden([root], (line) => lines.push(line), device), 1);
    const text = lines.join("\n");
    assert.match(text, /pass.* ops\/linear\.safetensors +4 compared +[\d.]+ x at \w+\[\d+\]/);
    assert.match(text, /FAIL.* ops\/wrong\.safetensors.*\n +db\[1\]: got/);
    assert.match(text, /none.* notes\.json\n +no check: json, of no kind/);
    assert.match(text, /none.* stray\.bin\n +no check: not in the manifest/);
    assert.match(text, /\n1 passed, 1 failed, 2 without a check$/);

    const json: Result[] = [];
    assert.is(await golden([root, "--json", "--filter", "linear"], (line) => json.push(JSON.parse(line)), device), 0);
    assert.equal(
      json.map(({ file, outcome }) => [file, outcome]),
      [[linear, "pass"]],
    );
  });
});

test("the program refuses words it does not know, before a device is opened", async () => {
  const unopened = async () => assert.unreachable("a device was asked for");
  const run = (...words: string[]) => refusal(golden(words, () => {}, unopened));
  assert.match((await run()).message, /one folder is needed, not 0/);
  assert.match((await run("a", "b")).message, /one folder is needed, not 2/);
  assert.match((await run("a", "--filtr")).message, /unknown flag --filtr \(did you mean --filter\?\)/);
  assert.match((await run(goldenPath("emotionclip"), "--filter", "nowhere")).message, /none of \d+ files contains/);
  await inTemporary(async (root) => {
    assert.instance(await run(root), UsageError);
    for (const text of ["{", "[]", "null", '{"files": 3}']) {
      writeFileSync(join(root, "manifest.json"), text);
      assert.instance(await run(root), FormatError);
    }
  });
  const lines: string[] = [];
  assert.is(await golden(["--help"], (line) => lines.push(line), unopened), 0);
  assert.match(lines.join(), /npm run golden -- DIR/);
});

test.run();
