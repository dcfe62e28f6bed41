// The profiler: every launch is in it, sums are those of the declarations, the trace is one that viewers open; and the
// reading of kernel files.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { launchCount, prepareKernelFile, readNumbers } from "../../bench/kernel-file.ts";
import { profilePage, reportOf } from "../../bench/profile.ts";
import { submitRaw } from "../../bench/raw.ts";
import { type Gpu, GpuError, KernelError, later, parameter, Tape, tensor, UsageError } from "../../engine/index.ts";
import { ideal } from "../../engine/device/roofline.ts";
import { Profiler } from "../../engine/device/timing.ts";
import { traceOf } from "../../engine/device/trace.ts";
import { useRunner } from "../../engine/record/runner.ts";
import { layernorm, linear, mean } from "../../kernels/index.ts";
import { sharedGpu } from "../kernels/derive.ts";
import { openTestGpu } from "../kit/gpu.ts";

const gpu = await sharedGpu();
const roof = { bytesPerSecond: 1e10, flopsPerSecond: 1e11, launch: 1e-5 };

const [N, D, M] = [6, 8, 12];
const linearSizes = { N, K: D, M };
const ones = (n: number) => new Float32Array(n).fill(1);

/** A small training step: a layer norm, a linear layer, their gradients. */
function step(): Promise<ArrayLike<number>> {
  using tape = new Tape();
  const x = layernorm(tensor(ones(N * D), [N, D]), parameter(ones(D)), parameter(ones(D)));
  const loss = mean(linear(x, parameter(ones(M * D), [M, D]), parameter(ones(M))));
  tape.gradients(loss);
  return later(loss);
}

/** What the profiler saw of two steps, and how many launches there were. */
async function profiled(): Promise<{ profiler: Profiler; launches: number }> {
  await step();
  const before = gpu.dispatched;
  const profiler = new Profiler(gpu);
  gpu.profiler = profiler;
  try {
    await step();
    await step();
  } finally {
    gpu.profiler = undefined;
  }
  await profiler.collect();
  return { profiler, launches: gpu.dispatched - before };
}

const seen = await profiled();

test("every launch is in the rows and in the trace, and none twice", () => {
  const { profiler, launches } = seen;
  assert.ok(launches > 10);
  assert.is(
    profiler.rows(roof).reduce((sum, { calls }) => sum + calls, 0),
    launches,
  );
  assert.is(profiler.spans().filter(({ track }) => track === "gpu").length, launches);
});

test("a row has a positive time, and the longest comes first", () => {
  const rows = seen.profiler.rows(roof);
  for (const { label, seconds } of rows) assert.ok(seconds > 0 && seconds < 10, `${label} took ${seconds} s`);
  for (let i = 1; i < rows.length; i++) assert.ok(rows[i - 1].seconds >= rows[i].seconds);
});

test("forward flops are those of the declaration, and a gradient has twice as many over its passes", () => {
  const rows = seen.profiler.rows(roof);
  const flopsOf = (wanted: (label: string) => boolean) =>
    rows.filter(({ label }) => wanted(label)).reduce((sum, { flops }) => sum + flops, 0);
  const forward = 2 * layernorm.flops({ N, D }, {});
  assert.is(Math.round(flopsOf((label) => label === "layernorm forward")), forward);
  const backward = flopsOf((label) => /^layernorm /.test(label) && label !== "layernorm forward");
  // x needs no gradient here, so the pass that would write it, about half of the gradient's work, did not run
  assert.ok(backward > 0.3 * 2 * forward && backward < 2 * forward, `${backward} of ${2 * forward}`);
});

test("a matrix product has its own flops, and what goes with it shares the rest", () => {
  const rows = seen.profiler.rows(roof).filter(({ label }) => label.startsWith("linear "));
  const product = 2 * linearSizes.N * linearSizes.K * linearSizes.M;
  const flopsOf = (label: string) => rows.find((row) => row.label === label)?.flops;
  assert.is(flopsOf("linear forward"), 2 * product);
  assert.is(flopsOf("linear dx"), 2 * product);
  assert.is(flopsOf("linear dw"), 2 * product);
  const bias = rows.filter(({ label }) => /bias|parts/.test(label));
  assert.ok(bias.length > 0);
  for (const { label, flops } of bias) assert.is(flops, 0, label);
});

