// The faults of npm run mutants, before they are tried: each has its text, and the test that has to notice it.
import { existsSync } from "node:fs";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { hostMutations } from "../mutants/host-list.ts";
import { faultyText } from "../mutants/on-host.ts";

test("every fault of the host side still has its text, once, and its test file", () => {
  assert.ok(hostMutations.length >= 40);
  for (const mutation of hostMutations) {
    faultyText(mutation);
    assert.ok(existsSync(`test/${mutation.test}`), `there is no test/${mutation.test}`);
  }
});

test.run();
