// Every op, tested from its declaration alone. OPS=name,name limits it; SEED=n draws other cases; REPEAT={…} has the options of
// `checkOp` as JSON, for one op. A failure prints the line that repeats it.
import { test } from "uvu";
import { ops } from "../../kernels/index.ts";
import { runsOn, sharedGpu } from "./derive.ts";
import { testsOf } from "./op-tests.ts";
import { noRace } from "./race-claim.ts";
import { ClaimError, type ClaimOptions } from "./replay.ts";

const { OPS, SEED, REPEAT } = process.env;
const only = OPS?.split(",");
const options: ClaimOptions = { ...(SEED && { seed: Number(SEED) }), ...(REPEAT && JSON.parse(REPEAT)) };
const gpu = await sharedGpu();
console.log(`ops on ${gpu.facts.adapter}`);

/** Runs a test; its failure ends with the line that repeats it in a shell. */
const told = (op: string, run: () => Promise<void>) => () =>
  run().catch((error) => {
    if (error instanceof ClaimError) {
      error.stack = error.stack?.slice(error.stack.indexOf("\n    at ")); // uvu prints the message, then this
      error.message += `\nOPS=${op} REPEAT='${JSON.stringify(error.repeat)}' npm test -- kernels/ops.test`;
    }
    throw error;
  });

for (const op of ops) {
  if (only && !only.includes(op.name)) continue;
  if (!runsOn(op, gpu.facts)) test.skip(`${op.name}: this adapter has no f16`, () => {});
  else
    for (const { name, claim, run } of testsOf(op, gpu, options))
      if (claim !== noRace || options.claim === noRace) test(name, told(op.name, run)); // races.test.ts goes further
}

test.run();
