// Windows over footage: what they cover, that each is a clip by itself, and places that cannot be.
import { test } from "uvu";
import * as assert from "uvu/assert";
import fc from "fast-check";
import { windowsOf } from "../../data/footage/windows.ts";
import { linspaceFrames } from "../../data/sampling.ts";
import { FormatError, UsageError } from "../../engine/errors.ts";

const at = (fps: number, count: number) => Array.from({ length: count }, (_, i) => i / fps);

test("windows of 2 s every half second over 5 s at 8 frames a second", () => {
  const windows = windowsOf(at(8, 40), 4, { window: 2, stride: 0.5 });
  assert.equal(
    windows.map(({ start, end }) => [start, end]),
    [0, 0.5, 1, 1.5, 2, 2.5, 3].map((start) => [start, start + 2]),
  );
  assert.equal(windows[1].frames, [...linspaceFrames(4, 19, 4)]);
  assert.equal(windowsOf(at(8, 40), 4), [{ start: 0, end: 5, frames: [...linspaceFrames(0, 39, 4)] }]);
});

test("what is left at the end and longer than half a stride gets a window that ends there", () => {
  assert.equal(
    windowsOf(at(10, 57), 2, { window: 2, stride: 2 }).map(({ start }) => Number(start.toFixed(6))),
    [0, 2, 3.7],
  );
  assert.is(windowsOf(at(10, 49), 2, { window: 2, stride: 2 }).length, 2);
});

test("whatever the times: windows ascend, are as long as asked for, show frames of theirs alone, and cover all but half a stride", () => {
  const times = fc
    .array(fc.double({ min: 0.001, max: 3, noNaN: true }), { minLength: 1, maxLength: 60 })
    .map((gaps) => [0, ...gaps].map((_, i) => gaps.slice(0, i).reduce((sum, gap) => sum + gap, 0)));
  const lengths = fc.record({
    window: fc.double({ min: 0.05, max: 20, noNaN: true }),
    stride: fc.double({ min: 0.05, max: 5, noNaN: true }),
  });
  fc.assert(
    fc.property(times, lengths, fc.integer({ min: 1, max: 9 }), (seconds, options, T) => {
      const windows = windowsOf(seconds, T, options);
      for (const [i, { start, end, frames }] of windows.entries()) {
        assert.ok(i === 0 || start > windows[i - 1].start);
        assert.ok(end - start <= options.window + 1e-9);
        assert.is(frames.length, T);
        for (const index of frames)
          assert.ok(seconds[index] >= start - 2e-6 && seconds[index] < start + options.window + 2e-6);
        assert.equal(
          [...frames].sort((a, b) => a - b),
          frames,
        );
      }
    }),
  );
});

test("places and lengths that cannot be are refused; a piece without a frame is named", () => {
  const refused = (options: object, message: RegExp, kind: typeof UsageError | typeof FormatError = UsageError) => {
    try {
      windowsOf([0, 1, 2, 30, 31], 2, options);
    } catch (error) {
      assert.instance(error, kind);
      assert.match((error as Error).message, message);
      return;
    }
    assert.unreachable(`${JSON.stringify(options)} was taken`);
  };
  refused({ window: 0 }, /window is 0 s, expected more than 0/);
  refused({ window: 1, stride: -1 }, /stride is -1 s/);
  refused({ start: 50 }, /begins at 50 s, but the footage is 38\.750 s long/);
  refused({ start: 3, end: 2 }, /ends at 2 s, expected after its beginning at 3 s/);
  refused({ window: 1e-5, stride: 1e-5 }, /windows every 0\.00001 s over 38\.75 s are 3875000; at most 1000000/);
  refused({ start: 5, end: 20 }, /there is no frame from 5 s to 20 s/, FormatError);
});

test.run();
