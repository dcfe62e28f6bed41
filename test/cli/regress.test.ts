// `emotionclip regress`: a table and features of a file, clips through a model with kept features, and what is refused.
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { npyBytes } from "../../data/formats/npy.ts";
import { encodePng } from "../../data/pixels/png.ts";
import type { RegressionPage } from "../../eval/regression/page.ts";
import { sharedGpu } from "../kernels/derive.ts";
import { writeEmoClip } from "../kit/emoclip-file.ts";
import { runProgram } from "../run/program.ts";

await sharedGpu();
const root = mkdtempSync(join(tmpdir(), "emotionclip-regress-"));
process.on("exit", () => rmSync(root, { recursive: true, force: true }));
const CLI = resolve("dist", "cli.js");
const regress = (...words: string[]) =>
  runProgram(CLI, ["regress", ...words, "--cache", join(root, "cache")], { cwd: root });

async function pageOf(...words: string[]): Promise<RegressionPage> {
  const { code, stdout, stderr } = await regress(...words, "--json");
  assert.is(code, 0, stderr);
  return JSON.parse(stdout) as RegressionPage;
}

const value = (n: number, d: number) => Math.sin(7 * n + 3 * d);
const table = (name: string, lines: readonly string[]) => writeFileSync(join(root, name), `${lines.join("\n")}\n`);
const features = Float32Array.from({ length: 24 * 3 }, (_, i) => value(Math.floor(i / 3), i % 3));
writeFileSync(join(root, "f.npy"), Buffer.concat([...npyBytes([{ shape: [24, 3], data: features }])]));
writeFileSync(join(root, "f.npy.json"), JSON.stringify({ ids: Array.from({ length: 24 }, (_, n) => `clip${n}`) }));
const rows = Array.from({ length: 24 }, (_, n) => {
  const tension = (5 + 2 * value(n, 1)).toFixed(4);
  return `clip${23 - n},p${(23 - n) % 6},${(5 + 2 * value(23 - n, 1)).toFixed(4)},${n === 4 ? "" : tension},7,note`;
});
table("scores.csv", ["id,subject,blunt,other,flat,remark:skip", ...rows]);

test("a score that features tell is found on strangers; what is missing or flat is said", async () => {
  const page = await pageOf("scores.csv", "--features", "f.npy", "--steps", "5", "--out", "out.csv", "--every", "2");
  assert.equal([page.rows, page.width, page.subjects, page.scores], [24, 3, 6, ["blunt", "other"]]);
  const [mean, linear, head] = page.models;
  assert.equal([mean.model, linear.model, head.model], ["mean", "linear", "head"]);
  assert.ok(linear.pooled[0].pcc! > 0.99 && linear.pooled[0].rmse! < 0.2, JSON.stringify(linear.pooled));
  assert.equal([linear.pooled[1].rows, linear.parts.length], [23, 6]);
  const notes = page.notes.join("\n");
  assert.match(notes, /left out, for they are the same wherever they are given: "flat"/);
  assert.match(notes, /missing, of 24 rows: other 1/);
  assert.match(notes, /^--every has no effect here; it goes with --checkpoint$/m);
  assert.not.match(notes, /--(clips|max-bad|batch-size|config) has no effect/);
  assert.match(notes, /rows are matched by id/);
  assert.match(notes, /6 subjects are few/);
  const csv = readFileSync(join(root, "out.csv"), "utf8").split("\n");
  assert.is(csv[0], "id,subject,blunt,other,mean:blunt,mean:other,linear:blunt,linear:other,head:blunt,head:other");
  assert.match(csv[1], /^clip0,p0,[\d.]+,[\d.]+,/);
  assert.is(csv.length, 26);
});

test("as text: choices, figures of all, of subjects and of what was held out", async () => {
  const words = ["scores.csv", "--features", "f.npy", "--models", "linear", "--by", "groups", "--groups", "3"];
  const { code, stdout, stderr } = await regress(...words);
  assert.is(code, 0, stderr);
  assert.match(stdout, /held out +3 groups of whole subjects, seed 2022/);
  assert.match(stdout, /all +rows +PCC +CCC +MAE +RMSE\n {2}blunt +24 +1\.000/);
  assert.match(stdout, /subjects +rows[\s\S]*held out +fitted +read +MAE of blunt, other\n {2}1 +16 +8/);
});

