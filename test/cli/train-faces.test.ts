// `emotionclip train` on clips of faces: texts, classes, measuring on the way, and what is refused before anything is written.
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { checkpointStory, chosenBy } from "../../cli/chosen-by.ts";
import { report, runCommand } from "../../cli/cli.ts";
import { sevenClasses, writeDfew, writeFaces } from "../kit/face-set.ts";
import { failure } from "../kit/refusal.ts";
import { runProgram } from "../run/program.ts";

const CLI = resolve("dist", "cli.js");
const root = mkdtempSync(join(tmpdir(), "emotionclip-faces-"));
process.on("exit", () => rmSync(root, { recursive: true, force: true }));
process.chdir(root);

await writeDfew(join(root, "DFEW"), "train", [0, 0, 0, 1, 1, 3, 3, 2, 4, 5, 6]);
await writeDfew(join(root, "DFEW"), "test", [0, 1, 2, 3, 4, 5, 6]);
await writeDfew(join(root, "shared"), "train", [0, 1]);
writeFileSync(join(root, "shared", "DFEW_set_1_test.txt"), "x/train-1 6 1\n");
const own = ["name,class,caption"];
for (const [i, word] of ["glad", "glad", "sad", "sad", "odd"].entries()) {
  await writeFaces(join(root, "own", `clip-${i}`), 9, i);
  own.push(`clip-${i},${word},"${i === 4 ? "-" : `somebody, who is ${word}, smiles ${i} times`}"`);
}
await writeFaces(join(root, "own", "test-0"), 9, 0);
writeFileSync(join(root, "own", "train.csv"), own.join("\n"));
writeFileSync(join(root, "own", "test.csv"), "name,class\ntest-0,glad\n");
writeFileSync(join(root, "own", "again.csv"), "name,class\nclip-0,glad\ntest-0,sad\n");
writeFileSync(join(root, "own", "gone.csv"), "name,class\nclip-0,glad\nclip-9,sad\nclip-8,sad\n");
const texts = [...sevenClasses, "contempt"].map((word) => `${word}: [${word}, a face of ${word}]`);
writeFileSync(join(root, "texts.yaml"), texts.join("\n"));
writeFileSync(join(root, "few.yaml"), "happiness: glad\nsadness: sad\n");
writeFileSync(join(root, "empty.yaml"), sevenClasses.map((word) => `${word}: " "`).join("\n"));

const small = [
  "--model",
  "tiny",
  "--steps",
  "3",
  "--batch-size",
  "2",
  "--warmup",
  "1",
  "--workers",
  "0",
  "--beta",
  "0",
];
const train = (...words: string[]) => runProgram(CLI, ["train", "--preset", "tiny", ...small, ...words], { cwd: root });

const runs = suite("train on faces");

runs(
  "descriptions of classes, one class left out, the others balanced; measured on the test split, which is said",
  async () => {
    const { code, stdout, stderr } = await train(
      ...[
        "--train-data",
        "dfew:DFEW",
        "--texts",
        "classes",
        "--classes",
        "texts.yaml",
        "--leave-out",
        "happy",
        "--resample",
      ],
      ...[
        "--every",
        "1",
        "--augment",
        "--val-data",
        "dfew:DFEW",
        "--eval-every",
        "2",
        "--best",
        "UAR",
        "--name",
        "loo",
      ],
    );
    assert.is(code, 0, stderr);
    assert.match(
      stderr,
      /dfew train, fold 1: 3 of 11 clips of happiness \(--leave-out\) are left out: train-0, train-1/,
    );
    assert.match(stderr, /dfew train, fold 1: has no class "contempt", of which texts\.yaml has texts/);
    assert.match(stderr, /dfew test, fold 1: list DFEW_set_1_test\.txt/);
    assert.match(stdout, /dfew train, fold 1: happiness 0, sadness 2, neutral 1, anger 2/);
    assert.match(stdout, /best UAR .* at step \d, chosen by UAR on dfew:DFEW, its test split, fold 1/);
    const results = JSON.parse(readFileSync(join(root, "runs", "loo", "results.json"), "utf8"));
    assert.equal(
      results.after.map(([name]: [string]) => name),
      ["WAR", "UAR", "recall happiness"],
    );
    const [{ faces, perEpoch, trained }] = results.sources;
    assert.equal([trained, perEpoch, faces.leftOut], [8, 12, { "of happiness (--leave-out)": 3 }]);
    assert.equal(faces.texts.anger, ["anger", "a face of anger"]);
    assert.match(results.chosenBy, /UAR on dfew:DFEW, its test split, fold 1/);
    assert.is(JSON.parse(readFileSync(join(root, "runs", "loo", "config.json"), "utf8")).leaveOut, "happy");
    const folder = join(root, "runs", "loo");
    const by = "UAR on dfew:DFEW, its test split, fold 1";
    for (const name of readdirSync(folder).filter((each) => /^ckpt-\d+$/.test(each))) {
      const step = Number(name.slice(5));
      const isBest = step === results.best.step;
      const told = isBest ? `chosen by ${by}` : `not the best one by ${by}, which is of step ${results.best.step}`;
      assert.is(await checkpointStory(join(folder, name)), `step ${step} of loo, ${told}`);
    }
    const last = results.best.step === 3 ? `chosen by ${by}` : `not the best one by ${by}, which is of step 2`;
    assert.is(await checkpointStory(folder), `the last step of loo, ${last}`);
    assert.match(await checkpointStory(join(root, "texts.yaml")), /by whoever made it/);
    assert.is(chosenBy({ best: "ema bold mAP", valData: "dfew:DFEW", fold: 1 }), "ema bold mAP, probes of BoLD");
    assert.match(chosenBy({ best: "WAR", valData: "stage-faces", fold: 1 })!, /^WAR on stage-faces$/);
  },
);

