// The benchmark: rows are complete, arms take turns, and its checks find a kernel that is wrong.
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { plainLoop } from "../../bench/baselines/plain-loop.ts";
import { gpuJsCpu } from "../../bench/baselines/gpu-js.ts";
import { onnxRuntime } from "../../bench/baselines/onnxruntime.ts";
import type { Baseline, Problem } from "../../bench/baselines/problem.ts";
import { versionOf } from "../../bench/versions.ts";
import { plainTile } from "../../bench/baselines/wgsl.ts";
import { benchBars } from "../../bench/bars.ts";
import { casesOf, caseName, picksOf, reduced } from "../../bench/case.ts";
import { check, difference } from "../../bench/check.ts";
import { gaussians } from "../../bench/draw.ts";
import { type Arm, interleave, median, ratioOf } from "../../bench/measure.ts";
import { type Bench, benchOps } from "../../bench/ops.ts";
import { measureRecording } from "../../bench/recording.ts";
import { heading, type BenchRow, textOf } from "../../bench/row.ts";
import { numelOf } from "../../engine/declare/signature.ts";
import type { CompiledPass, CompiledWay, Op } from "../../engine/declare/op.ts";
import { ops } from "../../kernels/index.ts";
import { sharedGpu } from "../kernels/derive.ts";

const gpu = await sharedGpu();
const { version } = JSON.parse(readFileSync("package.json", "utf8"));
const roof = { bytesPerSecond: 1e10, flopsPerSecond: 1e11, launch: 1e-5 };

const named = (name: string): Op => ops.find((op) => op.name === name)!;

/** An op at a size of our own, with the text of its forward kernel changed. */
function variant(name: string, bench: Op["bench"], from?: string, to = ""): Op {
  const op = named(name);
  const changed = (pass: CompiledPass): CompiledPass => {
    const variants = new Map(
      [...pass.pass.variants].map(([key, each]) => {
        const source = [each.source].flat().join("\n");
        assert.ok(from === undefined || source.includes(from), `${name} has no "${from}"`);
        return [key, { ...each, source: from === undefined ? each.source : source.replaceAll(from, to) }];
      }),
    );
    return { ...pass, pass: { ...pass.pass, variants } };
  };
  const ways = new Map(
    [...op.ways].map(([way, { forward, backward }]): [string, CompiledWay] => [
      way,
      { forward: from === undefined ? forward : forward.map(changed), backward },
    ]),
  );
  return { ...op, ways, bench };
}

async function rowsOf(chosen: readonly Op[], baselines: readonly Baseline[] = []): Promise<BenchRow[]> {
  const rows: BenchRow[] = [];
  const bench: Bench = { gpu, roof, rounds: 1, baselines, wanted: () => true, row: (row) => rows.push(row) };
  await benchOps(bench, chosen);
  return rows;
}

const small = [{ N: 64 }];

test("a row has every field, and the times and rates are positive", async () => {
  const rows = await rowsOf([variant("accumulate", small)]);
  assert.equal(
    rows.map((row) => row.case),
    ["accumulate N=64 forward", "accumulate N=64 backward"],
  );
  for (const row of rows.map((each) => JSON.parse(JSON.stringify(each)))) {
    assert.is(row.suite, "ops");
    assert.is(row.engine, "emotionclip");
    assert.is(row.version, version);
    assert.is(row.adapter, gpu.facts.adapter);
    for (const field of ["median_ms", "min_ms", "cpu_ms", "gbps"]) assert.ok(row[field] > 0, `${field} ${row[field]}`);
    assert.type(row.gflops, "number");
    assert.ok(row.min_ms <= row.median_ms);
    assert.is(row.correct, true);
  }
  assert.ok(Math.abs(rows[0].share! / (1e-5 / (rows[0].gbps! ** -1 * 1e-9 * 3 * 64 * 4)) - 1) < 1e-6);
});

test("a kernel that is wrong is reported as incorrect, with what it gave", async () => {
  const rows = await rowsOf([variant("accumulate", small, "+ vec4f(b[i])", "+ 1.01 * vec4f(b[i])")]);
  assert.is(rows[0].correct, false);
  assert.match(rows[0].note!, /^y\[\d+\] is /);
  assert.is(rows[1].correct, true, "its gradient is the right one");
  assert.match(textOf(rows[0]), /WRONG/);
});

