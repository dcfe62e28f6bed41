// docs/examples: each file is short, runs as it stands, and prints what it is about.
import { existsSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { runProgram } from "../run/program.ts";

const folder = join("docs", "examples");
const examples = existsSync(folder)
  ? readdirSync(folder)
      .filter((name) => name.endsWith(".ts"))
      .sort()
  : [];

test("the examples are numbered from 01 without a gap", () => {
  assert.ok(examples.length >= 6, `${examples.length} examples`);
  examples.forEach((name, i) => {
    assert.is(name.slice(0, 3), `${String(i + 1).padStart(2, "0")}-`, name);
  });
});

/** What a reader should see, by the example's number: a text that must be there, or a test of what was printed. */
const shows: Record<string, RegExp | ((printed: string) => boolean)> = {
  "01": /14, 25, 20, 31.*ShapeError: matmul: /s,
  "02": /y = (3\.00|2\.99)\d x \+ -(1\.00|0\.99)\d/,
  "03": /\[ 25, 169 \].*\[ 25, 169 \]/s,
  "04": /passed: softsign: the gradient.*fails at \{ N: 1 \}.*the slope is.*\n *checkOp\(wrongSoftsign, gpu, \{.*again: the gradient/s,
  "05": (printed) => {
    const losses = [...printed.matchAll(/loss (\S+)/g)].map(([, loss]) => Number(loss));
    return losses.length === 5 && losses[4] < losses[0] / 3;
  },
  "06": /GFLOP\/s at best.*matmul forward/s,
  "07": /clips 3 x 64, texts 2 x 64.*clip 2: cosines -?0\.\d{3} and -?0\.\d{3}/s,
  "08": /feels joy +joy .*shows a scream +fear .*top-1 1\.00, WAR 1\.00, UAR 1\.00/s,
  "09": /mAP 0\.[5-9]\d\d, 95 % in 0\.\d{3} to 0\.\d{3}.*AUC 0\.[6-9]\d\d.*joy +AP 0\.\d{3}/s,
  "10": (printed) => {
    const losses = [...printed.matchAll(/loss (\S+)/g)].map(([, loss]) => Number(loss));
    const written = printed.slice(printed.indexOf("Shall I"));
    return losses.length === 8 && losses[0] < 3 && losses[7] < losses[0] / 2 && written.trimEnd().length > 300;
  },
  "11": /passed: turn: .*length stays: yes.*number stays: not for \[\[/s,
  "13": /ring: step 200 .*left in the file: out\.weight, out\.bias.*the first layer stayed/s,
  "12": /\d{3} spans in .*plan: \d+\.\d\d ms in the first.*busy in \S+ of \S+ ms; longest launch \w+/s,
};

/** What an example is given: a place for the file that it writes. */
const given: Record<string, string[]> = {
  "12": [join("dist", `trace-${process.pid}.json`)],
  "13": [join("dist", `ring-${process.pid}.safetensors`)],
};

/** As a user runs it, behind the launcher, which has built the command line before the tests. */
const example = (...words: string[]) => runProgram(join("dist", "example-cli.js"), ["example", ...words]);

for (const name of examples) {
  const most = name === "10-gpt.ts" ? 100 : 40;
  test(`${name} is under ${most} lines`, () => {
    assert.ok(readFileSync(join(folder, name), "utf8").trimEnd().split("\n").length < most);
  });
  test(`${name} runs and prints`, async () => {
    const { code, stdout, stderr } = await example(name.slice(0, 2), ...(given[name.slice(0, 2)] ?? []));
    assert.is(code, 0, stderr.slice(-4000));
    assert.ok(stdout.trim().length > 0, "it printed nothing");
    const shown = shows[name.slice(0, 2)] ?? /./;
    assert.ok(typeof shown === "function" ? shown(stdout) : shown.test(stdout), stdout);
  });
}

test("the trace is one: events with names and times, on two threads", () => {
  const [path] = given["12"];
  const { traceEvents } = JSON.parse(readFileSync(path, "utf8")) as { traceEvents: { ph: string; tid: number }[] };
  rmSync(path);
  assert.equal([...new Set(traceEvents.filter(({ ph }) => ph === "X").map(({ tid }) => tid))].sort(), [1, 2]);
});

test("the examples import the package by its name", () => {
  for (const name of examples)
    for (const [, from] of readFileSync(join(folder, name), "utf8").matchAll(/^import .* from "([^"]+)";$/gm))
      assert.match(from, /^(emotionclip-webgpu(\/\w+)?|node:\w+|fast-check)$/, name);
});

test("example lists them with a line each", async () => {
  const { code, stdout } = await example();
  assert.is(code, 0);
  for (const name of examples) assert.match(stdout, new RegExp(`^${name.slice(0, -3)} +[A-Z].{20,}$`, "m"));
});

test("example --print shows the text, by number or name", async () => {
  const text = readFileSync(join(folder, "03-your-first-kernel.ts"), "utf8");
  for (const word of ["03", "3", "your-first-kernel", "03-your-first-kernel"])
    assert.is((await example(word, "--print")).stdout, text, word);
});

test("an example that is not there is refused with the nearest one", async () => {
  const { code, stderr } = await example("your-first-kernle");
  assert.is(code, 2);
  assert.match(stderr, /no example "your-first-kernle"; did you mean 03-your-first-kernel\?/);
  const beyond = await example("99");
  assert.is(beyond.code, 2);
  assert.match(beyond.stderr, /no example "99"; did you mean \d\d-/);
});

test("an example hears of the adapter that is asked for", async () => {
  const { code, stderr } = await example("01", "--adapter", "no such adapter");
  assert.is(code, 4, stderr);
  assert.match(stderr, /no such adapter/);
});

test.run();
