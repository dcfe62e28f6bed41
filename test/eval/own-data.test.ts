// Data of somebody's own: shards with their labels, and features with labels in a table. What is probed follows from the data and is
// said, and the figures are those of the same probes called by hand.
import { readFileSync, writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { runCommand } from "../../cli/cli.ts";
import { npyBytes } from "../../data/formats/npy.ts";
import { safetensorsBytes } from "../../data/formats/safetensors.ts";
import { isEmbedded } from "../../data/stage/on-disk.ts";
import { openShards, type Sample, ShardSet } from "../../data/shards/shards.ts";
import { categories, clipKey, stageSizes } from "../../data/stage/index.ts";
import { Random } from "../../data/philox.ts";
import { type Matrix, matrix, normalizeRows, takeRows } from "../../eval/matrix.ts";
import { accuracy } from "../../eval/probes/metrics.ts";
import { decide, fitRidge, fitSoftmax, predictClasses } from "../../eval/probes/probes.ts";
import { r2 } from "../../eval/probes/metrics.ts";
import type { EvaluationResult } from "../../eval/paper/result.ts";
import { evaluate } from "../../eval/probes/evaluate.ts";
import { saveModel } from "../../model/checkpoint/folder.ts";
import { Trainer } from "../../train/trainer.ts";
import { openTestGpu } from "../kit/gpu.ts";
import { writeOwnShards } from "../kit/own-clips.ts";
import { refusal } from "../kit/refusal.ts";
import { type Outcome, runProgram } from "../run/program.ts";
import { settings, tiny, tokenizer } from "../train/synthetic.ts";

const root = await mkdtemp(join(tmpdir(), "emotionclip-own-"));
test.after(() => rm(root, { recursive: true, force: true }));
const at = (name: string) => join(root, name);

// Three folders of clips: several categories of which one never occurs in test, one category each, none at all.
const sizes = { train: 24, test: 10 };
const caption = (i: number) => `${["she", "he"][i % 2]} ${["laughs", "shouts", "weeps"][i % 3]}`;
const names = ["glad", "cross", "never"];
await writeOwnShards(at("several"), sizes, names, (i, split) => ({
  caption: split === "test" && i === 1 ? "zorgblatt" : caption(i),
  labels: { categories: [i % 2, i % 3 ? 0 : 1, split === "train" && i === 0 ? 1 : 0] },
}));
await writeOwnShards(at("single"), sizes, names, (i) => ({
  caption: caption(i),
  labels: { categories: names.map((_, c) => (i % 3 === c ? 1 : 0)), vad: [i / 24, 0.5, (i % 7) / 7] },
}));
await writeOwnShards(at("bare"), sizes, [], (i) => ({ caption: caption(i) }));

const gpu = await openTestGpu();
test.after(() => gpu.close());
const trainer = new Trainer(tiny, tokenizer, { ...settings, workers: 0 });
const checkpoint = at("model.safetensors");
const metadata = { config: JSON.stringify(tiny), words: JSON.stringify(tokenizer.words) };
await saveModel(checkpoint, trainer.modelEntries(), metadata);

const emotionclip = (...words: string[]) => runProgram(join("dist", "cli.js"), words);
function result<R = EvaluationResult>({ code, stdout, stderr }: Outcome): R {
  assert.is(code, 0, stderr);
  return JSON.parse(stdout) as R;
}
const onShards = (folder: string) => [
  "--data",
  at(folder),
  "--checkpoint",
  checkpoint,
  "--cache",
  at("cache"),
  "--workers",
  "0",
];
const evalOwn = async (...more: string[]) =>
  result(await emotionclip("eval", "own", "--bootstrap", "10", "--json", ...more));
const figure = ({ tasks }: EvaluationResult, task: string, name: string) =>
  tasks.find((each) => each.task === task)!.figures.find((each) => each.name === name)!;

test("eval own: several categories for a clip are probed one by one, as in training; a class without a positive is left out", async () => {
  const found = await evalOwn(...onShards("several"));
  assert.equal([found.benchmark, found.tasks.map(({ task }) => task)], ["own", ["categories"]]);
  const sets = { train: await openShards(at("several"), "train"), test: await openShards(at("several"), "test") };
  const rows = (await evaluate(trainer, sets))!;
  for (const metric of ["mAP", "AUC"]) {
    const { value, reason, undefinedClasses } = figure(found, "categories", metric);
    const [, want, note] = rows.find(([name]) => name === metric)!;
    assert.ok(Math.abs(value - want) < 2e-3, `${metric} ${value} ${want}`); // batches of other sizes: last bits of features
    assert.equal([undefinedClasses, reason], [["never"], note]);
    assert.match(note!, /^the mean of 2 of 3; left out: never \(/);
  }
  const [, r2Value, why] = rows.find(([name]) => name === "R2")!;
  assert.ok(Number.isNaN(r2Value));
  assert.match(why!, /none of the 24 clips has valence/);
  assert.match(found.notes.join(), /valence, arousal and dominance are not probed: 34 of 34 clips have none/);
});

test("eval own: one category each is one class too, and a number that is the same everywhere is left out", async () => {
  const found = await evalOwn(...onShards("single"));
  assert.equal(
    found.tasks.map(({ task }) => task),
    ["categories", "VAD", "category"],
  );
  assert.match(figure(found, "VAD", "R2").reason!, /left out: arousal \(the same in all clips/);
  assert.match(found.notes.join(), /every clip has exactly one category/);
  const page = await emotionclip("eval", "own", "--bootstrap", "0", ...onShards("single"), "--html", at("page.html"));
  assert.is(page.code, 0, page.stderr);
  assert.not.match(page.stdout + readFileSync(at("page.html"), "utf8"), /NaN|26 cat/);
});

test("zero-shot benchmark own: categories in words of the captions, unknown ones refused", async () => {
  const strange = await emotionclip("zero-shot", "benchmark", "own", ...onShards("single"), "--json");
  assert.is(strange.code, 2, strange.stdout);
  assert.match(strange.stderr, /"glad", "cross" and "never" are the same to this model: it knows no word of them/);
  writeFileSync(at("classes.json"), JSON.stringify({ glad: "she laughs", cross: "he shouts", never: "she weeps" }));
  const given = ["zero-shot", "benchmark", "own", ...onShards("several"), "--classes", at("classes.json"), "--json"];
  const { tasks } = result<{ tasks: { reasons: Record<string, string>; several: Record<string, number> }[] }>(
    await emotionclip(...given),
  );
  assert.match(tasks[0].reasons.AUC, /left out: never/);
  assert.ok(tasks[0].several.mAP > 0 && tasks[0].several.AUC > 0);
});

test("training on own clips: counts from the data, no NaN %, captions with unknown words said at opening", async () => {
  const name = `own-test-${process.pid}`;
  const folder = join("runs", name);
  try {
    const words = ["--name", name, "--data", at("several"), "--steps", "1", "--batch", "4", "--workers", "0"];
    const { code, stdout, stderr } = await emotionclip("start", ...words);
    assert.is(code, 0, stderr);
    assert.match(stderr, /1 words that the model does not know: "zorgblatt", in 1 of 10 captions of test/);
    assert.match(stdout, /R2 +– +–\n[\s\S]*R2: not defined: none of the 24 clips has valence/);
    const report = readFileSync(join(folder, "report.html"), "utf8").replace(/<script>[\s\S]*?<\/script>/g, "");
    assert.not.match(stdout + report, /NaN|26 categories/);
    assert.match(report, /mean average precision of 3 categories/);
    const { after, data } = JSON.parse(readFileSync(join(folder, "results.json"), "utf8"));
    assert.equal([data.set, data.train, data.test, data.categories], [null, 24, 10, 3]);
    assert.equal(data.captions.test.withoutKnownWord, { count: 1, first: ["own-test-1"] });
    const row = after.find(([figureName]: [string]) => figureName === "R2");
    assert.is(row[1], null);
    assert.match(row[2], /^not defined/);
    const { stdout: tables } = await emotionclip("tables", "--runs", "runs");
    assert.ok(tables.includes("Own data, several: 24 clips to train on, 10 held out, 3 categories"), tables);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

test("the embedded set is known by its clips; a part of it, or other labels, are somebody's own", async () => {
  assert.not.ok(isEmbedded(await openShards(at("several"), "test")));
  const index = { version: 1, split: "val", fps: 8, samples: stageSizes.val, categories, shards: [] } as const;
  const items = Array.from({ length: stageSizes.val }, (_, i) => ({ key: clipKey("val", i) }) as Sample);
  assert.ok(isEmbedded(new ShardSet(index, items)));
  assert.not.ok(isEmbedded(new ShardSet({ ...index, categories: [...categories].reverse() }, items)));
  assert.not.ok(isEmbedded(new ShardSet(index, items.slice(1))));
  assert.not.ok(isEmbedded(new ShardSet(index, [{ ...items[0], key: "mine" }, ...items.slice(1)])));
});

test("labels that cannot be probed are refused with what to do", async () => {
  const error = await refusal(runCommand(["eval", "own", "--data", at("bare"), "--checkpoint", checkpoint]));
  assert.match(error.message, /^bare: its clips have no labels to probe: give all of them labels\.categories/);
  const other = await refusal(
    runCommand(["eval", "stage", "--data", at("single"), "--checkpoint", checkpoint, "--workers", "0"]),
  );
  assert.match(
    other.message,
    /its 3 categories are not BoLD's 26; for labels of your own: emotionclip eval own --data/,
  );
});

// Features of 40 samples that know their labels, and a table of them.
const [N, D] = [40, 4];
const random = new Random(1, "own");
const features = matrix(
  N,
  D,
  Float32Array.from({ length: N * D }, () => random.normal()),
);
const row = (i: number) => features.data.subarray(i * D, (i + 1) * D) as Float32Array;
const mood = Array.from({ length: N }, (_, i) => (row(i)[0] > 0 ? "glad" : "sad"));
const tense = Array.from({ length: N }, (_, i) => Number(row(i)[1] > 0));
const valence = Array.from({ length: N }, (_, i) => Number((row(i)[2] / Math.hypot(...row(i))).toFixed(4)));
const split = Array.from({ length: N }, (_, i) => (i % 4 === 0 ? "test" : "train"));
writeFileSync(at("features.npy"), Buffer.concat([...npyBytes([features])]));
const table = (name: string, header: string, cells: (i: number) => readonly (string | number)[]) => {
  const lines = Array.from({ length: N }, (_, i) => cells(i).join(","));
  writeFileSync(at(name), `${[header, ...lines].join("\n")}\n`);
  return at(name);
};
const labels = table("labels.csv", "split,mood,tense,valence", (i) => [split[i], mood[i], tense[i], valence[i]]);
const withLabels = (file: string, of = at("features.npy")) => ["--features", of, "--labels", file];

test("eval own --labels: text columns are classes, 0 and 1 flags, others numbers, and the probes are the protocol's", async () => {
  const found = await evalOwn(...withLabels(labels));
  assert.equal(
    found.tasks.map(({ task, split: on, samples }) => [task, on, samples]),
    [
      ["flags", "test", 10],
      ["numbers", "test", 10],
      ["mood", "test", 10],
    ],
  );
  for (const note of ["column mood: one class of 2 (glad, sad)", "column tense: yes or no", "column valence: numbers"])
    assert.ok(
      found.notes.some((each) => each.startsWith(note)),
      note,
    );
  const rows = (name: string) => split.flatMap((each, i) => (each === name ? [i] : []));
  const [fit, on] = [rows("train"), rows("test")];
  const take = (m: Matrix, some: number[]) => normalizeRows(takeRows(m, some));
  const [x, z] = [take(features, fit), take(features, on)];
  const classes = (some: number[]) => some.map((i) => Number(mood[i] === "sad"));
  const want = accuracy(classes(on), predictClasses(fitSoftmax(x, classes(fit), { C: 8 }), z));
  assert.is(figure(found, "mood", "accuracy").value, want);
  const numbers = (some: number[]) =>
    matrix(
      some.length,
      1,
      Float64Array.from(some, (i) => valence[i]),
    );
  const predicted = decide(fitRidge(x, numbers(fit), { alpha: 1 }), z);
  assert.ok(Math.abs(figure(found, "numbers", "R2").value - r2(numbers(on).data, predicted.data)) < 1e-12);
});

test("without a column split one is drawn by the seed, and said", async () => {
  const file = table("unsplit.csv", "mood", (i) => [mood[i]]);
  const [one, same, other] = [
    await evalOwn(...withLabels(file)),
    await evalOwn(...withLabels(file)),
    await evalOwn(...withLabels(file), "--seed", "3"),
  ];
  assert.match(one.notes.join(), /no column split: 8 of 40 rows, drawn by --seed 2022, are the split test/);
  assert.equal(
    one.splits.map(({ samples }) => samples),
    [32, 8],
  );
  assert.equal(one.tasks, same.tasks);
  assert.not.equal(one.tasks, other.tasks);
});

test("rows are matched by id where both files have them, and what has no other half is counted", async () => {
  const ids = Array.from({ length: N }, (_, i) => `clips/${i}`);
  const { buffer, byteOffset, byteLength } = features.data as Float32Array<ArrayBuffer>;
  const bytes = () => new Uint8Array(buffer, byteOffset, byteLength);
  const entry = { name: "features", dtype: "F32", shape: [N, D], bytes } as const;
  const parts: Uint8Array[] = [];
  for await (const part of safetensorsBytes([entry], { ids: JSON.stringify(ids) })) parts.push(part);
  writeFileSync(at("features.safetensors"), Buffer.concat(parts));
  const back = (i: number) => N - 1 - i;
  const reversed = table("reversed.csv", "id,split,mood", (i) => [
    i === 0 ? "clips/other" : ids[back(i)],
    split[back(i)],
    mood[back(i)],
  ]);
  const found = await evalOwn(...withLabels(reversed, at("features.safetensors")));
  assert.match(
    found.notes.join(),
    /matched by id.*1 rows of features\.safetensors have no labels.*1 rows of reversed\.csv have no features/,
  );
  assert.equal(
    found.splits.map(({ samples }) => samples),
    [29, 10],
  ); // row 39 is of train
  const inOrder = await evalOwn(...withLabels(table("cut.csv", "split,mood:class", (i) => [split[i], mood[i]])));
  assert.is(figure(found, "mood", "accuracy").value > 0.5, figure(inOrder, "mood", "accuracy").value > 0.5);
});

test("a split that has one class only says so and gets no figure", async () => {
  const file = table("one.csv", "split,mood,tense", (i) => [
    split[i],
    split[i] === "train" ? "glad" : mood[i],
    split[i] === "test" ? 0 : tense[i],
  ]);
  const found = await evalOwn(...withLabels(file));
  const { value, reason } = figure(found, "mood", "accuracy");
  assert.equal([value, reason], [null, "not defined: all 30 samples that the probe is fitted on have one class, glad"]);
  assert.match(figure(found, "flags", "AUC").reason!, /^not defined: tense is only positive or only negative/);
  const page = await emotionclip("eval", "own", "--bootstrap", "0", "--per-class", ...withLabels(file));
  assert.is(page.code, 0, page.stderr);
  assert.match(page.stdout, /accuracy +n\/a\n +not defined: all 30 samples/);
  assert.not.match(page.stdout, /NaN/);
});

const bad: [what: string, file: () => string, message: RegExp][] = [
  [
    "rows that do not match",
    () => table("more.csv", "mood", (i) => [i === 0 ? "a\nb" : "c"]),
    /more\.csv: 41 rows of labels for 40 rows/,
  ],
  [
    "an empty cell",
    () => table("hole.csv", "mood,tense", (i) => ["x", i === 2 ? "" : "1"]),
    /hole\.csv: row 3 \(line 4\), column "tense" is empty/,
  ],
  [
    "texts that are no classes",
    () => table("texts.csv", "caption", (i) => [`text ${i}`]),
    /has 40 different texts in 40 rows.*"caption:skip"/,
  ],
  [
    "no split to fit on",
    () => table("fit.csv", "split,mood", (i) => ["test", mood[i]]),
    /column "split" has "test"; probes are fitted on "train"/,
  ],
  ["a column twice", () => table("twice.csv", "mood,mood", (i) => [mood[i], mood[i]]), /the column "mood" twice/],
  [
    "a number that is none",
    () => table("text.csv", "valence:number", (i) => [i ? 1 : "high"]),
    /row 1 \(line 2\), column "valence:number" is "high", expected a number/,
  ],
  [
    "semicolons",
    () => table("semi.csv", "id;mood", (i) => [`${i};x`]),
    /40 different texts|columns are separated by commas/,
  ],
  ["a file that is not there", () => at("nowhere.csv"), /^nowhere\.csv: no such file/],
];

for (const [what, file, message] of bad)
  test(`labels: refused are ${what}`, async () => {
    assert.match((await refusal(runCommand(["eval", "own", ...withLabels(file())]), what)).message, message);
  });

test("the table in docs/EVALUATION.md is read as the text beside it says", async () => {
  const [, csv] = /```csv\n([\s\S]*?)```/.exec(readFileSync("docs/EVALUATION.md", "utf8"))!;
  writeFileSync(at("example.csv"), csv);
  const rows = csv.trim().split("\n").length - 1;
  const few = matrix(rows, D, (features.data as Float32Array).slice(0, rows * D));
  writeFileSync(at("example.npy"), Buffer.concat([...npyBytes([few])]));
  const ids = csv
    .trim()
    .split("\n")
    .slice(1)
    .map((line) => line.split(",")[0]);
  writeFileSync(at("example.npy.json"), JSON.stringify({ ids: ids.reverse() }));
  const found = await evalOwn(...withLabels(at("example.csv"), at("example.npy")));
  assert.equal(
    found.tasks.map(({ task }) => task),
    ["flags", "numbers", "mood"],
  );
  assert.match(found.notes.join(), /column mood: one class of 2.*column laughs: yes or no.*rows are matched by id/);
});

test("flags that do not go together are refused", async () => {
  const refused = async (...words: string[]) => (await refusal(runCommand(["eval", ...words]))).message;
  assert.match(await refused("bold", ...withLabels(labels)), /--labels: bold has its own; emotionclip eval own/);
  assert.match(await refused("own", "--features", at("features.npy")), /need --labels <file\.csv>/);
  assert.match(await refused("own", "--labels", labels), /--labels needs --features/);
  assert.match(await refused("own", "--checkpoint", checkpoint), /--data <folder> is needed: your shards/);
});

test.run();