test("a gradient that is not the slope of the reference is reported as incorrect", async () => {
  const op = variant("accumulate", small);
  const doubled = { ...op, ref: ({ a, b }: Record<string, Float64Array>) => ({ y: a.map((v, i) => v + b[i] ** 3) }) };
  const verdict = await check(casesOf(doubled)[0], gpu);
  assert.is(verdict.backward, false);
  assert.match(verdict.faults.join(), /⟨db, v⟩ is .*, the slope is /);
  assert.is((await check(casesOf(op)[0], gpu)).backward, true);
});

test("a large case is checked at a smaller size that picks the same kernels", () => {
  for (const name of ["layernorm", "linear", "attention"]) {
    const [whole] = casesOf(named(name));
    const smaller = reduced(whole, gpu, ({ op, dims }) => op.sig.inputs.every((term) => numelOf(term, dims) < 50_000));
    assert.is.not(caseName(smaller), caseName(whole));
    assert.is(picksOf(smaller, gpu), picksOf(whole, gpu));
    assert.ok(
      smaller.op.sig.inputs.every((term) => numelOf(term, smaller.dims) < 50_000),
      caseName(smaller),
    );
  }
});

test("every op declares sizes for the benchmark that it accepts itself", () => {
  for (const op of ops) {
    const cases = casesOf(op);
    assert.ok(cases.length > 0, op.name);
    for (const { dims, attrs } of cases) {
      for (const term of [...op.sig.inputs, ...op.sig.outputs])
        assert.ok(numelOf(term, dims) >= 1, `${op.name} ${term.text}`);
      assert.ok(op.flops(dims, attrs) >= 0, op.name);
    }
  }
});

test("differences are found at any element, and NaN is one", () => {
  assert.is(difference([1, 2, 3], [1, 2, 3], 1e-6, "y"), undefined);
  assert.match(difference([1, 2, 4], [1, 2, 3], 1e-6, "y")!, /^y\[2\] is 4, not 3$/);
  assert.match(difference([1, Number.NaN], [1, 2], 1e-6, "y")!, /NaN/);
  assert.match(difference([1, 2, 3], [1, 2], 1e-6, "y")!, /3 elements, not 2/);
});

test("NaN that the reference has as well is right: ids beyond a table", async () => {
  assert.is(difference([1, NaN], [1, NaN], 0, "y"), undefined);
  assert.match(difference([1, 2], [1, NaN], 0, "y")!, /y\[1\] is 2, not NaN/);
  for (const name of ["embedding", "gather"]) {
    const [small] = casesOf({ ...named(name), bench: [{ V: 40, A: 40, N: 24, C: 3, M: 8, D: 8 }] });
    assert.equal((await check(small, gpu)).faults, []);
  }
});

test("arms take turns, round by round", async () => {
  const order: string[] = [];
  const arm = (name: string): Arm => ({
    name,
    async run(reps) {
      order.push(name);
      const end = performance.now() + 0.2 * reps;
      while (performance.now() < end);
    },
  });
  const timings = await interleave([arm("a"), arm("b")], 3, 2);
  assert.equal(order.slice(-6), ["a", "b", "a", "b", "a", "b"]);
  for (const { median, min, cpu } of timings) {
    assert.ok(min >= 0.2 && median >= min, `${min}, ${median}`);
    assert.ok(cpu > 0);
  }
  assert.ok(ratioOf(timings[0], timings[1], "wall") > 0);
});

test("the median of an even number of values is between the middle two", () => {
  assert.is(median([3, 1, 2]), 2);
  assert.is(median([4, 1, 2, 3]), 2.5);
});

const problems: readonly Problem[] = [
  { op: "matmul", dims: { N: 8, K: 12, M: 20 }, inputs: { x: gaussians(96, 1), w: gaussians(240, 2) } },
  { op: "softmax", dims: { N: 8, D: 16 }, inputs: { x: gaussians(128, 3) } },
  {
    op: "layernorm",
    dims: { N: 8, D: 16 },
    inputs: { x: gaussians(128, 4), gain: gaussians(16, 5), bias: gaussians(16, 6) },
  },
  { op: "gelu", dims: { N: 768 }, inputs: { x: gaussians(768, 7) } },
];

for (const problem of problems)
  test(`the baselines' ${problem.op} is ours`, async () => {
    const op = named(problem.op);
    const wide = Object.fromEntries(Object.entries(problem.inputs).map(([name, v]) => [name, Float64Array.from(v)]));
    const want = op.ref(wide, problem.dims, op.attrs).y;
    for (const baseline of [plainLoop, gpuJsCpu]) {
      const contestant = await baseline.prepare(problem, gpu);
      await contestant.run(1);
      // f32 sums in another order, and an erf with 1.5e-7
      assert.is(difference(await contestant.output(), want, 1e-5, baseline.engine), undefined, baseline.engine);
      contestant.free();
    }
  });

