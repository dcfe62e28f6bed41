// The report on a GPU: the dry run of every part, and what happens to it when a part crashes, hangs, is wrong or comes too late.
import { chmodSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { create, globals } from "webgpu";
import { casesOf } from "../../bench/case.ts";
import { goalsOf } from "../../bench/gpu-report/goals.ts";
import type { KnownSoFar, ReportPart, ReportRow, Told } from "../../bench/gpu-report/part.ts";
import { reportParts } from "../../bench/gpu-report/parts.ts";
import { linearLayers } from "../../bench/gpu-report/products.ts";
import { RightProduct } from "../../bench/gpu-report/right-product.ts";
import { faultsOf, type GpuReport, runReport, type StartPart } from "../../bench/gpu-report/run.ts";
import { matrixRateText } from "../../bench/roofline/matrix-rate.ts";
import { checkSampled } from "../../bench/sampled-check.ts";
import { gpuReportPage } from "../../cli/pages/gpu-report-page.ts";
import { completeText } from "../../engine/declare/kernel-text.ts";
import { ops } from "../../kernels/index.ts";
import { vitB32 } from "../../model/emotionclip/presets.ts";
import { planForward } from "../../train/step-plan.ts";
import { sharedGpu } from "../kernels/derive.ts";
import { openTestGpu } from "../kit/gpu.ts";
import { inTemporary } from "../kit/temporary.ts";
import { runProgram } from "../run/program.ts";

const gpu = await sharedGpu();
const emotionclip = (...words: string[]) => runProgram(join("dist", "cli.js"), ["gpu-report", ...words]);
const names = reportParts(() => ({})).map(({ name }) => name);

test("the dry run goes through every part, each result is right, and what is left out is named", () =>
  inTemporary(async (folder) => {
    const { code, stdout, stderr } = await emotionclip("--tiny", "--out", folder, "--python", join(folder, "none"));
    assert.is(code, 0, stderr);
    assert.ok(stdout.includes(join(folder, "report.json")), stdout);
    const report = JSON.parse(readFileSync(join(folder, "report.json"), "utf8")) as GpuReport;
    assert.equal(
      report.parts.map(({ name }) => name),
      names,
    );
    assert.is(report.tiny, true);
    assert.is(report.software, gpu.facts.software);
    assert.ok(report.seconds < report.budgetSeconds && report.budgetSeconds === 360, `${report.seconds}`);
    for (const { name, state, rows, skipped } of report.parts) {
      assert.is(state, "done", `${name}: ${state}`);
      assert.ok(rows.length > 0 || skipped.length > 0, `${name} has neither rows nor a reason`);
      for (const each of skipped)
        assert.match(each, /f16|matri|half precision|PyTorch|no time|Linux|less than half as fast/, each);
      for (const row of rows) assert.is.not(row.right, false, `${row.name}: ${row.note}`);
    }
    const part = (name: string) => report.parts.find((each) => each.name === name)!;
    const has = (name: string, text: RegExp) => part(name).rows.some((row) => text.test(row.name));
    assert.ok(has("ceilings", /f32 in registers/) && has("bus", /readback/) && has("products", /to the weights/));
    assert.is(has("step-amp", /^amp, 4 clips x 2 frames$/), gpu.facts.f16);
    assert.ok(has("step-f32", /^f32, 4 clips x 2 frames: layernorm forward$/), "the profile op by op");
    assert.ok(has("correctness", /linearResidual/) && has("kernels", /attention .*, backward/));
    const [goal] = report.goals;
    assert.match(goal.name, /^f32 product of the MLP, 2 clips/);
    assert.ok(
      goal.found! > 0 && goal.least === 0.8 && goal.reached === null,
      "goals read the rows; a dry run reaches none",
    );
    assert.ok(report.goals.some(({ name, found }) => /^launches of the step, f32/.test(name) && found! > 0));
    assert.match(part("pytorch").skipped.join(), /there is no .*none/);
    const products = part("products").rows.filter(({ cells }) => cells.taken === "taken");
    assert.ok(products.length >= 12 && products.every(({ right, cells }) => right && Number(cells.gflops) > 0));
    const page = readFileSync(join(folder, "report.html"), "utf8");
    for (const { title } of report.parts) assert.ok(page.includes(title), title);
    assert.match(page, /A dry run at sizes that say nothing of a device/);
    assert.not.match(page, /https?:|<script/);
  }));

if (gpu.facts.software)
  test("a software adapter is no GPU: exit code 4, one sentence, nothing written", () =>
    inTemporary(async (folder) => {
      const { code, stderr } = await emotionclip("--out", join(folder, "gpu"));
      assert.is(code, 4);
      assert.match(stderr, /is a software adapter, a rasteriser on the CPU and no GPU; .*Write --tiny/);
      assert.not(existsSync(join(folder, "gpu")));
    }));

test("minutes are some, and six at most; a part that is none is refused", async () => {
  for (const minutes of ["0", "7", "soon", "-1"]) {
    const { code, stderr } = await emotionclip("--minutes", minutes);
    assert.is(code, 2, minutes);
    assert.match(stderr, /--minutes: .* is not a number of minutes up to 6/);
  }
  const { code, stderr } = await emotionclip("--part", "lunch", "--known", "{}", "--seconds", "1");
  assert.is(code, 2);
  assert.match(stderr, /there is no part "lunch"/);
});

const part = (name: string, seconds = 10, tries?: readonly string[]): ReportPart => {
  return { name, title: `Part ${name}`, about: "", seconds, columns: [], tries, run: async () => {} };
};
const row = (name: string, right: ReportRow["right"] = true): Told => ({
  row: { name, right, note: right ? undefined : "off", cells: { value: 1 } },
});

/** A report whose parts tell these things and end so. */
async function reported(
  parts: readonly ReportPart[],
  acts: Record<string, (known: KnownSoFar, hear: (told: Told) => void, most: number) => ReturnType<StartPart>>,
  seconds = 60,
  now?: () => number,
): Promise<{ report: GpuReport; said: string[]; asked: string[] }> {
  const said: string[] = [];
  const asked: string[] = [];
  const report = await runReport(parts, {
    tiny: true,
    seconds,
    python: "python3",
    commit: "abc",
    say: (line) => said.push(line),
    ...(now && { now }),
    start(name, known, _, most, hear) {
      asked.push(name);
      return acts[name](known, hear, most);
    },
  });
  assert.not("refused" in report);
  return { report: report as GpuReport, said, asked };
}

const well = async () => ({});

test("a part that crashes leaves its rows, is named, and what it tried is not asked for any more", async () => {
  const seen: KnownSoFar[] = [];
  const { report, said } = await reported([part("adapter"), part("half", 10, ["shader-f16"]), part("step")], {
    adapter: well,
    async half(_, hear) {
      hear(row("the first kernel"));
      return { error: "its process ended with SIGSEGV" };
    },
    async step(known, hear) {
      seen.push(known);
      hear(row("f32"));
      return {};
    },
  });
  assert.equal(
    report.parts.map(({ state }) => state),
    ["done", "failed", "done"],
  );
  assert.is(report.parts[1].rows.length, 1);
  assert.equal(seen[0].without, ["shader-f16"]);
  assert.match(
    report.remarks.join(),
    /Part half: its process ended with SIGSEGV; all that follows is measured without shader-f16/,
  );
  assert.equal(faultsOf(report), ["Part half: its process ended with SIGSEGV"]);
  assert.match(said.join("\n"), /Part half: 1 rows in .* FAILED: its process ended with SIGSEGV/);
  const page = gpuReportPage({ ...report, adapter: "<b>bold</b>" });
  assert.match(page, /What went wrong.*SIGSEGV/s);
  assert.not.match(page, /<b>bold/);
});

/** Runs before each process of a report: what happens to the part that it is. */
const during = (acts: Record<string, string>) => {
  const cases = Object.entries(acts).map(([name, act]) => `if (part === "${name}") { ${act} }`);
  const text = `const part = process.argv[process.argv.indexOf("--part") + 1]; ${cases.join(" else ")}`;
  return { env: { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(text)}` } };
};

test("a process that crashes and one that hangs are ended, named, and leave the others and the exit code 1", () =>
  inTemporary(async (folder) => {
    const words = ["gpu-report", "--tiny", "--out", folder, "--minutes", "0.2"];
    const hang = "Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);";
    const quick = { adapter: "process.exit(0);", matrices: "process.exit(0);" };
    const acts = { ...quick, half: 'process.kill(process.pid, "SIGSEGV");', ceilings: hang };
    const { code, stderr } = await runProgram(join("dist", "cli.js"), words, during(acts));
    assert.is(code, 1);
    assert.match(stderr, /fault: Half precision: its process ended with SIGSEGV/);
    assert.match(stderr, /fault: Ceilings: its time was over/);
    const report = JSON.parse(readFileSync(join(folder, "report.json"), "utf8")) as GpuReport;
    assert.equal(
      report.parts.slice(0, 4).map(({ state }) => state),
      ["done", "failed", "done", "cut"],
    );
    assert.equal(report.without, ["shader-f16", "chromium-experimental-subgroup-matrix"]);
    assert.ok(report.seconds < 20, `${report.seconds} s of 12 and one`);
    const page = readFileSync(join(folder, "report.html"), "utf8");
    assert.match(page, /SIGSEGV; all that follows is measured without shader-f16/);
  }));

test("where half precision has failed, mixed precision is left out and f32 goes on", async () => {
  const known: KnownSoFar = { tiny: true, without: ["shader-f16"], python: "python3" };
  const words = ["--part", "step-amp", "--known", JSON.stringify(known), "--seconds", "60"];
  const { code, stdout } = await emotionclip(...words);
  assert.is(code, 0);
  assert.equal(JSON.parse(stdout), { skipped: "amp: no half precision here" });
});

test("a wrong result is a fault, and one that speaks against a feature takes it away", async () => {
  const { report } = await reported([part("half", 10, ["shader-f16"]), part("more")], {
    async half(_, hear) {
      hear(row("f16", false));
      return {};
    },
    async more(known, hear) {
      hear({ learned: { steps: { "f32 16": known.without.length } } });
      return {};
    },
  });
  assert.equal(report.without, ["shader-f16"]);
  assert.is(report.parts[0].state, "wrong");
  assert.equal(faultsOf(report), ["Part half: f16: off"]);
});

test("time that is left goes on to later parts; when none is, they are left out in their order and named", async () => {
  const mosts: number[] = [];
  let clock = 0;
  const slow = async (_: KnownSoFar, hear: (told: Told) => void, most: number) => {
    mosts.push(most);
    hear(row("some"));
    clock += 300;
    return mosts.length === 2 ? { isCut: true } : {};
  };
  const parts = ["a", "b", "c", "d"].map((name) => part(name, 1));
  const { report, said, asked } = await reported(parts, { a: slow, b: slow, c: slow, d: slow }, 0.5, () => clock);
  assert.equal(asked, ["a", "b"]);
  assert.equal(
    report.parts.map(({ state }) => state),
    ["done", "cut", "skipped", "skipped"],
  );
  assert.equal(report.parts[2].skipped, ["all: no time was left"]);
  assert.match(said.join("\n"), /Part c: left out, no time is left\nPart d: left out/);
  assert.equal(faultsOf(report), ["Part b: its time was over"], "what was left out for want of time is no fault");
});

test("goals are read from the rows: reached, missed, not measured", () => {
  const measured = (name: string, cells: ReportRow["cells"], right = true): ReportRow => ({ name, right, cells });
  const outcome = (name: string, rows: ReportRow[]) => ({ name, rows });
  const layer = "16 clips, frames: MLP in, forward";
  const parts = [
    outcome("ceilings", [measured("an empty launch among others", { rate: 5 })]),
    outcome("products", [
      measured(`f32, ${layer}`, { tile: "wg64", taken: "", gflops: 90, share: 0.9 }),
      measured(`f32, ${layer}`, { tile: "wg128", taken: "taken", gflops: 70, share: 0.7 }),
      measured(`f16, ${layer}`, { tile: "wg128", gflops: 100, share: 1 }),
      measured(`f16, ${layer}`, { tile: "mx64", gflops: 900, share: 0.2 }, false),
      measured(`f16, ${layer}`, { tile: "mx128", gflops: 200, share: 0.11 }),
    ]),
    outcome("step-f32", [
      measured("f32, 16 clips x 8 frames", { ms: 100 }),
      measured("f32, 16 clips x 8 frames: linear forward", { ms: 50, calls: 1500 }),
      measured("f32, 16 clips x 8 frames: 3 others", { ms: 50, calls: 100 }),
    ]),
    outcome("pytorch", [measured("amp, 128 clips x 8 frames", { ratio: 0.31 })]),
  ];
  const found = goalsOf(parts, [128, 16], 8).map(({ found, reached }) => [found, reached]);
  assert.equal(found, [
    [0.7, false],
    [2, true],
    [0.11, true],
    [0.31, true],
    [null, null],
    [0.08, true],
    [null, null],
  ]);
});

test("the kernel that finds the rate of matrix units compiles for the sizes that devices have", async () => {
  Object.assign(globalThis, globals);
  const instance = create(["backend=null", "enable-dawn-features=allow_unsafe_apis"]);
  (globalThis as { nullInstance?: GPU }).nullInstance = instance;
  const adapter = (await instance.requestAdapter())!;
  const requiredFeatures = [
    ...["subgroups", "subgroup-size-control", "shader-f16", "chromium-experimental-subgroup-matrix"],
  ] as GPUFeatureName[];
  const device = await adapter.requestDevice({ requiredFeatures });
  for (const [m, n, k] of [
    [8, 8, 8],
    [16, 16, 16],
    [16, 8, 16],
    [8, 16, 16],
  ]) {
    const { text, sum, flops } = matrixRateText({ m, n, k }, 32, 1024);
    assert.is(flops, 4 * 8 * 1024 * 2 * m * n * k);
    assert.is(sum, 1024 * k * (1 / 16) ** 2);
    const { code } = completeText(text, { T: "f32", subgroup: 32, sizeControl: true }, "rate");
    device.pushErrorScope("validation");
    const compute = { module: device.createShaderModule({ code }) };
    await device.createComputePipelineAsync({ layout: "auto", compute });
    assert.is((await device.popErrorScope())?.message, undefined);
  }
});

const named = (name: string) => ops.find((op) => op.name === name)!;

test("sampled checks accept what is right and find a wrong output and a wrong gradient", async () => {
  const [made] = casesOf({ ...named("layernorm"), bench: [{ N: 40, D: 24 }] });
  assert.equal(await checkSampled(made, "N", gpu, 5), []);
  const wrongAt =
    (place: number): typeof made.op.ref =>
    (inputs, dims, attrs) => {
      const { y } = named("layernorm").ref(inputs, dims, attrs);
      return { y: Array.from(y, (v, i) => (Math.floor(i / dims.D) === place ? v + 0.01 * inputs.x[i] ** 3 : v)) };
    };
  const faults = await checkSampled({ ...made, op: { ...made.op, ref: wrongAt(4) } }, "N", gpu, 5);
  assert.match(faults.join("\n"), /y\[\d+\] is .*⟨dx, v⟩ is .*, the slope is /s);
  const heads = casesOf({ ...named("attention"), bench: [{ B: 7, L: 5, C: 24, attrs: { heads: 2 } }] })[0];
  assert.equal(await checkSampled(heads, "B", gpu, 3), []);
  if (gpu.facts.f16) assert.equal(await checkSampled({ ...heads, T: "f16" }, "B", gpu, 3), []);
});

test("a product that is not computed, or of other sizes, is found wrong at its edges", async () => {
  const task = { form: "NT", M: 70, N: 36, K: 44 } as const;
  const work = new RightProduct(gpu, "f32", 70 * 45, 36 * 45, 70 * 36);
  assert.is(await work.faultOf(task, "sg8"), undefined);
  class Nothing extends RightProduct {
    override arm = () => ({ name: "", run: async () => {} });
  }
  assert.match(`${await new Nothing(gpu, "f32", 4000, 4000, 4000).faultOf(task, "sg8")}`, /^c\[0, 0\] is NaN, not /);
  class Shorter extends RightProduct {
    override arm = (given: typeof task) =>
      new RightProduct(gpu, "f32", 1, 1, 1) && super.arm({ ...given, K: 40 }, "sg8");
  }
  assert.match(
    `${await new Shorter(gpu, "f32", 4000, 4000, 4000).faultOf(task, "sg8")}`,
    /^c\[0, \d+\] is .* of 44 products$/,
  );
  work.free();
});

test("the layers of ViT-B/32 are all of its linear work", () => {
  const sum = (clips: number) =>
    linearLayers(vitB32, clips).reduce(
      (all, { rows, inputs, outputs, count }) => all + 2 * rows * inputs * outputs * count,
      0,
    );
  const { flopsByOp } = planForward(vitB32, gpu.facts);
  const linear = Object.entries(flopsByOp).filter(([name]) => /^(linear|matmul)/.test(name));
  const planned = linear.reduce((all, [, flops]) => all + flops, 0);
  assert.ok(Math.abs(sum(1) / planned - 1) < 0.01, `${sum(1)} and ${planned}`);
  assert.is(linearLayers(vitB32, 128)[0].rows, 128 * 8 * 51);
});

test("PyTorch is heard line by line: its ratio to ours, what it leaves out, and a step that is not ours", () =>
  inTemporary(async (folder) => {
    const python = join(folder, "python");
    const lines = [
      { versions: "PyTorch 9", device: "a GPU" },
      { same: { loss: 1, norm: 2 } },
      { mode: "amp", clips: 4, seconds: 0.5, loss: 1.4, gigabytes: 3 },
      { skipped: "TF32, 4 clips: no time is left" },
    ];
    writeFileSync(
      python,
      `#!/bin/sh\ncat > /dev/null\n${lines.map((line) => `echo '${JSON.stringify(line)}'`).join("\n")}\nexit 3\n`,
    );
    chmodSync(python, 0o755);
    const known: KnownSoFar = { tiny: true, without: [], python, steps: { "amp 4": 0.25 } };
    const { code, stdout, stderr } = await emotionclip(
      ...["--part", "pytorch", "--known", JSON.stringify(known), "--seconds", "60"],
    );
    assert.is(code, 1);
    assert.match(stderr, /PyTorch: ended with exit code 3/);
    const told = stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line)) as Told[];
    const rows = told.flatMap((each) => ("row" in each ? [each.row] : []));
    assert.match(rows[1].note!, /^loss 1 \(ours [\d.]+\), norm of the gradients 2 \(ours [\d.]+\)$/);
    assert.is(rows[1].right, false);
    assert.is(rows[2].cells.ratio, 2);
    assert.is(rows[2].right, false, "nothing is told right beside a step that is another one");
    assert.ok(told.some((each) => "skipped" in each && /TF32/.test(each.skipped)));
  }));

test("a feature that is not to be asked for is not there", async () => {
  const other = await openTestGpu({ without: ["shader-f16", "timestamp-query"] });
  assert.is(other.facts.f16, false);
  assert.equal(other.facts.matrices, []);
  assert.not(other.device.features.has("timestamp-query"));
  other.close();
});

test.run();
