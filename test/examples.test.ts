// docs/examples: each file is short, runs as it stands, and prints what it is about.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { build } from "esbuild";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { settings } from "../train/launch/bundle.mjs";
import { runProgram } from "./run/program.ts";

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

test.before(async () => {
  if (examples.length === 0) return;
  await build({
    ...settings,
    entryPoints: examples.map((name) => join(folder, name)),
    outdir: join("dist", "examples"),
    absWorkingDir: process.cwd(),
  });
});

for (const name of examples) {
  test(`${name} is under 40 lines`, () => {
    assert.ok(readFileSync(join(folder, name), "utf8").trimEnd().split("\n").length < 40);
  });
  test(`${name} runs and prints`, async () => {
    const { code, stdout, stderr } = await runProgram(join("dist", "examples", name.replace(/\.ts$/, ".js")));
    assert.is(code, 0, stderr.slice(-4000));
    assert.ok(stdout.trim().length > 0, "it printed nothing");
  });
}

test.run();