test("plain-tile multiplies in all three forms", async () => {
  const [M, N, K] = [8, 12, 16];
  const [a, b] = [gaussians(M * K, 8), gaussians(K * N, 9)];
  for (const form of ["NN", "NT", "TN"] as const) {
    const want = new Float32Array(M * N);
    for (let m = 0; m < M; m++)
      for (let n = 0; n < N; n++)
        for (let k = 0; k < K; k++)
          want[m * N + n] += a[form === "TN" ? k * M + m : m * K + k] * b[form === "NT" ? n * K + k : k * N + n];
    const contestant = plainTile(gpu, form, { M, N, K }, a, b);
    await contestant.run(1);
    assert.is(difference(await contestant.output(), want, 1e-5, form), undefined);
    contestant.free();
  }
});

for (const problem of problems)
  test(`ONNX Runtime's ${problem.op} is ours where it is installed, and else says how to get it`, async () => {
    const made = await onnxRuntime.prepare(problem, gpu).catch((error: Error) => error);
    if (made instanceof Error) return assert.match(made.message, /not installed: npm install --no-save .*@1\.30\.0/);
    await made.run(1);
    const wide = Object.fromEntries(Object.entries(problem.inputs).map(([name, v]) => [name, Float64Array.from(v)]));
    const op = named(problem.op);
    assert.is(difference(await made.output(), op.ref(wide, problem.dims, op.attrs).y, 1e-5, "y"), undefined);
    made.free();
  });

test("an engine's version is its package's; of one that is not there it is null", () => {
  const of = (name: string) => JSON.parse(readFileSync(join("node_modules", name, "package.json"), "utf8")).version;
  assert.is(versionOf("tfjs webgpu"), of("@tensorflow/tfjs-backend-webgpu"));
  assert.is(versionOf("jax-js webgpu"), of("@jax-js/jax"));
  assert.is(versionOf("gpu.js cpu"), of("gpu.js"));
  assert.is(versionOf("emotionclip"), version);
  const runtime = existsSync("node_modules/onnxruntime-node") ? of("onnxruntime-node") : null;
  assert.is(versionOf("onnxruntime webgpu"), runtime);
});

test("an engine that cannot run has a row that says why", async () => {
  const broken: Baseline = {
    engine: "broken",
    prepare: () => Promise.reject(new Error("no browser here\nand a stack")),
  };
  const rows = await rowsOf([variant("softmax", [{ N: 4, D: 8 }])], [broken, plainLoop]);
  const row = rows.find(({ engine }) => engine === "broken");
  assert.is(row?.note, "did not run: no browser here");
  assert.is(row?.median_ms, null);
  assert.is(row?.correct, null);
  const other = rows.find(({ engine }) => engine === "plain loop");
  assert.is(other?.correct, true);
  assert.ok((other?.ratio ?? 0) > 0);
  assert.ok(heading().length > 0 && textOf(row!).includes("did not run"));
});

test("a bar has a row for the yardstick and one for us that says whether it was reached", async () => {
  const rows: BenchRow[] = [];
  const wanted = (suite: string, name: string) => suite === "bars" && name === "attention 96 heads x 51 x 64 backward";
  const bench: Bench = { gpu, roof, rounds: 1, baselines: [], wanted, row: (row) => rows.push(row) };
  const missed = await benchBars(bench, ops);
  assert.equal(
    rows.map(({ engine }) => engine),
    ["emotionclip", "our forward"],
  );
  assert.match(rows[0].note!, /^(reached|MISSED): \d+\.\d\d times our forward, at most 1\.8$/);
  assert.is(missed.length, rows[0].note!.startsWith("MISSED") ? 1 : 0);
});

test("the recording benchmark has hundreds of dispatches a step, and a second one compiles nothing", async () => {
  await measureRecording(gpu, 1);
  const before = { ...gpu.counters };
  const { us, dispatches } = await measureRecording(gpu, 1);
  assert.ok(dispatches > 300, `${dispatches} dispatches`);
  assert.ok(us[0] > 0 && us[0] < 1000, `${us[0]} us`);
  assert.is(gpu.counters.pipelines, before.pipelines);
});

test.run();
