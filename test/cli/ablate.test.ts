// `emotionclip ablate` as a user has it: a small grid killed in the middle and gone on with, its tables and files, and everything that
// is refused before anything is trained.
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { report, runCommand } from "../../cli/cli.ts";
import { SafetensorsFile } from "../../data/formats/safetensors.ts";
import { goldenPath } from "../kit/golden.ts";
import { writeOwnShards } from "../kit/own-clips.ts";
import { failure } from "../kit/refusal.ts";
import { runProgram } from "../run/program.ts";

const CLI = resolve("dist", "cli.js");
const root = mkdtempSync(join(tmpdir(), "emotionclip-ablate-"));
process.on("exit", () => rmSync(root, { recursive: true, force: true }));
const official = resolve(goldenPath("emotionclip/data/train"));
process.chdir(root);

const small = ["ablate", "--preset", "tiny", "--steps", "6", "--warmup", "2", "--cells", "snce,pretrained-pretrained"];
const ablate = (...words: string[]) => runProgram(CLI, [...small, ...words], { cwd: root });

const refused = async (...words: string[]) => report(await failure(runCommand(words), words.join(" ")));

const results = (name: string) => join(root, "runs", "ablation", name, "results.json");

/** Starts the small grid and kills it once a file is there. */
async function killedAt(file: string): Promise<void> {
  const child = spawn(process.execPath, [CLI, ...small, "--seeds", "2"], { cwd: root, stdio: "ignore" });
  const closed = new Promise((ended) => child.on("close", ended));
  const beat = setInterval(() => existsSync(file) && child.kill("SIGKILL"), 5);
  await closed;
  clearInterval(beat);
}

test("a killed ablation goes on by the same command: finished cells stay, the others are trained", async () => {
  await killedAt(results("vanilla-2022"));
  const first = readFileSync(results("vanilla-2022"), "utf8");
  const { mtimeMs } = statSync(results("vanilla-2022"));
  assert.not.ok(existsSync(results("snce-2023")));
  const { code, stdout, stderr } = await ablate("--seeds", "2");
  assert.is(code, 0, stderr);
  assert.match(stderr, /6 trainings in runs.ablation: 3 cells, 2 seeds; [1-5] are finished, [1-5] to train/);
  assert.is(readFileSync(results("vanilla-2022"), "utf8"), first);
  assert.is(statSync(results("vanilla-2022")).mtimeMs, mtimeMs);
  for (const name of ["snce-2022", "pretrained-pretrained-2023"]) assert.ok(existsSync(results(name)), name);
  assert.match(stderr, /vanilla too: pretrained-pretrained begins with its model/);
  assert.match(stderr, /begins with checkpoint\.safetensors: EmotionCLIP/i);
  assert.match(stderr, /\d+ of \d+ parameters begin at random, as the recipe asks/);
  assert.match(stdout, /EmotionCLIP \(vanilla\) +21\.97 .* ± .* 2 runs/);
  assert.match(stdout, /pretrained towers are better than random ones +mAP +\+11\.49 .*\(2 seeds\)/);
});

test("finished, it trains nothing and prints the same, as text, JSON and a page", async () => {
  const { code, stdout, stderr } = await ablate("--seeds", "2", "--json");
  assert.is(code, 0, stderr);
  assert.match(stderr, /6 are finished, 0 to train/);
  const { table1, runs, statements } = JSON.parse(stdout);
  assert.is(runs.length, 6);
  const mAP = [2022, 2023].map((seed) => {
    const { after } = JSON.parse(readFileSync(results(`vanilla-${seed}`), "utf8"));
    return 100 * after.find(([name]: [string]) => name === "mAP")[1];
  });
  const [{ mean, deviation }] = table1.rows[0].ours;
  assert.ok(Math.abs(mean - (mAP[0] + mAP[1]) / 2) < 1e-9);
  assert.ok(Math.abs(deviation - Math.abs(mAP[0] - mAP[1]) / Math.SQRT2) < 1e-9);
  assert.ok(statements.length > 0);
  assert.equal(JSON.parse(readFileSync(join(root, "runs", "ablation", "ablation.json"), "utf8")), JSON.parse(stdout));
  const page = readFileSync(join(root, "runs", "ablation", "report.html"), "utf8");
  assert.match(page, /Table 1: what subject and sentiment add[\s\S]*Table 3[\s\S]*Figure 6/);
  assert.not.match(page, /NaN|undefined/);
});

/** The parameters of a run as bytes of text, those of a tower or of a head. */
async function partOf(run: string, part: RegExp): Promise<Record<string, string>> {
  const file = await SafetensorsFile.open(join(root, "runs", run, "checkpoint.safetensors"));
  const found: Record<string, string> = {};
  for (const name of file.tensors.keys())
    if (part.test(name)) found[name] = Buffer.from((await file.floats(name)).buffer).toString("hex");
  await file.close();
  return found;
}

test("a part that is to begin at random begins as without a file; the others are the file's", async () => {
  const train = ["train", "--preset", "tiny", "--steps", "1", "--warmup", "0", "--lock-text", "--lock-image"];
  const given = ["--pretrained", join("runs", "ablation", "vanilla-2022"), "--fresh-text", "--fresh-head"];
  for (const words of [
    [...train, "--name", "anew"],
    [...train, ...given, "--name", "given"],
  ])
    assert.is((await runProgram(CLI, words, { cwd: root })).code, 0);
  const [text, image] = [/^backbone\.(?!visual|logit)/, /^backbone\.visual\./];
  assert.ok(Object.keys(await partOf("given", text)).length > 5);
  assert.equal(await partOf("given", text), await partOf("anew", text));
  assert.equal(await partOf("given", image), await partOf(join("ablation", "vanilla-2022"), image));
  assert.not.equal(await partOf("given", image), await partOf("anew", image));
});

