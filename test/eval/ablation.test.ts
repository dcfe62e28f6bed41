// The grid of an ablation and what its runs come to: cells, means and deviations by hand, differences seed by seed, verdicts.
import { test } from "uvu";
import * as assert from "uvu/assert";
import { ablationOf } from "../../eval/paper/ablation.ts";
import { differences, ablationGrid, isUsual, reducedGrid } from "../../eval/paper/grid.ts";
import { seedDifference, spread } from "../../eval/paper/spread.ts";
import type { RunSummary } from "../../train/runs/runs.ts";

const run = (given: Partial<RunSummary>, seed: number, mAP: number): RunSummary => ({
  folder: `runs/x-${seed}`,
  subject: "sap",
  beta: 1,
  head: "transformer",
  text: "random",
  frames: "random",
  seed,
  setting: "450 steps",
  figures: [
    ["mAP", mAP],
    ["AUC", mAP + 0.1],
    ["R2", 0.5],
  ],
  ...given,
});

const near = (a: number, b: number, what: string) => assert.ok(Math.abs(a - b) < 1e-9, `${what}: ${a}, not ${b}`);

test("the grid has every setting of Tables 1 and 3 and Figure 6 once", () => {
  const cells = ablationGrid(reducedGrid);
  assert.equal(
    cells.map(({ name }) => name),
    [
      ...["vanilla", "saam", "sap", "snce", "beta-0.1", "beta-10", "mean", "conv1d"],
      ...["pretrained-pretrained", "random-pretrained", "frozen-pretrained", "frozen-frozen"],
      "pretrained-pretrained-mean",
    ],
  );
  const usual = cells.filter((cell) => isUsual(cell, reducedGrid)).map(({ name }) => name);
  assert.equal(usual, ["vanilla", "saam", "sap", "snce", "beta-0.1", "beta-10", "mean"]);
});

test("with weights of somebody's own, the full method is Table 3's first row, and its third begins at random", () => {
  const grid = { beta: 10, betas: [0, 10, 100], towers: "pretrained" } as const;
  const names = ablationGrid(grid).map(({ name }) => name);
  assert.equal(names.slice(0, 5), ["vanilla", "saam", "sap", "snce", "beta-100"]);
  assert.not.ok(names.includes("pretrained-pretrained"));
  assert.ok(names.includes("random-random"));
  const random = ablationGrid(grid).find(({ name }) => name === "random-random")!;
  const { freshText, freshImage, freshHead, pretrained } = differences(random, "clip.pt");
  assert.equal([freshText, freshImage, freshHead, pretrained], [true, true, true, "clip.pt"]);
});

test("a cell is a list of differences from the recipe", () => {
  const [vanilla] = ablationGrid(reducedGrid);
  assert.equal(differences(vanilla, undefined), { subject: "none", beta: 0, head: "transformer" });
  const frozen = ablationGrid(reducedGrid).find(({ name }) => name === "frozen-pretrained")!;
  assert.equal(differences(frozen, "w"), {
    ...{ subject: "sap", beta: 1, head: "transformer", pretrained: "w" },
    ...{ freshText: false, freshImage: false, freshHead: true, lockText: true, lockImage: false },
  });
});

test("mean, deviation and standard error are those of the textbook", () => {
  const { mean, deviation } = spread([2, 4, 9]);
  near(mean, 5, "mean");
  near(deviation, Math.sqrt((9 + 1 + 16) / 2), "deviation");
  assert.ok(Number.isNaN(spread([3]).deviation) && Number.isNaN(spread([]).mean));
  const { error, seeds } = seedDifference([2, 4, 9]);
  near(error, Math.sqrt(13 / 3), "error");
  assert.is(seeds, 3);
});

test("a difference counts beyond Student's t: of three seeds 4.303 standard errors", () => {
  const around = (mean: number) => [mean - 1, mean, mean + 1]; // error 1/√3
  assert.is(seedDifference(around(4.302 / Math.sqrt(3))).isClear, false);
  assert.is(seedDifference(around(4.304 / Math.sqrt(3))).isClear, true);
  assert.is(seedDifference(around(-4.304 / Math.sqrt(3))).isClear, true);
  assert.is(seedDifference([5]).isClear, false);
  assert.is(seedDifference([0, 0]).isClear, false);
});

test("differences are taken between runs of one seed, and the verdict follows the paper's sign", () => {
  const runs = [
    ...[0.3, 0.32, 0.31].map((v, i) => run({ subject: "none", beta: 0 }, i, v)),
    ...[0.4, 0.421, 0.412].map((v, i) => run({ subject: "saam", beta: 0 }, i, v)),
    ...[0.3, 0.36, 0.3].map((v, i) => run({ beta: 0 }, i, v)),
    ...[0.6, 0.62, 0.61, 0.9].map((v, i) => run({}, i, v)),
  ];
  const { statements } = ablationOf(runs);
  const of = (claim: string) => statements.find((each) => each.claim === claim && each.figure === "mAP")!;
  const saam = of("+ SAAM is worse than vanilla");
  near(saam.published!, -0.44, "published");
  near(saam.ours!.mean, (10 + 10.1 + 10.2) / 3, "ours");
  near(saam.ours!.error, 0.1 / Math.sqrt(3), "error");
  assert.is(saam.verdict, "contradicted");
  assert.is(of("+ SAP is better than vanilla").verdict, "not told apart");
  const snce = of("+ SAP & SNCE is better than vanilla");
  assert.is(snce.verdict, "confirmed");
  assert.is(snce.ours!.seeds, 3); // the fourth seed has no vanilla
  assert.is(of("pretrained towers are better than random ones").verdict, "not run");
  assert.is(of("beta 1 is better than 10").verdict, "not run");
});

test("one seed tells nothing apart", () => {
  const { statements } = ablationOf([run({ subject: "none", beta: 0 }, 1, 0.1), run({}, 1, 0.9)]);
  const { verdict, ours } = statements.find(({ claim }) => claim === "+ SAP & SNCE is better than vanilla")!;
  assert.equal([verdict, ours!.seeds], ["not told apart", 1]);
});

test("figures of BoLD's protocol stand in the same columns", () => {
  const bold = run(
    {
      figures: [
        ["bold val mAP", 0.2],
        ["bold val AUC", 0.7],
        ["bold val R2", 0.1],
      ],
    },
    1,
    0,
  ); // prettier-ignore
  const { table1 } = ablationOf([bold]);
  const { ours } = table1.rows[3];
  [20, 70, 0.1].forEach((value, i) => void near(ours![i].mean, value, String(i)));
});

test("the tables of another beta are those of the runs", () => {
  const runs = [run({ beta: 10 }, 1, 0.5), run({ beta: 10, head: "mean" }, 1, 0.4), run({ beta: 1 }, 1, 0.3)];
  const { table1, figure6, table3 } = ablationOf(runs);
  near(table1.rows[3].ours![0].mean, 50, "full method");
  near(table3.rows.at(-2)!.ours![0].mean, 40, "mean over frames");
  assert.equal(
    figure6.points.map(({ beta }) => beta),
    [1, 10],
  );
});

test.run();
