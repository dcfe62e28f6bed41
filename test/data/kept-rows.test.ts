// Kept rows whose file is taken away while it is read: what the system says comes with the folder.
import { mkdirSync, rmSync, truncateSync } from "node:fs";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { KeptRows } from "../../data/features/kept-rows.ts";
import { DiskError } from "../../engine/errors.ts";
import { refusal } from "../kit/refusal.ts";
import { inTemporary } from "../kit/temporary.ts";

/** Four rows of two numbers in a folder. */
async function rowsIn(folder: string): Promise<KeptRows> {
  const rows = await KeptRows.open(folder, { samples: 4, width: 2 }, { of: "a test" });
  await rows.append(
    Float32Array.from({ length: 8 }, (_, i) => i),
    4,
  );
  return rows;
}

test("a row is read where it lies; a file that is gone, cannot be read or was cut is a DiskError that names folder and cause", () =>
  inTemporary(async (root) => {
    const out = new Float32Array(4);
    const faults: [string, (path: string) => void, RegExp, RegExp?][] = [
      ["gone", (path) => rmSync(path), /features\.f32 cannot be read: no such file/],
      ["a folder", (path) => [rmSync(path), mkdirSync(path)], /features\.f32 cannot be read: /],
      ["cut", (path) => truncateSync(path, 12), /ends within row 2/, /has 12 bytes instead of 32/],
    ];
    for (const [name, spoil, message, all = message] of faults) {
      const folder = join(root, name);
      const whole = await rowsIn(folder);
      whole.readInto(2, out, 1);
      assert.equal([...out], [0, 0, 4, 5]);
      await whole.close();
      const rows = await KeptRows.open(folder, { samples: 4, width: 2 }, { of: "a test" });
      spoil(join(folder, "features.f32"));
      for (const [read, expected] of [
        [async () => rows.readInto(2, out, 0), message],
        [() => rows.all(), all],
      ] as const) {
        const error = await refusal(read(), name);
        assert.instance(error, DiskError, name);
        assert.ok(error.message.startsWith(`${folder}: `), error.message);
        assert.match(error.message, expected);
      }
      await rows.close();
    }
  }));

test.run();