test("bytes are those of the tensors that a pass binds", () => {
  const row = seen.profiler.rows(roof).find(({ label }) => label === "layernorm forward");
  assert.is(row?.bytes, 2 * 4 * (N * D + D + D + N * D + N + N));
});

test("the trace is JSON with a name per track and every event within its bounds", () => {
  const trace = JSON.parse(JSON.stringify(traceOf(seen.profiler.spans(), "some adapter")));
  const names = trace.traceEvents.filter((event: { ph: string }) => event.ph === "M");
  assert.equal(
    names.map((event: { tid: number; args: { name: string } }) => [event.tid, event.args.name]),
    [
      [1, "main thread"],
      [2, "GPU: some adapter"],
    ],
  );
  const events = trace.traceEvents.filter((event: { ph: string }) => event.ph === "X");
  assert.is(events.length, seen.profiler.spans().length);
  for (const { name, ts, dur, pid, tid } of events) {
    assert.type(name, "string");
    assert.ok(Number.isFinite(ts) && ts >= 0, `${name} begins at ${ts}`);
    assert.ok(Number.isFinite(dur) && dur >= 0, `${name} lasts ${dur}`);
    assert.ok(pid === 1 && (tid === 1 || tid === 2));
  }
  for (const name of ["record", "plan", "encode and submit"])
    assert.ok(
      events.some((event: { name: string; tid: number }) => event.name === name && event.tid === 1),
      name,
    );
});

test("no launch runs before it was encoded", () => {
  const spans = seen.profiler.spans();
  const submits = spans.filter(({ name }) => name === "encode and submit");
  const first = spans.filter(({ track }) => track === "gpu")[0];
  assert.ok(first.start >= submits[0].start, `${first.start} is before ${submits[0].start}`);
});

test("the report's sums are those of its rows, and its table shows each", async () => {
  const report = await reportOf(seen.profiler, gpu.facts.adapter, roof);
  assert.is(report.launches, seen.launches);
  assert.ok(Math.abs(report.gpuMs - report.rows.reduce((sum, { seconds }) => sum + 1000 * seconds, 0)) < 1e-9);
  assert.ok(report.main.record > 0);
  const text = profilePage(report);
  for (const { label } of report.rows) assert.ok(text.includes(label), label);
});

test("outputs are the same with the profiler as without it", async () => {
  const plain = await step();
  gpu.profiler = new Profiler(gpu);
  try {
    assert.equal(await step(), plain);
  } finally {
    gpu.profiler = undefined;
  }
});

test("an adapter without timestamps is refused with the name of the feature", () => {
  const without = { device: { features: new Set<string>() }, facts: { adapter: "Old GPU" } } as unknown as Gpu;
  assert.throws(
    () => new Profiler(without),
    (error: unknown) => error instanceof GpuError && /Old GPU.*timestamp-query/.test(error.message),
  );
  new Profiler(gpu); // and this one, which has them, is not
});

test("the nearest edge of the roofline is what bounds a kernel", () => {
  assert.equal(ideal({ bytes: 1e10, flops: 1, calls: 1 }, roof), { seconds: 1, bound: "bytes" });
  assert.equal(ideal({ bytes: 1, flops: 2e11, calls: 1 }, roof), { seconds: 2, bound: "flops" });
  assert.equal(ideal({ bytes: 16, flops: 16, calls: 4 }, roof), { seconds: 4e-5, bound: "launch" });
});

test("counts are products, then divisions that round up", () => {
  const names = { N: 1000, D: 768, WG: 64 };
  assert.is(launchCount("N", names, "x"), 1000);
  assert.is(launchCount("N*D/4/WG", names, "x"), 3000);
  assert.is(launchCount("N/WG", names, "x"), 16);
  assert.is(launchCount("7", names, "x"), 7);
  for (const bad of ["Q", "N*", "-1", "0", "N/0", "process.exit()", "N**2"])
    assert.throws(
      () => launchCount(bad, names, "--grid"),
      (error: unknown) => error instanceof UsageError && error.message.startsWith("--grid"),
      bad,
    );
});

