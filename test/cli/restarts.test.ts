// A GPU that is lost under a command: how often it is opened again, and what ends the command.
import { test } from "uvu";
import * as assert from "uvu/assert";
import { DiskError, GpuError } from "../../engine/errors.ts";
import type { Gpu } from "../../engine/index.ts";
import { goneOnWith, LastingGpu, restartsOf } from "../../cli/restarts.ts";
import { failure } from "../kit/refusal.ts";

const lost = () => new GpuError("the GPU was lost (unknown): gone\n  in step 7", { isLost: true });

/** GPUs that only tell which they are, and what was said of them. */
function fakes(most: number, opens: (n: number) => void = () => {}) {
  const said: string[] = [];
  const closed: number[] = [];
  let opened = 0;
  const open = async () => {
    opens(++opened);
    const n = opened;
    return { n, close: () => closed.push(n) } as unknown as Gpu;
  };
  const stop: { requested: number | undefined } = { requested: undefined };
  const lasting = new LastingGpu(open, most, { say: (line) => said.push(line), stop });
  return { lasting, said, closed, stop, opened: () => opened };
}

test("a lost GPU is opened again, said, counted and told to the work", async () => {
  const { lasting, said, closed } = fakes(3);
  const told: number[] = [];
  const result = await lasting.use(async (gpu, restarts) => {
    told.push(restarts.length);
    if (restarts.length < 1) throw lost();
    assert.match(restarts[0].reason, /^the GPU was lost \(unknown\): gone$/);
    return (gpu as unknown as { n: number }).n;
  });
  assert.is(result, 2);
  assert.equal(told, [0, 1]);
  assert.equal(said, ["warning: the GPU was lost (unknown): gone; restart 1 of 3, from the last checkpoint"]);
  assert.is(await lasting.use(async (_, restarts) => restarts.length), 0, "the next work had none");
  lasting.close();
  assert.equal(closed, [2]);
});

test("the restarts of a command are bounded, and 0 is none", async () => {
  for (const most of [0, 1]) {
    const { lasting, opened } = fakes(most);
    const error = await failure(lasting.use(() => Promise.reject(lost())));
    assert.instance(error, GpuError);
    assert.is(opened(), most + 1);
  }
});

test("a GPU that does not come back at once is waited for; one that was never there is not", async () => {
  const away = new GpuError("no adapter");
  const later = fakes(2, (n) => {
    if (n === 2) throw away;
  });
  const work = async (_: Gpu, restarts: readonly object[]) => {
    if (restarts.length === 0) throw lost();
    return restarts.length;
  };
  assert.is(await later.lasting.use(work), 2);
  const never = fakes(5, () => {
    throw away;
  });
  assert.is(await failure(never.lasting.use(async () => 0)), away);
  assert.is(never.opened(), 1);
});

test("a stop while a restart waits, or before the loss, ends the work without another GPU", async () => {
  for (const isBefore of [true, false]) {
    const { lasting, stop, opened } = fakes(1000);
    const work = async () => {
      if (isBefore) stop.requested = 143;
      else setTimeout(() => (stop.requested = 130), 20);
      throw lost();
    };
    assert.is(await lasting.use(work), undefined);
    assert.is(opened(), 1);
  }
});

test("what is no loss ends the work: a hang, a full disk", async () => {
  for (const error of [new GpuError("the GPU made no progress"), new DiskError("full")]) {
    const { lasting, opened } = fakes(3);
    assert.is(await failure(lasting.use(() => Promise.reject(error))), error);
    assert.is(opened(), 1);
  }
});

test("a loss that the end of a scope hid is one, and stays one when it says how to go on", async () => {
  const hidden = Object.assign(new Error(""), { name: "SuppressedError", suppressed: lost() });
  const told = goneOnWith(hidden, "runs/x") as GpuError;
  assert.ok(told.isLost);
  assert.match(told.message, /in step 7\n {2}the same command goes on with runs\/x, from its last checkpoint$/);
  const { lasting } = fakes(1);
  assert.is(await lasting.use(async (_, { length }) => (length === 0 ? Promise.reject(hidden) : length)), 1);
});

test("--restarts is a whole number from 0", () => {
  assert.is(restartsOf("0"), 0);
  for (const text of ["-1", "1.5", "many"])
    assert.throws(() => restartsOf(text), /--restarts: ".*" is not a whole number/);
});

test.run();