test("the page says what was left out for the penalty: subjects, single rows where none are known, nothing for one penalty", async () => {
  const cells = rows.map((row) => row.split(","));
  table("folds.csv", ["id,fold,blunt", ...cells.map(([id, , blunt], n) => `${id},${n % 3},${blunt}`)]);
  const linearOf = async (...words: string[]) =>
    (await pageOf(...words, "--features", "f.npy", "--models", "linear")).choices.linear;
  assert.is(
    await linearOf("scores.csv", "--penalties", "1,10"),
    "ridge, penalty of 1, 10 by the squared error on subjects left out of what is fitted on",
  );
  assert.is(
    await linearOf("folds.csv", "--penalties", "1,10"),
    "ridge, penalty of 1, 10 by the squared error on single rows left out of what is fitted on, for no subject is known",
  );
  assert.is(await linearOf("scores.csv", "--penalties", "10"), "ridge, penalty 10, given");
});

test("clips of a list go through a model once, and a clip that is not there is counted and named", async () => {
  for (let n = 0; n < 6; n++) {
    const clip = join(root, "clips", `c${n}`);
    mkdirSync(clip, { recursive: true });
    for (const frame of [1, 2]) {
      const data = Uint8Array.from({ length: 3 * 40 * 40 }, (_, k) => (k * (n + 1) * frame) % 256);
      writeFileSync(join(clip, `${frame}.png`), await encodePng({ data, width: 40, height: 40 }));
    }
  }
  const listed = Array.from({ length: 7 }, (_, n) => `c${n},p${n % 3},${n * n}`);
  table("clips.csv", ["path,subject,score", ...listed]);
  await writeEmoClip(join(root, "m.safetensors"), ["a", "b"]);
  const words = [
    "clips.csv",
    "--checkpoint",
    "m.safetensors",
    "--clips",
    "clips",
    "--every",
    "1",
    "--models",
    "linear",
  ];
  const page = await pageOf(...words, "--max-bad", "0.5");
  assert.equal([page.rows, page.width, page.bad.length], [6, 16, 1]);
  assert.match(page.bad[0], /"c6" is neither a folder of pictures nor a film/);
  assert.match(page.notes.join("\n"), /clips: 6 folders of frames, 0 films[\s\S]*1 of 7 clips cannot be read/);
  assert.equal(await pageOf(...words, "--max-bad", "0.5"), page); // from what is kept
  const refused = await regress(...words);
  assert.equal([refused.code, refused.stdout], [5, ""], refused.stderr);
  assert.match(refused.stderr, /1 of 7 clips cannot be read, more than --max-bad allows: "c6"/);
});

test("what is wrong is named, with exit 2 or 3, and nothing is printed", async () => {
  table("one.csv", ["id,subject,s", ...rows.map((row, n) => `${row.split(",")[0]},only,${n}`)]);
  table("nan.csv", ["id,subject,s", "clip0,p,NaN"]);
  table("still.csv", ["id,subject,s", "clip0,p,1", "clip1,q,1"]);
  table("nobody.csv", ["id,s", ...rows.map((row, n) => `${row.split(",")[0]},${n}`)]);
  const given = ["--features", "f.npy"];
  const faults: [string[], number, RegExp][] = [
    [["scores.csv"], 2, /either --checkpoint or --features/],
    [["one.csv", ...given], 3, /all 24 rows are of the subject "only"/],
    [["nan.csv", ...given], 3, /column "s" is "NaN", expected a number/],
    [["still.csv", ...given], 3, /no score varies: s/],
    [["nobody.csv", ...given], 3, /none of the columns subject, fold and split/],
    [["scores.csv", ...given, "--by", "person"], 2, /"person"/],
    [["scores.csv", ...given, "--models", "tree"], 2, /"tree"; known: mean, linear, head/],
    [["scores.csv", "--checkpoint", "f.npy"], 3, /f\.npy/],
  ];
  for (const [words, code, message] of faults) {
    const found = await regress(...words);
    assert.equal([found.code, found.stdout], [code, ""], found.stderr);
    assert.match(found.stderr, message);
  }
});

test.run();