runs("captions of one's own list: a clip without one is left out and said; the others are what is said", async () => {
  const { code, stdout, stderr } = await train("--train-data", "own:own/train.csv", "--name", "own", "--every", "1");
  assert.is(code, 0, stderr);
  assert.match(stderr, /own train: 1 of 5 clips without a caption are left out: clip-4/);
  assert.match(stdout, /4 of 5 clips to train on, clips of faces/);
  const words = JSON.parse(readFileSync(join(root, "runs", "own", "words.json"), "utf8"));
  assert.ok(words.includes("smiles"));
});

runs("values about faces are said to be idle where there are no faces", async () => {
  const { code, stderr } = await runProgram(
    CLI,
    ["train", "--preset", "tiny", "--every", "2", "--resample", "--dry-run"],
    {
      cwd: root,
    },
  );
  assert.is(code, 0, stderr);
  assert.match(stderr, /--every has no effect here; it goes with clips of faces/);
});

const refused: readonly [words: string[], code: number, what: RegExp][] = [
  [
    ["dfew:DFEW"],
    2,
    /--texts captions: dfew train, fold 1 has none; none are published of this set, and --texts classes/,
  ],
  [["dfew:nowhere"], 3, /dfew:nowhere: no such folder/],
  [["dfew:"], 2, /dfew:: names no folder/],
  [["dfw:DFEW"], 2, /unknown face set dfw: \(did you mean dfew:\?\)/],
  [["dfew:DFEW", "--fold", "6"], 2, /--fold is 6/],
  [["dfew:DFEW", "--texts", "classes", "--fold", "2"], 3, /none of DFEW_set_2_train\.txt/],
  [
    ["dfew:DFEW", "--texts", "classes", "--leave-out", "hapiness"],
    2,
    /no class "hapiness" \(did you mean happiness\?\)/,
  ],
  [["dfew:DFEW", "--texts", "classes", "--classes", "few.yaml"], 2, /no text for neutral, anger/],
  [["dfew:DFEW", "--texts", "classes", "--classes", "empty.yaml"], 3, /empty\.yaml: a class without a text/],
  [
    ["dfew:shared", "--texts", "classes"],
    3,
    /"train-1" is tested, and trained on as well \(DFEW_set_1_train\.txt: line 2\)/,
  ],
  [["own:own/test.csv"], 2, /own train has none; a column caption of the list would say them/],
  [
    ["own:own/train.csv", "--every", "1", "--val-data", "own:own/again.csv", "--eval-every", "1"],
    3,
    /again\.csv: row 1 \(line 2\): "clip-0" is tested, and trained on as well \(train\.csv: row 1 \(line 2\)\)/,
  ],
  [["own:own/gone.csv"], 3, /own train: 2 of 3 listed clips have no frames.*clip-9, clip-8.*allowed are 1 %/],
];
for (const [words, code, what] of refused)
  runs(`refused before anything is written: --train-data ${words.join(" ")}`, async () => {
    const found = report(
      await failure(runCommand(["train", "--model", "tiny", "--batch-size", "2", "--train-data", ...words])),
    );
    assert.is(found.code, code, found.text);
    assert.match(found.text, what);
    assert.not.ok(existsSync(join(root, "runs", "train")));
  });

runs.run();