test("the official layout is measured on labelled shards, or by BoLD's protocol", async () => {
  const model = { embed: 16, vision: { image: 32, patch: 16, width: 16, layers: 1, heads: 2, mlp: 32 } };
  const text = { context: 77, vocabulary: 49408, width: 16, layers: 1, heads: 2 };
  const head = { kind: "transformer", frames: 4, layers: 1, heads: 2, feedForward: 32, dropout: 0.1 };
  writeFileSync(join(root, "vit.json"), JSON.stringify({ ...model, text, head, activation: "gelu", subject: "sap" }));
  await writeOwnShards(join(root, "labelled"), { train: 12, test: 8 }, ["a", "b"], (i) => ({
    labels: { categories: [i % 2, 1 - (i % 2)], vad: [i % 3, i % 5, i % 7] },
  }));
  const length = ["--epochs", "0", "--steps", "2", "--schedule", "steps-cosine", "--warmup", "0", "--batch-size", "2"];
  const words = ["ablate", "--model", "vit.json", "--train-data", official, ...length, "--seeds", "1", "--json"];
  for (const [name, ...data] of [
    ["probed", "--probe-data", "labelled", "--cells", "vanilla,snce"],
    ["bold", "--eval-bold", resolve(official, "..", "bold"), "--cells", "snce"],
  ]) {
    const { code, stdout, stderr } = await runProgram(CLI, [...words, "--name", name, ...data], { cwd: root });
    assert.is(code, 0, stderr);
    const { table1, runs } = JSON.parse(stdout);
    const [mAP] = table1.rows[3].ours;
    assert.ok(mAP.mean > 0 && mAP.mean <= 100, stdout);
    assert.match(runs[0].figures[0][0], name === "bold" ? /^bold val mAP$/ : /^mAP$/);
    assert.match(table1.remarks.join(), /clips of your own/);
  }
});

test("cells take the step that --memory chooses, say so, and are the same ones when the command is given again", async () => {
  const words = [...small.slice(0, -1), "snce", "--seeds", "1", "--memory", "8GB", "--name", "fitted"];
  const first = await runProgram(CLI, words, { cwd: root });
  assert.is(first.code, 0, first.stderr);
  assert.match(first.stderr, /chosen for --memory 8GB: /);
  const { recipe, from } = JSON.parse(readFileSync(join(root, "runs", "fitted", "snce-2022", "results.json"), "utf8"));
  assert.is(recipe.micro, 0);
  assert.is(from.micro, "chosen for --memory 8GB");
  const again = await runProgram(CLI, words, { cwd: root });
  assert.is(again.code, 0, again.stderr);
  assert.match(again.stderr, /1 are finished, 0 to train/);
});

test("a folder of another recipe, or a damaged one, is refused by name before anything is trained", async () => {
  const other = await ablate("--seeds", "2", "--steps", "8");
  assert.is(other.code, 2);
  assert.match(
    other.stderr,
    /vanilla-2022: its run is of another recipe: steps 6 -> 8; give the ablation another --name/,
  );
  const whole = readFileSync(results("snce-2022"), "utf8");
  for (const damage of ["{", "[]", JSON.stringify({ after: [] })]) {
    writeFileSync(results("snce-2022"), damage);
    const { code, stderr } = await ablate("--seeds", "1");
    assert.is(code, 3, damage);
    assert.match(stderr, /snce-2022: results\.json: /);
  }
  writeFileSync(results("snce-2022"), whole);
});

test("what the grid does not have is refused", async () => {
  for (const [words, message] of [
    [["--seeds", "0"], /--seeds: "0" is not a whole number from 1 to 100/],
    [["--cells", "sapp"], /unknown cell "sapp" \(did you mean sap\?\); known: vanilla, /],
    [["--betas", "0,much"], /--betas: "much" is not a number/],
    [["--beta", "0"], /--beta: 0 is the cell sap/],
    [["--subject", "none"], /--subject: subject is the cells' own; --cells chooses among them/],
    [["--lock-text"], /--lock-text: lock-text is the cells' own/],
    [["--val-data", "x", "--eval-every", "5"], /--val-data: .* --probe-data/],
    [["--name", "../x"], /not a plain folder name/],
    [["--cells", "conv1d", "--preset", "tiny"], /cell conv1d: model: head\.frames is 2/],
  ] as const) {
    const { code, text } = await refused("ablate", ...words);
    assert.is(code, 2, text);
    assert.match(text, message);
  }
});

test("data without a figure of the tables is refused before anything is trained", async () => {
  const model = ["ablate", "--preset", "tiny", "--name", "none", "--cells", "vanilla"];
  const bare = await refused(...model, "--train-data", official);
  assert.is(bare.code, 2);
  assert.match(
    bare.text,
    /nothing to measure: it has no train-index\.json, no test-index\.json\n +--probe-data .* --eval-bold/,
  );
  await writeOwnShards(join(root, "unlabelled"), { train: 8, test: 4 }, [], () => ({}));
  const unlabelled = await refused(...model, "--train-data", "unlabelled");
  assert.is(unlabelled.code, 2);
  assert.match(unlabelled.text, /unlabelled: none of the tables' figures can be computed: its clips have no labels/);
  const both = await refused(...model, "--train-data", "unlabelled", "--probe-data", "x", "--eval-bold", "y");
  assert.match(both.text, /--probe-data and --eval-bold: one of them/);
  assert.not.ok(existsSync(join(root, "runs", "none")));
});

test.run();
