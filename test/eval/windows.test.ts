// Features of windows over a film are those of its pieces as clips; each frame is encoded once. And `emotionclip timeline`.
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { openReel } from "../../data/footage/reel.ts";
import { readFootage } from "../../data/footage/footage.ts";
import { reelFrames } from "../../data/footage/reel-frames.ts";
import { windowsOf } from "../../data/footage/windows.ts";
import { encodeVideos } from "../../eval/features/encode.ts";
import { framesOf, frameRows, windowRows } from "../../eval/features/windows.ts";
import { emoClip, type EmoClipConfig, emotionClip } from "../../model/index.ts";
import type { Family } from "../../model/family.ts";
import { allocateFrozen } from "../../engine/index.ts";
import { Init, named } from "../../model/params.ts";
import { sharedGpu } from "../kernels/derive.ts";
import { inTemporary } from "../kit/temporary.ts";
import { ffmpeg, hasFfmpeg } from "../kit/tiny-films.ts";
import { tiny } from "../train/synthetic.ts";

await sharedGpu();

const emoClipTiny: EmoClipConfig = {
  ...{ embed: tiny.embed, vision: tiny.vision, text: tiny.text, activation: "quickGelu" },
  temporal: { frames: tiny.head.frames, positions: 8, layers: 1, heads: 2, headWidth: 12, hidden: 16 },
};

/** A film of noise: 170 frames, more than ffmpeg adds up in a row. */
const film = (path: string) =>
  ffmpeg("-f", "lavfi", "-i", "testsrc2=size=48x40:rate=10:duration=17", "-pix_fmt", "yuv420p", path);

if (hasFfmpeg) {
  test("all frames of a film come, also more than a hundred in a row", () =>
    inTemporary(async (root) => {
      film(join(root, "film.mkv"));
      const { names } = await readFootage(join(root, "film.mkv"), { frames: "all", side: 8, resize: 8 });
      assert.is(names.length, 170);
    }));

  for (const [family, config] of [
    [emotionClip as Family, tiny],
    [emoClip as Family, emoClipTiny],
  ] as const)
    test(`${family.name}: a window's row is that of its frames as a clip, to the bit`, () =>
      inTemporary(async (root) => {
        const path = join(root, "film.mkv");
        film(path);
        const init = new Init(3);
        const model = family.build(config, init);
        const { free } = allocateFrozen(Array.from(named(model), ([, tensor]) => tensor));
        init.fill();
        const { frames: T, side } = model.takes;
        const square = { side, resize: side };
        const reel = await openReel([path]);
        const windows = windowsOf(reel.seconds!, T, { window: 1.5, stride: 0.5 });
        const numbers = framesOf(windows);
        let encoded = 0;
        const counted = async function* () {
          for await (const row of frameRows(model, reelFrames(reel, numbers, square), 7)) {
            encoded++;
            yield row;
          }
        };
        const rows: Float32Array[] = [];
        for await (const { feature } of windowRows(model, windows, counted(), 5)) rows.push(feature);
        assert.is(encoded, numbers.length);
        assert.is(rows.length, windows.length);
        const alone = await Promise.all(
          windows
            .slice(0, 6)
            .map(({ frames }) => readFootage(path, { frames: T, ...square, range: [frames[0], frames.at(-1)!] })),
        );
        const { data } = await encodeVideos(model, alone, { batch: 1 });
        for (const [i] of alone.entries())
          for (const [e, value] of rows[i].entries())
            assert.ok(Math.abs(value - data[i * model.embed + e]) < 1e-6, `window ${i}: ${value}`);
        free();
      }));
}

test.run();
