// What may be in flight, and a device that is lost, refuses or makes no progress: one error that says where, at every moment.
import { test } from "uvu";
import * as assert from "uvu/assert";
import {
  accumulate,
  compute,
  fill,
  type Gpu,
  GpuError,
  later,
  persistent,
  Scope,
  Tape,
  tensor,
  type TypedArray,
  UsageError,
} from "../../engine/index.ts";
import { Flight } from "../../engine/device/flight.ts";
import { Faults } from "../../engine/device/faults.ts";
import { throttled } from "../../engine/host/wait.ts";
import { Deadline } from "../../engine/host/deadline.ts";
import { during, useRunner } from "../../engine/record/runner.ts";
import { sharedGpu } from "../kernels/derive.ts";
import { openTestGpu } from "../kit/gpu.ts";
import { failure } from "../kit/refusal.ts";

const gpu = await sharedGpu();

/** Runs `body` with a GPU of its own. */
async function withGpu(options: Parameters<typeof openTestGpu>[0], body: (own: Gpu) => Promise<void>): Promise<void> {
  const own = await openTestGpu(options);
  try {
    await body(own);
  } finally {
    own.close();
    useRunner(gpu);
  }
}

const work = (n = 64) => compute(() => accumulate(fill({ n, value: 1 }), fill({ n, value: 2 })));

function isLoss(error: Error, moment: string): void {
  assert.instance(error, GpuError, `${moment}: ${error.stack}`);
  assert.match(error.message, /^the GPU was lost \(destroyed\): /, moment);
}

/** Moments at which a device may be lost; each gives what then must be rejected. */
const moments: Record<string, (own: Gpu) => Promise<unknown>> = {
  "while a read is on its way": (own) => {
    const read = work();
    own.device.destroy();
    return read;
  },
  "before a read": async (own) => {
    own.device.destroy();
    return work();
  },
  "between two reads": async (own) => {
    await work();
    own.device.destroy();
    return work();
  },
  "in the middle of a step": async (own) => {
    using tape = new Tape();
    const x = accumulate(tensor([1]), tensor([2]));
    own.device.destroy();
    void tape;
    await x.data();
  },
  "while kernels are compiled": async (own) => {
    const read = compute(() => fill({ n: 12345, value: 1 }));
    own.device.destroy();
    await read;
  },
  "while the program waits for all work": (own) => {
    void work().catch(() => {});
    const idle = own.idle();
    own.device.destroy();
    return idle;
  },
  "while data arrives": async (own) => {
    const t = persistent(new Float32Array(1000));
    own.device.destroy();
    await t.data();
  },
};

for (const [moment, lose] of Object.entries(moments))
  test(`a device lost ${moment} is a GpuError, and so is every call afterwards`, () =>
    withGpu({}, async (own) => {
      isLoss(await failure(lose(own), moment), moment);
      for (const again of [() => work(), () => own.idle()]) isLoss(await failure(again(), moment), `after ${moment}`);
    }));

test("a rejected map waits a moment for the loss that explains it", () =>
  withGpu({}, async (own) => {
    let lose!: (info: object) => void;
    const { device } = own;
    const late = new Promise((resolve) => (lose = resolve));
    const { Faults } = await import("../../engine/device/faults.ts");
    const slow = { addEventListener: () => {}, lost: late } as unknown as GPUDevice;
    const faults = new Faults(slow, () => "in step 7");
    const cause = faults.causeOf(new DOMException("map failed", "AbortError"));
    setTimeout(() => lose({ reason: "unknown", message: "hung" }), 20);
    assert.is((await cause).message, "the GPU was lost (unknown): hung\n  in step 7");
    const alone = new Faults({ addEventListener: () => {}, lost: new Promise(() => {}) } as never, () => "in step 8");
    const refused = await alone.causeOf(new DOMException("map failed", "AbortError"));
    assert.instance(refused, GpuError);
    assert.is(refused.message, "the GPU did not answer: AbortError map failed\n  in step 8");
    void device;
  }));

