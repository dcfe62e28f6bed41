// `emotionclip train` on several sources: plain tars beside the embedded clips, by factors, gone on with to the same bits; and what of
// --train-data is refused.
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { packTar } from "modern-tar";
import sharp from "sharp";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { report, runCommand } from "../../cli/cli.ts";
import { failure } from "../kit/refusal.ts";
import { runProgram } from "../run/program.ts";

const CLI = resolve("dist", "cli.js");
const root = mkdtempSync(join(tmpdir(), "emotionclip-sources-"));
process.on("exit", () => rmSync(root, { recursive: true, force: true }));
process.chdir(root);

const picture = (tint: number) =>
  sharp({ create: { width: 96, height: 80, channels: 3, background: { r: tint, g: 255 - tint, b: 7 } } })
    .jpeg()
    .toBuffer();

async function writeTar(name: string, clips: readonly number[]): Promise<void> {
  const members: [string, Uint8Array][] = [];
  for (const i of clips) {
    members.push([`${i}.txt`, Buffer.from(`somebody waves ${i} times`)]);
    for (let t = 0; t < 8; t++) members.push([`${i}.${t}.jpg`, await picture((40 * i + 9 * t) % 256)]);
  }
  members.push(["notes.csv", Buffer.from("a,b")]);
  const packed = members.map(([path, body]) => ({
    header: { name: path, size: body.length },
    body: new Uint8Array(body),
  }));
  writeFileSync(join(root, "own", name), await packTar(packed));
}
mkdirSync(join(root, "own"));
await writeTar("waves-00.tar", [0, 1, 2]);
await writeTar("waves-01.tar", [3, 4]);

const mixture = ["--preset", "tiny", "--train-data", "tiny::own/waves-{00..01}.tar", "--batch-size", "8"];
const factors = ["--train-data-upsampling-factors", "0.5::4", "--steps", "8", "--checkpoint-every", "3"];

const runs = suite();

runs("several sources train by their factors, and a run that was cut off ends with the same bits", async () => {
  const train = (...words: string[]) => runProgram(CLI, ["train", ...mixture, ...factors, ...words], { cwd: root });
  const whole = await train("--name", "whole");
  assert.is(whole.code, 0, whole.stderr);
  assert.match(whole.stdout, /53 of 53 clips to train on, shards and plain tars/);
  assert.match(
    whole.stdout,
    /\(shards\): 48 clips times 0\.5, 54\.5 % of an epoch\nown \(plain tars\): 5 clips times 4, 45\.5 %/,
  );
  assert.match(whole.stderr, /own: members that are passed over: \.csv 2/);
  assert.match(whole.stderr, /own: 5 of 5 clips have no sentiment; theirs is seven logits of 0/);
  const { sources } = JSON.parse(readFileSync(join(root, "runs", "whole", "results.json"), "utf8"));
  assert.equal(
    sources.map(({ trained, factor, perEpoch }: Record<string, number>) => [trained, factor, perEpoch]),
    [
      [48, 0.5, 24],
      [5, 4, 20],
    ],
  );
  await killed("cut", 4);
  const { code, stderr } = await train("--name", "cut", "--workers", "2", "--override", "workers");
  assert.is(code, 0, stderr);
  assert.is(lossesOf("whole").length, 8);
  assert.equal(lossesOf("cut"), lossesOf("whole"));
});

/** Starts the run and kills it once its log has so many lines. */
async function killed(name: string, most: number): Promise<void> {
  const words = [CLI, "train", ...mixture, ...factors, "--name", name];
  const child = spawn(process.execPath, words, { cwd: root, stdio: "ignore" });
  const closed = new Promise((ended) => child.on("close", ended));
  const log = join(root, "runs", name, "metrics.jsonl");
  const beat = setInterval(() => {
    if (existsSync(log) && readFileSync(log, "utf8").split("\n").length > most) child.kill("SIGKILL");
  }, 5);
  await closed;
  clearInterval(beat);
  assert.not.ok(existsSync(join(root, "runs", name, "results.json")));
}

const lossesOf = (name: string): number[] => {
  const lines = readFileSync(join(root, "runs", name, "metrics.jsonl"), "utf8")
    .trim()
    .split("\n");
  const losses = lines.map((line) => JSON.parse(line).loss);
  assert.ok(losses.every(Number.isFinite));
  return losses;
};

const refused: readonly [words: string[], code: number, what: RegExp][] = [
  [["own/waves-{00..03}.tar"], 3, /2 of the 4 that it names are not there: own\/waves-02\.tar, own\/waves-03\.tar/],
  [["own/*.zip"], 3, /own\/\*\.zip: nothing there has such a name/],
  [["own::"], 2, /--train-data: "own::" names an empty source/],
  [["own::own", "--train-data-upsampling-factors", "1"], 2, /1 factors for 2 sources; each has one, separated by ::/],
  [["own::own", "--train-data-upsampling-factors", "1::0"], 2, /"0" is not a number above 0/],
  [["own::own", "--train-data-upsampling-factors", "1::x"], 2, /"x" is not a number above 0/],
  [["own/waves-00.tar", "--batch-size", "4"], 2, /a batch of 4 clips, but there are only 3/],
  [["notes.txt"], 2, /notes\.txt is neither a folder nor a \.tar file/],
];
writeFileSync(join(root, "notes.txt"), "no tar");
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
