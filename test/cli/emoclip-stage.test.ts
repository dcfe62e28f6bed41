// The embedded training of EmoCLIP: the weights that come with the program, and a short training on a few drawn faces.
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { planFace } from "../../data/stage/faces/clip.ts";
import { ensureFaces, facesPlace, filesOfFaces } from "../../data/stage/faces/on-disk.ts";
import { expressionTexts } from "../../data/stage/faces/words.ts";
import { openWeights } from "../../data/formats/weights.ts";
import { wordsOf } from "../../data/tokenizer/words.ts";
import type { RecognitionPage } from "../../eval/recognition/page.ts";
import { wordsWith } from "../../model/checkpoint/tokenizer.ts";
import { runProgram } from "../run/program.ts";

const root = mkdtempSync(join(tmpdir(), "emotionclip-emoclip-stage-"));
process.on("exit", () => rmSync(root, { recursive: true, force: true }));
const run = (...words: string[]) => runProgram(resolve("dist", "cli.js"), words, { cwd: root });

/** A few clips of a split, without making the rest. */
async function faces(split: "train" | "test", clips: number): Promise<string> {
  const meter = { start() {}, at() {}, say() {} };
  return (await ensureFaces({ ...facesPlace(root, split), clips }, meter, { requested: undefined }))!;
}

test("the shipped CLIP knows every word of captions and class texts", async () => {
  const file = await openWeights(resolve("data/stage/faces/clip.safetensors"));
  const words = new Set(await wordsWith(file));
  await file.close();
  const captions = Array.from({ length: 1000 }, (_, i) => planFace(2022, "train", i).caption);
  const lacking = [...captions, ...Object.values(expressionTexts)].flatMap(wordsOf).filter((word) => !words.has(word));
  assert.equal([...new Set(lacking)], [], "npx emotionclip train --preset clip-stage, then npm run stage-clip");
});

test("npm run stage-clip makes the shipped weights of themselves; what is wrong ends without a stack; no adapter is looked for", async () => {
  const launched = (...words: string[]) =>
    runProgram(join("cli", "launch", "launch.mjs"), ["stage-clip", ...words], {
      env: { EMOTIONCLIP_ADAPTER: "no such adapter" },
    });
  const shipped = join("data", "stage", "faces", "clip.safetensors");
  const to = join(root, "clip.safetensors");
  const { code, stderr } = await launched(shipped, to);
  assert.is(code, 0, stderr);
  assert.ok(readFileSync(to).equals(readFileSync(shipped)));
  const faults: [string[], number, RegExp][] = [
    [[shipped], 2, /^error: stage-clip: expected a run's folder and a file to write$/m],
    [[join(root, "gone"), to], 3, /^error: gone: no such file$/m],
  ];
  for (const [words, exit, message] of faults) {
    const found = await launched(...words);
    assert.equal([found.code, found.stdout], [exit, ""], found.stderr);
    assert.match(found.stderr, message);
    assert.not.match(found.stderr, /^\s+at /m);
  }
});

test("a short training on drawn faces lowers the loss, and its run recognises; frozen weights alone do too", async () => {
  const { list } = filesOfFaces(await faces("train", 48));
  const tested = await faces("test", 20);
  const few = ["--steps", "12", "--warmup", "2", "--batch-size", "24", "--workers", "0", "--checkpoint-every", "12"];
  const { code, stderr } = await run(
    "train",
    "--preset",
    "emoclip-stage",
    "--train-data",
    `own:${list}`,
    ...few,
    "--name",
    "short",
  );
  assert.is(code, 0, stderr);
  const lines = readFileSync(join(root, "runs", "short", "metrics.jsonl"), "utf8")
    .trim()
    .split("\n");
  const losses = lines.map((line) => (JSON.parse(line) as { loss: number }).loss);
  assert.is(losses.length, 12);
  assert.ok(losses[11] < 0.8 * losses[0], losses.join(" "));
  const files = filesOfFaces(tested);
  const own = ["own", "--data", tested, "--list", files.list, "--classes", files.texts, "--every", "1", "--json"];
  for (const checkpoint of ["runs/short", "clip-stage"]) {
    const { code, stdout, stderr } = await run("recognise", ...own, "--checkpoint", checkpoint);
    assert.is(code, 0, stderr);
    const page = JSON.parse(stdout) as RecognitionPage;
    assert.is(page.folds[0].clips, 20);
    assert.is(page.classes.length, 10);
  }
});

test.run();
