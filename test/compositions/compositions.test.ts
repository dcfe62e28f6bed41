// Random programs of ops, scopes, tapes, reads and updates against float64: see program.ts and interpret.ts.
import { test } from "uvu";
import * as assert from "uvu/assert";
import { checkCompositions } from "./property.ts";

test("500 random programs have the values and gradients of float64, or are refused for a reason", async () => {
  const counts = await checkCompositions(500, { seed: 2022 });
  assert.ok(counts.programs >= 500 && counts.compared > 5 * counts.programs, JSON.stringify(counts));
  assert.ok(counts.refused < counts.programs / 4, JSON.stringify(counts));
});

test.run();
