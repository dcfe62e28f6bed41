// The paper beside ours: which runs stand in which row, why a gap is one, what reweighting does to a batch, and pages in which
// foreign text stays text.
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { FormatError } from "../../engine/errors.ts";
import { compare } from "../../eval/paper/compare.ts";
import { ablationGrid, reducedGrid } from "../../eval/paper/grid.ts";
import { matrix } from "../../eval/matrix.ts";
import { protocols } from "../../eval/probes/protocol.ts";
import type { EvaluationResult } from "../../eval/paper/result.ts";
import { resultText } from "../../eval/paper/result.ts";
import { type LogitBatch, reweight } from "../../eval/paper/reweighting.ts";
import { runCommand } from "../../cli/cli.ts";
import { evaluationPage } from "../../cli/pages/eval-page.ts";
import { finishedRuns, newestRun, type RunSummary } from "../../train/runs/runs.ts";
import { defaults } from "../../train/settings.ts";
import { tablesPage } from "../../cli/pages/tables-page.ts";
import { tablesText } from "../../cli/pages/tables-text.ts";
import { refusal } from "../kit/refusal.ts";
import { inTemporary } from "../kit/temporary.ts";

const run = (given: Partial<RunSummary>, mAP: number): RunSummary => ({
  folder: "runs/x",
  subject: "sap",
  beta: 1,
  head: "transformer",
  text: "random",
  frames: "random",
  seed: 2022,
  setting: "450 steps",
  figures: [
    ["mAP", mAP],
    ["AUC", 0.9],
    ["R2", 0.5],
  ],
  ...given,
});

/** Four rows of Table 1, the other points of Figure 6, another head; each twice. */
const cells = ablationGrid(reducedGrid).filter(({ text, frames }) => text === "random" && frames === "random");
const all = cells.flatMap((variant, i) => [
  run({ ...variant, seed: 1 }, 0.5 + i / 100),
  run({ ...variant, seed: 2 }, 0.52 + i / 100),
]);

const result = (text: string): EvaluationResult => ({
  benchmark: "bold",
  source: text,
  splits: [{ name: "train", samples: 10, width: 4 }],
  decisions: [{ name: "clip", value: "folder", about: text, isOfficial: true }],
  notes: [text],
  tasks: [
    {
      task: "emotions",
      split: "val",
      samples: 10,
      figures: [
        { name: "mAP", value: 0.2251, unit: "percent", interval: { low: 0.2, high: 0.3, undefinedResamples: 1 } },
        { name: "AUC", value: Number.NaN, unit: "percent", undefinedClasses: [text], meanDefined: 0.7 },
      ],
      perClass: { columns: ["in test", "AP"], rows: [[text, 3, 0.25]] },
      confusion: {
        classes: [text, "b"],
        counts: [
          [1, 2],
          [0, 4],
        ],
      },
    },
  ],
  seconds: { features: 1, probes: 2 },
});

test("Table 1 puts runs into their rows, with mean, deviation and change", () => {
  const { table1 } = compare(all, []);
  const [vanilla, saam, sap, snce] = table1.rows;
  assert.equal(vanilla.published, [21.97, 68.85, 0.13]);
  assert.equal(
    [vanilla, saam, sap, snce].map(({ runs }) => runs),
    [2, 2, 2, 2],
  );
  assert.ok(Math.abs(vanilla.ours![0].mean - 51) < 1e-9 && Math.abs(vanilla.ours![0].deviation - Math.SQRT2) < 1e-9);
});

test("Figure 6 has a point for each beta of the full method, in order", () => {
  const { figure6 } = compare(all, []);
  assert.equal(
    figure6.points.map(({ beta }) => beta),
    [0, 0.1, 1, 10],
  );
  assert.match(compare([run({}, 0.5)], []).figure6.remarks.join(), /No run of ours with beta 0, 0\.1, 10/);
});

