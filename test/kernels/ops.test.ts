// Every op, tested from its declaration alone. OPS=name,name limits it; SEED=n draws other cases.
import { test } from "uvu";
import { ops } from "../../kernels/index.ts";
import { runsOn, sharedGpu } from "./derive.ts";
import { testsOf } from "./op-tests.ts";

const only = process.env.OPS?.split(",");
const gpu = await sharedGpu();
console.log(`ops on ${gpu.facts.adapter}`);

for (const op of ops) {
  if (only && !only.includes(op.name)) continue;
  if (runsOn(op, gpu.facts)) for (const { name, run } of testsOf(op, gpu)) test(name, run);
  else test.skip(`${op.name}: this adapter has no f16`, () => {});
}

test.run();
