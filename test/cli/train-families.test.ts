// `emotionclip train` with a model of another family, as a user has it: begun from CLIP's weights, killed and gone on with.
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { EmoClipConfig } from "../../model/index.ts";
import { runProgram } from "../run/program.ts";

const CLI = resolve("dist", "cli.js");
const root = mkdtempSync(join(tmpdir(), "emotionclip-families-"));
process.on("exit", () => rmSync(root, { recursive: true, force: true }));

const small: EmoClipConfig = {
  embed: 16,
  vision: { image: 32, patch: 16, width: 16, layers: 1, heads: 2, mlp: 32 },
  text: { context: 77, vocabulary: 49408, width: 16, layers: 1, heads: 2 },
  temporal: { frames: 4, positions: 8, layers: 1, heads: 2, headWidth: 6, hidden: 16 },
  activation: "quickGelu",
};
writeFileSync(join(root, "small.json"), JSON.stringify(small));

const words = ["train", "--preset", "tiny", "--model", "small.json", "--unlock-image", "--lr-backbone-rest", "1e-4"];
const descent = [
  "--optimizer",
  "sgd",
  "--schedule",
  "milestones",
  "--milestones",
  "1,2",
  "--warmup",
  "0",
  "--steps",
  "14",
];
const command = (name: string) => [...words, ...descent, "--equal-captions", "masked", "--name", name];

/** What a log says of each step, without what depends on the clock. */
const logOf = (name: string) =>
  readFileSync(join(root, "runs", name, "metrics.jsonl"), "utf8")
    .trim()
    .split("\n")
    .map((line) => {
      const { step, loss, norm, rates, logitScale } = JSON.parse(line);
      return { step, loss, norm, rates, logitScale };
    });

async function killedAt(name: string, lines: number): Promise<void> {
  const child = spawn(process.execPath, [CLI, ...command(name)], { cwd: root, stdio: "ignore" });
  const log = join(root, "runs", name, "metrics.jsonl");
  const closed = new Promise((ended) => child.on("close", ended));
  const beat = setInterval(() => {
    if (existsSync(log) && readFileSync(log, "utf8").split("\n").length > lines) child.kill("SIGKILL");
  }, 5);
  await closed;
  clearInterval(beat);
}

test("a small EmoCLIP that is killed and gone on with ends with the bits and rates of one that was not", async () => {
  const whole = await runProgram(CLI, command("whole"), { cwd: root });
  assert.is(whole.code, 0, whole.stderr);
  assert.match(
    whole.stderr,
    /warning: \d+ of \d+ parameters do not train, and without --pretrained they stay as random/,
  );
  assert.match(whole.stdout, /14 updates of [\d,]+ parameters, [\d,]+ more as they were/);
  await killedAt("killed", 5);
  const rest = await runProgram(CLI, command("killed"), { cwd: root });
  assert.is(rest.code, 0, rest.stderr);
  assert.equal(logOf("killed"), logOf("whole"));
  const digest = async (name: string) =>
    (await runProgram(CLI, ["inspect", "--digest", join("runs", name)], { cwd: root })).stdout.trim();
  assert.is(await digest("killed"), await digest("whole"));
  const rates = logOf("whole").map(({ rates }) => rates);
  assert.equal(rates[0], { temporal: 1.5e-3, backbone: 1e-4 });
  assert.ok(Math.abs(rates[13].temporal - 1.5e-5) < 1e-12, JSON.stringify(rates[13])); // two epochs of six steps are over
  const { subject, dropout } = JSON.parse(readFileSync(join(root, "runs", "whole", "config.json"), "utf8"));
  assert.equal([subject, dropout], ["none", 0]);
});

test.run();
