// The report of a run: what is counted in it, and what it says of figures, clips and steps that are not as they should be.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { Run, Trained } from "../../cli/job.ts";
import { reportRun } from "../../cli/pages/run-report.ts";
import { comparisonText, rowsText } from "../../cli/pages/run-text.ts";
import { defaults } from "../../train/settings.ts";
import { inTemporary } from "../kit/temporary.ts";

const captions = {} as Trained["data"]["captions"]["train"];

/** A run of own clips in which nothing went wrong. */
const sound: Trained = {
  before: [],
  after: [],
  seconds: 1,
  data: { set: null, name: "mine", train: 8, test: 4, categories: 3, captions: { train: captions, test: captions } },
  clips: { train: { clips: 8, bad: [] }, test: { clips: 4, bad: [] } },
  training: { replaced: 0, idle: 0 },
  skipped: { count: 0, steps: [] },
  warnings: [],
  parameters: 10,
  attention: [],
};

/** The page of a run whose log has these lines. */
async function pageOf(folder: string, trained: Trained, lines: readonly string[] = []): Promise<string> {
  const sets = { train: { samples: 8 }, test: { samples: 4 } };
  const run = { job: { sets }, settings: { subject: "sap", steps: 4, batch: 2, seed: 1 }, folder } as unknown as Run;
  writeFileSync(join(folder, "metrics.jsonl"), lines.map((line) => `${line}\n`).join(""));
  await reportRun(run, trained, "made up");
  return readFileSync(join(folder, "report.html"), "utf8");
}

test("the report counts the categories of its data, and says of a figure that is not defined why", () =>
  inTemporary(async (folder) => {
    const rows: Trained["before"] = [
      ["mAP", 0.5],
      ["R2", Number.NaN, "not defined: nobody said it"],
    ];
    const page = await pageOf(folder, { ...sound, before: rows, after: rows });
    assert.match(page, /mean average precision of 3 categories/);
    assert.match(page, /dominance, ridge; not defined: nobody said it/);
    assert.match(page, /own clips, mine/);
    assert.not.match(page.replace(/<script>[\s\S]*?<\/script>/g, ""), /NaN|26 categories/);
  }));

test("a damaged line of the log is counted in the report and costs no other", () =>
  inTemporary(async (folder) => {
    const lines = [1, 2, 3, 4].map((step) => JSON.stringify({ step, loss: 1 / step, lr: 1e-3, clipsPerSecond: 9 }));
    assert.not.match(await pageOf(folder, sound, lines), /left out of the curves/);
    lines[1] = lines[1].replace("0.5", "0\0");
    assert.match(await pageOf(folder, sound, lines), /1 damaged lines, left out of the curves/);
  }));

test("clips that cannot be read, steps without a gradient and warnings stand in the report, and nothing where all is well", () =>
  inTemporary(async (folder) => {
    const clips = { train: { clips: 8, bad: [] }, test: { clips: 4, bad: [{ clip: "a", reason: "cut" }] } };
    const page = await pageOf(folder, {
      ...sound,
      clips,
      training: { replaced: 0, idle: 2 },
      warnings: ["<all> the same"],
    });
    assert.match(page, /0 of 8 to train on .*, 1 of 4 held out; none is measured/);
    assert.match(page, /2 steps had no gradient/);
    assert.match(page, /warning: &#60;all&#62; the same/);
    assert.not.match(await pageOf(folder, sound), /held out; none is measured|no gradient|warning/);
  }));

test("steps that were skipped stand in the report", () =>
  inTemporary(async (folder) => {
    const page = await pageOf(folder, { ...sound, skipped: { count: 2, steps: [3, 17] } });
    assert.match(page, /2 steps with numbers that are not finite: 3, 17/);
    assert.not.match(await pageOf(folder, sound), /not finite/);
  }));

test("steps that were skipped are told of one run, and of several side by side", () => {
  const skipped = { ...sound, skipped: { count: 2, steps: [3, 17] } };
  const told = /^skipped: 2 steps with numbers that are not finite: 3, 17$/m;
  assert.match(rowsText(skipped, "report.html"), told);
  const compared = (["none", "sap"] as const).map((subject) => ({ ...skipped, settings: { ...defaults, subject } }));
  assert.match(comparisonText(compared), told);
  assert.not.match(rowsText(sound, "report.html"), /skipped/);
});

test.run();
