// Clips of a list: what the system keeps from us is one bad clip with its reason, and too many bad ones are told with reasons, whichever
// process met them.
import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { FormatError, HealthError } from "../../engine/errors.ts";
import type { Tensor } from "../../engine/index.ts";
import { type ClipsToShow, KeptFeatures } from "../../eval/features/clips.ts";
import { ownClips } from "../../eval/features/own-clips.ts";
import { zeros } from "../../kernels/index.ts";
import type { VideoText } from "../../model/index.ts";
import { sharedGpu } from "../kernels/derive.ts";
import { refusal } from "../kit/refusal.ts";
import { inTemporary } from "../kit/temporary.ts";

await sharedGpu();

/** Where no right to a folder counts, as for root, the work is done as somebody else. */
async function asSomebody<T>(work: () => Promise<T>): Promise<T> {
  if (process.geteuid?.() !== 0) return work();
  process.seteuid!(65534);
  try {
    return await work();
  } finally {
    process.seteuid!(0);
  }
}

const view = { length: 2, every: 1, side: 32, colours: "imagenet", window: "centre", augment: false } as const;

test("a folder that may not be read, and a path that leads nowhere, are bad clips with their reasons", () =>
  inTemporary(async (folder) => {
    chmodSync(folder, 0o755);
    for (const name of ["shut", "empty"]) mkdirSync(join(folder, name));
    writeFileSync(join(folder, "shut", "1.png"), "");
    chmodSync(join(folder, "shut"), 0o300);
    symlinkSync("round", join(folder, "round"));
    const paths = ["shut", "round", "n".repeat(300), "gone", "empty"];
    const { clips, counts } = await asSomebody(() => ownClips(paths, folder, view, { seed: 0 }));
    assert.equal(counts, { folder: 0, film: 0, none: 5 });
    const messages: string[] = [];
    for (const i of paths.keys()) {
      const error = await refusal(clips.show(i));
      assert.instance(error, FormatError);
      messages.push(error.message);
    }
    assert.match(messages[0], /^"shut": cannot be read: permission denied/);
    assert.match(messages[1], /^"round": cannot be read: .*ELOOP/);
    assert.match(messages[2], /^"n+.*: cannot be read: .*ENAMETOOLONG/);
    assert.equal(messages.slice(3), [
      '"gone" is neither a folder of pictures nor a film',
      '"empty" is neither a folder of pictures nor a film',
    ]);
  }));

/** Clips of grey, but for those that cannot be read. */
const clipsOf = (length: number, bad: readonly number[]): ClipsToShow => ({
  length,
  show: async (i) => {
    if (bad.includes(i)) throw new FormatError(`"c${i}" is torn`);
    return { frames: new Uint8Array(2 * 3 * 32 * 32), mask: new Uint8Array(2 * 32 * 32) };
  },
  told: (i) => ({ what: [i, bad.length], files: [] }),
});
const model = {
  takes: { frames: 2, side: 32 },
  embed: 4,
  encodeVideo: ({ shape: [B] }: Tensor) => zeros([B, 4]),
} as unknown as VideoText;
const key = { benchmark: "own", split: "all", checkpoint: "x", input: {}, width: 4 };
const never = { requested: undefined };

test("after a stop under a larger share the refusal still names clips", () =>
  inTemporary(async (folder) => {
    const open = () => KeptFeatures.open(clipsOf(6, [0, 1]), key, { folder, say: () => {} });
    let asked = 0;
    const stop = {
      get requested() {
        return asked++ > 3 ? 130 : undefined;
      },
    };
    const first = await open();
    await first.fill(model, { maxBad: 0.5, batch: 1, stop });
    assert.ok(first.done >= 2 && !first.isComplete, `${first.done}`);
    await first.close();
    const second = await open();
    const error = await refusal(second.fill(model, { maxBad: 0.1, batch: 1, stop: never }));
    assert.instance(error, HealthError);
    assert.is(error.message, '2 of 6 clips cannot be read, more than --max-bad allows: "c0" is torn; "c1" is torn');
    await second.close();
  }));

test("as many bad clips as --max-bad allows are allowed, also where 0.29 of 100 rounds below 29; one more is not, nor all of them", () =>
  inTemporary(async (folder) => {
    const outcome = async (length: number, bad: number, maxBad: number) => {
      const kept = await KeptFeatures.open(clipsOf(length, [...Array(bad).keys()]), key, { folder, say: () => {} });
      try {
        await kept.fill(model, { maxBad, batch: 50, stop: never });
        return (await kept.read(maxBad)).kept.length;
      } finally {
        await kept.close();
      }
    };
    assert.is(await outcome(100, 29, 0.29), 71);
    assert.match((await refusal(outcome(100, 30, 0.29))).message, /^30 of 100 clips/);
    assert.match((await refusal(outcome(3, 3, 1))).message, /^3 of 3 clips/);
  }));

test.run();
