// The report of a run whose log has suffered.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { Run } from "../../cli/job.ts";
import { reportRun } from "../../cli/pages/run-report.ts";
import { inTemporary } from "../kit/temporary.ts";

test("a damaged line of the log is counted in the report and costs no other", () =>
  inTemporary(async (folder) => {
    const lines = [1, 2, 3, 4].map((step) => JSON.stringify({ step, loss: 1 / step, lr: 1e-3, clipsPerSecond: 9 }));
    const sets = { train: { samples: 8 }, test: { samples: 4 } };
    const run = { job: { sets }, settings: { subject: "sap", steps: 4, batch: 2, seed: 1 }, folder } as unknown as Run;
    const trained = {
      before: [],
      after: [],
      seconds: 1,
      parameters: 10,
      attention: [],
      skipped: { count: 0, steps: [] },
    };
    const report = async () => {
      writeFileSync(join(folder, "metrics.jsonl"), `${lines.join("\n")}\n`);
      await reportRun(run, trained, "made up");
      return readFileSync(join(folder, "report.html"), "utf8");
    };
    assert.not.match(await report(), /left out of the curves/);
    lines[1] = lines[1].replace("0.5", "0\0");
    assert.match(await report(), /1 damaged lines, left out of the curves/);
  }));

test("steps that were skipped stand in the report", () =>
  inTemporary(async (folder) => {
    writeFileSync(join(folder, "metrics.jsonl"), "");
    const sets = { train: { samples: 8 }, test: { samples: 4 } };
    const run = { job: { sets }, settings: { subject: "sap", steps: 4, batch: 2, seed: 1 }, folder } as unknown as Run;
    const trained = { before: [], after: [], seconds: 1, parameters: 10, attention: [] };
    await reportRun(run, { ...trained, skipped: { count: 2, steps: [3, 17] } }, "made up");
    assert.match(readFileSync(join(folder, "report.html"), "utf8"), /2 steps with numbers that are not finite: 3, 17/);
    await reportRun(run, { ...trained, skipped: { count: 0, steps: [] } }, "made up");
    assert.not.match(readFileSync(join(folder, "report.html"), "utf8"), /not finite/);
  }));

test.run();