test("a gap says why: a run to make, a checkpoint that nobody has, a data set to evaluate on", () => {
  const { table1, table3, table4 } = compare([], []);
  assert.match(table1.rows[1].why!, /no run; emotionclip ablate --cells saam/);
  assert.match(table3.rows[0].why!, /no run; emotionclip ablate --cells pretrained-pretrained/);
  assert.match(table4[0].rows.at(-1)!.why!, /emotionclip eval bold .* --results bold\.json/);
  for (const table of [table1, table3, ...table4])
    for (const row of table.rows)
      assert.ok(row.ours || row.why || row.name === "EmotionCLIP", `${table.title}: ${row.name} has no reason`);
});

test("runs at another setting than most are left out, by name", () => {
  const odd = run({ folder: "runs/odd", setting: "10 steps" }, 0.9);
  const { leftOut, table1, setting } = compare([odd, ...all], []);
  assert.equal(leftOut, ["runs/odd: 10 steps"]);
  assert.is(setting, "450 steps");
  assert.is(table1.rows[3].runs, 2);
});

test("a run that was repeated with its seed counts once, the later one", () => {
  const twice = [run({ folder: "runs/a", seed: 1 }, 0.1), run({ folder: "runs/tables/a", seed: 1 }, 0.3)];
  const row = compare(twice, []).table1.rows[3];
  assert.is(row.runs, 1);
  assert.ok(Math.abs(row.ours![0].mean - 30) < 1e-9);
});