test("lists of numbers are read, and a bad part is shown", () => {
  assert.equal(readNumbers("--sizes", "N=1024, D=768,eps=1e-5"), { N: 1024, D: 768, eps: 1e-5 });
  assert.equal(readNumbers("--sizes", undefined), {});
  for (const bad of ["N", "N=x", "=3", "N=1;D=2"])
    assert.throws(
      () => readNumbers("--sizes", bad),
      (error: unknown) => error instanceof UsageError,
      bad,
    );
});

const scaled = `// y = 2 x
struct Dims { N: u32 }
@group(0) @binding(0) var<storage, read> x: array<vec4<T>>;        // [N, 4]
@group(0) @binding(1) var<storage, read_write> y: array<vec4<T>>;  // [N, 4]
var<immediate> dim: Dims;
override WG: u32 = 32;
@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x < dim.N) { y[id.x] = 2.0 * x[id.x]; }
}
`;

const folder = mkdtempSync(join(tmpdir(), "emotionclip-profile-"));
const file = (name: string, text: string): string => {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
};
test.after(() => rmSync(folder, { recursive: true }));

test("a kernel file's buffers, grid and bytes follow from its comments and the sizes", async () => {
  const found = prepareKernelFile(gpu, file("scaled.wgsl", scaled), { sizes: "N=100" });
  assert.equal(
    found.shapes.map(({ name, elements, type, written }) => [name, elements, type, written]),
    [
      ["x", 400, "f32", false],
      ["y", 400, "f32", true],
    ],
  );
  assert.is(found.bytes, 2 * 400 * 4);
  assert.equal(found.launch.grid, [4], "100 vec4s, 32 lanes a workgroup");
  submitRaw(gpu, [found.launch], 2);
  await gpu.idle();
});

test("what is missing from the flags of a kernel file is named", () => {
  const path = file("ok.wgsl", scaled);
  const refuses = (flags: Parameters<typeof prepareKernelFile>[2], part: RegExp, where = path) =>
    assert.throws(
      () => prepareKernelFile(gpu, where, flags),
      (error: unknown) => error instanceof UsageError && part.test(error.message),
      String(part),
    );
  refuses({}, /Dims\.N has no value/);
  refuses({ sizes: "N=4", grid: "Q" }, /"Q" in "Q" has no value; known: .*N/);
  refuses({ sizes: "N=4", constants: "TILE=3" }, /no override TILE/);
  refuses({ sizes: "N=4", shape: ["z=N"] }, /binds no z; it has x, y/);
  refuses({ sizes: "N=4" }, /how large is x\?/, file("shapeless.wgsl", scaled.replaceAll(/ +\/\/ \[N, 4\]/g, "")));
  refuses({ sizes: "N=4" }, /no such file/, join(folder, "absent.wgsl"));
  refuses({ sizes: "N=4" }, /no bindings/, file("empty.wgsl", "@compute @workgroup_size(1) fn main() {}"));
});

test("a compile error names the file's own line, with a caret", async () => {
  const own = await openTestGpu();
  useRunner(gpu);
  const path = file("typo.wgsl", scaled.replace("2.0 * x[id.x]", "2.0 * xx[id.x]"));
  const line =
    readFileSync(path, "utf8")
      .split("\n")
      .findIndex((text) => text.includes("xx[")) + 1;
  prepareKernelFile(own, path, { sizes: "N=4" });
  const error = await own.idle().then(
    () => undefined,
    (reason: unknown) => reason,
  );
  assert.instance(error, KernelError);
  assert.match((error as Error).message, new RegExp(`^typo\\.wgsl:${line}:\\d+ unresolved value 'xx'`));
  assert.match((error as Error).message, /\n *\^$/);
  own.device.destroy();
});

test.run();