test("a loss inside a scope is told as it is, not as an error of its end", () =>
  withGpu({}, async (own) => {
    const body = async () => {
      using scope = new Scope();
      const x = accumulate(tensor([1]), tensor([2]));
      own.device.destroy();
      await x.data();
      void scope;
    };
    isLoss(await failure(body()), "in a scope");
  }));

test("a closed GPU rejects what waits for it, and says what to await", () =>
  withGpu({}, async (own) => {
    const read = work();
    own.close();
    const error = await failure(read);
    assert.instance(error, GpuError);
    assert.match(error.message, /this GPU was closed.*await gpu\.idle\(\)/);
    useRunner(own);
    assert.match((await failure(work())).message, /this GPU was closed/);
  }));

test("a loss names what the device had to do", () =>
  withGpu({}, async (own) => {
    const read = during("training step 12", () => work());
    own.device.destroy();
    const { message } = await failure(read);
    assert.match(
      message,
      /training step 12: launches 1 to 3 of 3, fill forward to accumulate forward; the largest is /,
    );
  }));

test("a loop without an await is refused at the bound, keeps bounded memory, and goes on after one", () =>
  withGpu({ inFlight: 20 }, async (own) => {
    const step = (n: number): Promise<TypedArray> => {
      using scope = new Scope();
      void scope;
      return later(accumulate(tensor([n, n]), tensor([1, 2])));
    };
    let begun = 0;
    const reads: Promise<TypedArray>[] = [];
    let error: unknown;
    try {
      for (; begun < 300; begun++) reads.push(step(begun));
    } catch (reason) {
      error = reason;
    }
    assert.instance(error, UsageError);
    assert.match((error as Error).message, /20 segments .* `await gpu\.idle\(\)` in the loop.*inFlight/s);
    assert.is(begun, 20);
    await own.idle();
    for (const [n, read] of reads.entries()) assert.equal([...(await read)], [n + 1, n + 2]);
    const before = { bytes: own.store.total, buffers: own.counters.buffers };
    for (let n = 0; n < 300; n++) {
      void step(n);
      if (n % 10 === 9) await own.idle();
    }
    assert.equal({ bytes: own.store.total, buffers: own.counters.buffers }, before, "flat with the await");
    for (let n = 0; n < 100; n++) assert.equal([...(await step(n))], [n + 1, n + 2], "a read is an await as well");
  }));

test("reads and computations without an await are refused at the bound like steps", () =>
  withGpu({ inFlight: 8 }, async (own) => {
    const t = persistent([1, 2, 3]);
    for (const many of [() => t.data(), () => work(3)]) {
      const results = await Promise.allSettled(Array.from({ length: 12 }, many));
      const refused = results.filter(({ status }) => status === "rejected") as PromiseRejectedResult[];
      assert.is(refused.length, 4);
      for (const { reason } of refused) assert.instance(reason, UsageError);
      await own.idle();
    }
  }));

test("all segments of one unit of work count as one", () =>
  withGpu({ inFlight: 3 }, async (own) => {
    const parts = () => during("step", () => Promise.all(Array.from({ length: 20 }, () => work(3))));
    const begun = [parts(), parts(), parts()];
    assert.instance(await failure(parts()), UsageError);
    for (const results of await Promise.all(begun)) assert.is(results.length, 20);
    await own.idle();
  }));

test("what was refused is rejected wherever it was to be read", () =>
  withGpu({ inFlight: 1 }, async () => {
    const reads: Promise<TypedArray>[] = [];
    for (let n = 0; n < 2; n++)
      try {
        using scope = new Scope();
        reads.push(later(fill({ n: 1, value: n })));
        void scope;
      } catch {}
    assert.equal(await reads[0], Float32Array.of(0));
    assert.instance(await failure(reads[1]), UsageError);
  }));

/** A clock that a test moves. */
function clock() {
  const at = { ms: 0, progress: 0 };
  return {
    at,
    deadline: new Deadline(
      120_000,
      () => at.progress,
      () => at.ms,
    ),
  };
}

