// The report of a run whose log has suffered.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { Run, Trained } from "../../cli/job.ts";
import { reportRun } from "../../cli/pages/run-report.ts";
import { inTemporary } from "../kit/temporary.ts";

const data = { set: null, name: "mine", train: 8, test: 4, categories: 3 };

test("the report counts the categories of its data, and says of a figure that is not defined why", () =>
  inTemporary(async (folder) => {
    writeFileSync(join(folder, "metrics.jsonl"), "");
    const sets = { train: { samples: 8 }, test: { samples: 4 } };
    const run = { job: { sets }, settings: { subject: "sap", steps: 4, batch: 2, seed: 1 }, folder } as unknown as Run;
    const rows = [
      ["mAP", 0.5],
      ["R2", Number.NaN, "not defined: nobody said it"],
    ];
    const trained = {
      before: rows,
      after: rows,
      seconds: 1,
      data,
      parameters: 10,
      attention: [],
    } as unknown as Trained;
    await reportRun(run, trained, "made up");
    const page = readFileSync(join(folder, "report.html"), "utf8");
    assert.match(page, /mean average precision of 3 categories/);
    assert.match(page, /dominance, ridge; not defined: nobody said it/);
    assert.match(page, /own clips, mine/);
    assert.not.match(page.replace(/<script>[\s\S]*?<\/script>/g, ""), /NaN|26 categories/);
  }));

test("a damaged line of the log is counted in the report and costs no other", () =>
  inTemporary(async (folder) => {
    const lines = [1, 2, 3, 4].map((step) => JSON.stringify({ step, loss: 1 / step, lr: 1e-3, clipsPerSecond: 9 }));
    const sets = { train: { samples: 8 }, test: { samples: 4 } };
    const run = { job: { sets }, settings: { subject: "sap", steps: 4, batch: 2, seed: 1 }, folder } as unknown as Run;
    const clips = { train: { clips: 8, bad: [] }, test: { clips: 4, bad: [{ clip: "a", reason: "cut" }] } };
    const faults = { clips, training: { replaced: 0, idle: 2, skipped: 0 }, warnings: ["<all> the same"] };
    const outcome = { before: [], after: [], seconds: 1, data, ...faults };
    const trained = { ...outcome, parameters: 10, attention: [] } as unknown as Trained;
    const report = async () => {
      writeFileSync(join(folder, "metrics.jsonl"), `${lines.join("\n")}\n`);
      await reportRun(run, trained, "made up");
      return readFileSync(join(folder, "report.html"), "utf8");
    };
    const page = await report();
    assert.not.match(page, /left out of the curves/);
    assert.match(page, /0 of 8 to train on .*, 1 of 4 held out; none is measured/);
    assert.match(page, /2 steps had no gradient/);
    assert.match(page, /warning: &#60;all&#62; the same/);
    lines[1] = lines[1].replace("0.5", "0\0");
    assert.match(await report(), /1 damaged lines, left out of the curves/);
  }));

test.run();