test("a run on somebody's own data has a row of its own name, and none of the paper's", () => {
  const own = run({ folder: "runs/mine", own: "mine: 40 clips to train on, 16 held out, 3 categories" }, 0.99);
  const noted = {
    ...own,
    figures: [
      ["mAP", 0.99],
      ["R2", Number.NaN, "not defined: why"],
    ] as RunSummary["figures"],
  };
  const comparison = compare([...all, noted], []);
  const { others, ...paper } = comparison;
  assert.equal(paper, (({ others: _, ...rest }) => rest)(compare(all, [])));
  const [{ title, columns, rows, remarks }] = others;
  assert.is(title, "Own data, mine: 40 clips to train on, 16 held out, 3 categories");
  assert.equal([columns, rows[0].values, remarks], [["mAP", "R2"], [0.99, undefined], ["R2: not defined: why"]]);
  assert.match(rows[0].name, /^runs\/mine \(subject sap/);
  for (const page of [tablesText(comparison), tablesPage(comparison)]) {
    assert.match(page, /Own data, mine: 40 clips/);
    assert.match(page, /0\.9900/);
    assert.not.match(page, /NaN/);
  }
});

test("evaluations that Table 4 does not have stand by themselves", () => {
  for (const benchmark of ["own", "stage"] as const) {
    const { others, table4 } = compare([], [{ ...result("mine"), benchmark }]);
    assert.match(others[0].title, benchmark === "own" ? /^Own data, evaluated: emotions, val/ : /^stage, evaluated/);
    assert.ok(table4.every(({ rows }) => rows.every(({ name }) => name !== "mine")));
  }
});

test("runs tell what they were trained on; those of version 0.1 by the name of the folder", () =>
  inTemporary(async (folder) => {
    const put = (name: string, data: string, outcome: object) => {
      mkdirSync(join(folder, name));
      const config = { ...defaults, model: { head: { kind: "mean" } }, data };
      writeFileSync(join(folder, name, "config.json"), JSON.stringify(config));
      const results = { before: [], after: [["mAP", null, "not defined"]], seconds: 1, ...outcome };
      writeFileSync(join(folder, name, "results.json"), JSON.stringify(results));
    };
    const about = { name: "x", train: 40, test: 16, categories: 3 };
    put("a", "/s/x", { data: { ...about, set: "stage" } });
    put("b", "/s/v2-seed2022", { data: { ...about, set: null } });
    put("c", "/s/v2-seed2022", {});
    put("d", "/s/mine", {});
    const own = (await finishedRuns(folder)).map((each) => each.own);
    assert.equal(own, [undefined, "x: 40 clips to train on, 16 held out, 3 categories", undefined, "mine"]);
  }));

test("an evaluation stands in its part of Table 4, in the paper's units", () => {
  const bold = compare([], [result("mine")]).table4.find(({ id }) => id === "table4-bold")!;
  const mine = bold.rows.at(-1)!;
  assert.is(mine.name, "mine");
  assert.ok(Math.abs(mine.ours![0].mean - 22.51) < 1e-9 && Number.isNaN(mine.ours![1].mean));
});

const options = { seed: 2022, numRuns: 200, includeErrorInReport: true };
const batches = fc
  .integer({ min: 1, max: 12 })
  .chain((B) =>
    fc.record({
      logits: fc.array(fc.double({ min: -20, max: 20, noNaN: true }), { minLength: B * B, maxLength: B * B }),
      sentiment: fc.array(fc.double({ min: -4, max: 4, noNaN: true }), { minLength: B * 7, maxLength: B * 7 }),
      texts: fc.array(fc.constantFrom("a", "b", "c", "d", "e", "f", "g"), { minLength: B, maxLength: B }),
    }),
  )
  .map(({ logits, sentiment, texts }): LogitBatch => {
    const B = texts.length;
    return {
      logits: matrix(B, B, Float64Array.from(logits)),
      sentiment: matrix(B, 7, Float64Array.from(sentiment)),
      texts,
    };
  });

test("reweighting leaves the positive pair, lowers every other, the nearer sentiments the more", () => {
  fc.assert(
    fc.property(batches, fc.constantFrom(0.1, 1, 10), (batch, beta) => {
      const { texts } = reweight(batch, { beta, form: "code" });
      const [positive, ...others] = texts;
      assert.is(positive.after, positive.before);
      for (const { before, after, kl } of others) {
        // w = β / KL, at most 1e6
        const w = Math.min(beta / kl, 1e6);
        assert.ok(Math.abs(before - after - w) <= 1e-6 * w, `${before} to ${after} at KL ${kl}`);
      }
      const kls = others.filter(({ role }) => role === "false negative").map(({ kl }) => kl);
      const far = others.filter(({ role }) => role === "true negative").map(({ kl }) => kl);
      if (far.length > 0) assert.ok(Math.max(...kls) <= Math.min(...far));
      assert.is(new Set(texts.map(({ text }) => text)).size, texts.length);
    }),
    options,
  );
});

test("beta 0 changes nothing and removes nothing", () => {
  fc.assert(
    fc.property(batches, (batch) => {
      const { texts, removed } = reweight(batch, { beta: 0, form: "code" });
      assert.is(removed, 0);
      for (const { before, after } of texts) assert.is(after, before);
    }),
    options,
  );
});

test("the published example has the weights that its logits say", () => {
  const { published } = compare([], []).table2;
  assert.equal(
    published.map(({ before, after }) => Math.round(before - after)),
    [0, 710, 107, 0, 0],
  );
});

const hostile = `</table><script>alert(1)</script><img src=x onerror="alert(2)">'&\u0000\u001b[2J`;
const tags = (page: string) => [...page.matchAll(/<[a-z!/][^\s>]*/gi)].map(([tag]) => tag);

test("foreign text stays text on both pages, which load and run nothing", () => {
  const shown = (text: string) => {
    const batch = {
      logits: matrix(2, 2, Float64Array.of(9, 8, 7, 6)),
      sentiment: matrix(
        2,
        7,
        new Float64Array(14).map((_, i) => i % 5),
      ),
      texts: [text, "b"],
    };
    const ours = reweight(batch, { beta: 1, form: "code" });
    const comparison = compare([...all, run({ folder: text, setting: text }, 1)], [result(text)], {
      ours,
      source: text,
    });
    return [tablesPage(comparison), evaluationPage(result(text), protocols.bold)];
  };
  const [plain, pages] = [shown("plain"), shown(hostile)];
  assert.match(plain[1], /Probes fitted on frozen, L2-normalised features of the train split/);
  for (const [i, page] of pages.entries()) {
    assert.equal(tags(page), tags(plain[i]));
    assert.not.match(page, /<script|<[^>]*\s(?:src|href)=|@import|url\(/i);
    assert.match(page, /default-src &#39;none&#39;/);
    assert.not.match(page, /[^\P{Cc}\n\t]/u);
  }
});

test("the text has every table, and numbers where there are runs", () => {
  const text = tablesText(compare(all, [result("mine")]));
  for (const title of ["Table 1", "Table 2", "Table 3", "Table 4, BoLD", "Table 4, LIRIS-ACCEDE", "Figure 6"])
    assert.ok(text.includes(title), title);
  assert.match(text, /\+ SAP & SNCE +22\.51 +69\.30 +0\.133 +54\.00 ± 1\.41 +90\.00 ± 0\.00/);
  const page = resultText(result("mine"), protocols.bold, true);
  assert.match(page, /mAP +22\.51 +95 % in 20\.00 to 30\.00 \(1 resamples undefined\)/);
  assert.match(page, /undefined for mine; mean of the others 70\.00/);
  assert.match(page, /EmotionCLIP, linear +22\.51 +69\.30 +0\.133/);
});

test("tables refuses a bad checkpoint before it makes data for it", () =>
  inTemporary(async (folder) => {
    writeFileSync(join(folder, "bad.pt"), "no weights");
    const error = await refusal(runCommand(["tables", "--runs", folder, "--checkpoint", join(folder, "bad.pt")]));
    assert.match(error.message, /^bad\.pt: not a file of weights/);
  }));

test("finished runs are found one and two levels below; unfinished ones are not; damaged ones are refused by name", () =>
  inTemporary(async (folder) => {
    const config = { ...defaults, model: { head: { kind: "mean" } }, data: "/somewhere/v2" };
    const outcome = { before: [["mAP", 0.1]], after: [["mAP", null]], seconds: 1 };
    const put = (path: string, name: string, value: unknown) => {
      mkdirSync(join(folder, path), { recursive: true });
      writeFileSync(join(folder, path, name), typeof value === "string" ? value : JSON.stringify(value));
    };
    for (const path of ["a", "tables/b"]) {
      put(path, "config.json", config);
      put(path, "results.json", outcome);
    }
    put("open", "config.json", config);
    const found = await finishedRuns(folder);
    assert.equal(
      found.map((each) => each.folder.slice(folder.length + 1)),
      ["a", "tables/b"],
    );
    assert.ok(
      found[0].head === "mean" && Number.isNaN(found[0].figures[0][1]) && found[0].setting === found[1].setting,
    );
    assert.is(await newestRun(folder), undefined);
    put("a", "checkpoint.safetensors", "x");
    assert.is(await newestRun(folder), join(folder, "a"));
    put("a", "config.json", { ...config, lr: 0.5 });
    assert.not.equal((await finishedRuns(folder))[0].setting, found[0].setting);
    assert.equal(await finishedRuns(join(folder, "nowhere")), []);
    for (const damage of ["{", JSON.stringify({ ...outcome, after: [["mAP", "high"]] }), "[]"]) {
      put("a", "results.json", damage);
      const error = await refusal(finishedRuns(folder), damage);
      assert.instance(error, FormatError);
      assert.ok(error.message.startsWith(`${join(folder, "a")}: results.json: `), error.message);
    }
  }));

test("a finished run whose model has no temporal head is passed over, counted and named; kept features are no other setting", () =>
  inTemporary(async (folder) => {
    const put = (path: string, config: object) => {
      mkdirSync(join(folder, path), { recursive: true });
      writeFileSync(join(folder, path, "config.json"), JSON.stringify({ ...defaults, data: "/clips/v2", ...config }));
      const outcome = { before: [], after: [["mAP", 0.1]], seconds: 1 };
      writeFileSync(join(folder, path, "results.json"), JSON.stringify(outcome));
    };
    put("emoclip", { model: { temporal: { layers: 2 } } });
    put("made", { model: { head: { kind: "mean" } } });
    put("kept", { model: { head: { kind: "mean" } }, cacheFeatures: true });
    const said: string[] = [];
    const found = await finishedRuns(folder, (line) => said.push(line));
    assert.equal(
      found.map((each) => each.folder),
      [join(folder, "kept"), join(folder, "made")],
    );
    assert.is(found[0].setting, found[1].setting);
    assert.equal(said, [
      `${folder}: 1 finished run of a model without a temporal head, passed over: ${join(folder, "emoclip")}`,
    ]);
    put("torn", { model: { head: { kind: 3 } } });
    assert.match((await refusal(finishedRuns(folder))).message, /torn: config\.json: model\.head\.kind/);
  }));

test.run();