test("a deadline counts time that passes while somebody looks, until there is progress", () => {
  const { at, deadline } = clock();
  const look = (times: number, ms: number) => {
    for (let i = 0; i < times; i++) {
      at.ms += ms;
      if (deadline.passed()) return true;
    }
    return false;
  };
  assert.not.ok(look(119_000, 1));
  at.progress++;
  assert.not.ok(look(119_000, 1), "it began anew");
  assert.ok(look(1001, 1));
});

test("a process that was stopped for hours has waited for a moment", () => {
  const { at, deadline } = clock();
  for (let i = 0; i < 100; i++) {
    at.ms += 3_600_000;
    assert.not.ok(deadline.passed());
  }
});

test("GPU time without progress is an error that names step and kernel, and the setting", () =>
  withGpu({ deadline: 0.2 }, async (own) => {
    own.device.queue.onSubmittedWorkDone = () => new Promise(() => {}); // a queue that never comes to an end
    const error = await failure(during("training step 3", () => Promise.all([own.idle(), work()])));
    assert.instance(error, GpuError);
    assert.match(error.message, /^the GPU made no progress for 0\.2 s\n/);
    assert.match(error.message, /setting/);
    assert.is(await failure(work()), error, "it is final");
  }));

test("slices of a segment are progress", () => {
  const settled: (() => void)[] = [];
  const queue = { onSubmittedWorkDone: () => new Promise<undefined>((done) => settled.push(() => done(undefined))) };
  const flight = new Flight(queue, 4);
  const launches = ["a", "b", "c"].map((label, i) => ({ label, work: { flops: i, bytes: 0 } }));
  const leg = (from: number, to: number, ends: boolean) => ({ launches, from, to, during: { what: "step 1" }, ends });
  flight.begin(leg(0, 1, false));
  flight.begin(leg(1, 3, true));
  assert.is(flight.where, "step 1: kernel a");
  flight.finish(1);
  assert.is(flight.progress, 1);
  assert.is(flight.where, "step 1: launches 2 to 3 of 3, b to c; the largest is c");
  assert.is(flight.unfinished, 1);
  flight.finish(2);
  assert.is(flight.unfinished, 0);
  assert.is(flight.where, "it had nothing to do");
  assert.ok(settled.length >= 1);
});

test("a bound or a deadline that is no number is refused", async () => {
  for (const options of [{ inFlight: 0 }, { inFlight: 1.5 }, { deadline: 0 }, { deadline: Number.NaN }])
    assert.instance(await failure(openTestGpu(options)), UsageError);
});

/** Faults of a device that nothing happens to by itself. */
const quiet = () => {
  const device = { addEventListener: () => {}, lost: new Promise(() => {}) } as unknown as GPUDevice;
  return new Faults(device, () => "nowhere");
};

test("a wait leaves nothing behind with the device, however it ends", async () => {
  const faults = quiet();
  const wait = <T>(promise: Promise<T>, late: () => GpuError | undefined = () => undefined) =>
    throttled(promise, faults.hear, 0, late);
  for (let i = 0; i < 100; i++) assert.is(await wait(Promise.resolve(i)), i);
  assert.match((await failure(wait(Promise.reject(new Error("no"))))).message, /^no$/);
  assert.match((await failure(wait(new Promise(() => {}), () => new GpuError("too late")))).message, /too late/);
  assert.is(faults.waiting, 0);
});

test("all who wait hear of the first fault, and who begins to wait later does too", async () => {
  const faults = quiet();
  const waits = [1, 2, 3].map(() => failure(throttled(new Promise(() => {}), faults.hear, 0, () => undefined)));
  assert.is(faults.waiting, 3);
  faults.fail(new GpuError("first"));
  faults.fail(new GpuError("second"));
  for (const error of await Promise.all(waits)) assert.match(error.message, /^first$/);
  const later = failure(throttled(new Promise(() => {}), faults.hear, 0, () => undefined));
  assert.match((await later).message, /^first$/);
  assert.is(await throttled(Promise.resolve("there before"), faults.hear, 0, () => undefined), "there before");
  assert.is(faults.waiting, 0);
});

test.run();
