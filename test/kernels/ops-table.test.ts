// docs/ops.md is what the declarations say.
import { readFileSync } from "node:fs";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { ops } from "../../kernels/index.ts";
import { opsDocument } from "../../cli/commands/ops.ts";

test("docs/ops.md is up to date (emotionclip ops --write)", () => {
  assert.fixture(readFileSync("docs/ops.md", "utf8"), opsDocument());
});

test("every op has a section with its equation and its signature", () => {
  const document = opsDocument();
  for (const { name, about, sig } of ops) {
    assert.ok(about.length > 4, `${name}: about is "${about}"`);
    assert.ok(document.includes(`## ${name}\n\n${about}\n\n- signature: \`${sig.text}\``), name);
  }
});

test("an op that is exported says from where, and one that is not says so", () => {
  const document = opsDocument();
  assert.match(document, /## gelu\n[^#]*- import: `import { gelu } from "emotionclip-webgpu\/kernels"`\n/);
  assert.match(document, /## copy\n[^#]*- import: `import { copy } from "emotionclip-webgpu"`\n/);
  assert.match(document, /## add\n[^#]*from "emotionclip-webgpu\/kernels"`, a function that calls it\n/);
  assert.match(document, /## addTo\n[^#]*- import: none, it is a part of functions\n/);
});

test.run();
