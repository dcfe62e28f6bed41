// Features of frozen towers, made once: training on them is training on pixels, bit for bit, whatever happened while they were made.
import { readdirSync, readFileSync, truncateSync } from "node:fs";
import { join } from "node:path";
import sharp from "sharp";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { FaceClips } from "../../data/faces/clip-set.ts";
import { openFaceSet } from "../../data/faces/sets.ts";
import { surveyFaces } from "../../data/faces/survey.ts";
import { FeatureBatches } from "../../data/features/batches.ts";
import { Lock } from "../../data/formats/lock.ts";
import type { View } from "../../data/pixels/view.ts";
import type { Clip } from "../../data/shards/clip.ts";
import { Loader } from "../../data/shards/loader.ts";
import { picturesOf } from "../../data/showing.ts";
import { openShards } from "../../data/shards/shards.ts";
import { writeShards } from "../../data/shards/writer.ts";
import type { Meter } from "../../data/threads/long-work.ts";
import { HealthError } from "../../engine/errors.ts";
import { type Tensor, tensor } from "../../engine/index.ts";
import { add } from "../../kernels/index.ts";
import { emoClip, type EmoClipConfig, emotionClip } from "../../model/index.ts";
import type { Family } from "../../model/family.ts";
import { type KeptClips, KeptTowers } from "../../train/kept-towers.ts";
import { locked } from "../../train/locks.ts";
import { Trainer, type TrainingBatch } from "../../train/trainer.ts";
import { sharedGpu } from "../kernels/derive.ts";
import { writeDfew } from "../kit/face-set.ts";
import { failure } from "../kit/refusal.ts";
import { inTemporary } from "../kit/temporary.ts";
import { settings, tiny, tokenizer } from "./synthetic.ts";

await sharedGpu();

const locks = { lockImage: true, lockText: true, lockLayers: 0 };
const emoClipTiny: EmoClipConfig = {
  ...{ embed: tiny.embed, vision: tiny.vision, text: tiny.text, activation: "quickGelu" },
  temporal: { frames: tiny.head.frames, positions: 8, layers: 1, heads: 2, headWidth: 12, hidden: 16 },
};
const both: readonly [Family, object][] = [
  [locked(emotionClip as Family, locks), tiny],
  [emoClip as Family, emoClipTiny],
];

const words = ["a", "he", "she", "they"];
const samples = 24;
/** The clip with a frame of another size than it says, which is the last of its eight. */
const BAD = 7;

async function clipAt(i: number): Promise<Clip> {
  const picture = (t: number) =>
    sharp({
      create: {
        width: i === BAD && t === 7 ? 30 : 24,
        height: 20,
        channels: 3,
        background: { r: (31 * i + 17 * t) % 256, g: (97 * t) % 256, b: (13 * i) % 256 },
      },
    })
      .png()
      .toBuffer();
  const frames = await Promise.all(Array.from({ length: 5 + (i % 4) }, (_, t) => picture(t)));
  return {
    key: `clip-${i}`,
    caption: `${words[i % 4]} waits`,
    sentiment: [i, 0, 0, 0, 0, 0, 1],
    boxes: frames.map((_, t) => [t, 2, t + 8, 10]),
    ...{ frames, fps: 8, width: 24, height: 20 },
  };
}
const clips = await Promise.all(Array.from({ length: samples }, (_, i) => clipAt(i)));

const own = { ...settings, batch: 6, dropout: 0 };
const rule = { maxBad: 0.1, workers: 0 };
const order = { ...rule, batch: own.batch, seed: 3, together: 1 };
const viewBy = (sampling: View["sampling"]): View => ({ frames: 2, side: 16, resize: 16, sampling, crop: "centre" });
const never = { requested: undefined };

/** Hears phases and what stays; asks to stop as soon as something begins, if it is told to. */
function meter(isStopping = false) {
  const said: string[] = [];
  const stop: { requested: number | undefined } = { requested: undefined };
  const heard: Meter = {
    start: (phase, total, done) => {
      said.push(`${phase} ${done} of ${total}`);
      if (isStopping) stop.requested = 130;
    },
    at: () => {},
    say: (line) => said.push(line),
  };
  return { heard, stop, said };
}

/** Losses, norms and substitutes of eight steps, which are two epochs. */
async function stepsOn(trainer: Trainer, batches: AsyncIterable<TrainingBatch & { replaced?: readonly string[] }>) {
  const told: unknown[] = [];
  for await (const batch of batches) {
    const { loss, norm } = await trainer.update(told.length + 1, batch, 0.01);
    told.push([loss, norm, batch.replaced]);
  }
  trainer.free();
  return told;
}

const shardsIn = async (folder: string) => {
  await writeShards(folder, "train", clips, { perShard: 10 });
  const set = await openShards(folder, "train");
  return { set, digest: "these" };
};

/** What was kept of these clips; training on it must be training on their pixels. */
async function agreeing([family, config]: (typeof both)[number], clips: KeptClips, folder: string) {
  const { set, view } = clips;
  const loader = new Loader(set, { ...view, ...order, order: "shuffled" });
  const pixels = await stepsOn(new Trainer(config, tokenizer, own, family), loader.batches(0, 8));
  await loader.close();

  const trainer = new Trainer(config, tokenizer, own, family);
  const kept = new KeptTowers(trainer, clips, { ...rule, folder });
  assert.ok(await kept.fill(meter().heard, never));
  const batches = new FeatureBatches({ set, view, rows: () => kept.frames }, order);
  assert.is(batches.stepsPerEpoch, loader.stepsPerEpoch);
  const withTexts = async function* () {
    for await (const batch of batches.batches(0, 8)) yield { ...batch, texts: kept.captions.of(batch.captions)! };
  };
  assert.equal(await stepsOn(trainer, withTexts()), pixels);
  await batches.close();
  await kept.close();
  return kept.kept.map(({ tower, items, found, bad }) => [tower, items, found, bad]);
}

for (const each of both)
  for (const sampling of ["uniform", "random"] as const)
    test(`${each[0].name}: steps on what is kept are those on pixels, bit for bit, with frames ${sampling}`, () =>
      inTemporary(async (folder) => {
        const found = await agreeing(
          each,
          { ...(await shardsIn(folder)), view: viewBy(sampling) },
          join(folder, "kept"),
        );
        const frames = clips.reduce((sum, { frames }) => sum + (sampling === "random" ? frames.length : 2), 0);
        assert.equal(found, [
          ["image", frames, 0, 1],
          ["text", 4, 0, 0],
        ]);
      }));

for (const [window, frames] of [
  ["random", 12 * 3],
  ["centre", 12 * 2],
] as const)
  test(`so are those on clips of faces in floats, with two texts a class, windows ${window}`, () =>
    inTemporary(async (folder) => {
      const labels = [0, 1, 2, 3, 4, 5, 6, 0, 1, 2, 3, 4];
      await writeDfew(folder, "train", labels);
      const listed = await openFaceSet("dfew", folder, { split: "train" });
      const set = new FaceClips((await surveyFaces(listed)).clips, {
        root: listed.root,
        how: { every: 2, window, augment: false },
        textsOf: ({ label }) => [`${words[label % 4]} waits`, `${words[label % 4]} laughs`],
      });
      const view: View = { ...viewBy("random"), numbers: "floats" };
      const found = await agreeing(both[1], { set, view, digest: "faces" }, join(folder, "kept"));
      assert.equal(found, [
        ["image", frames, 0, 0],
        ["text", 8, 0, 0],
      ]);
    }));

test("what was kept before a stop stays, a torn end is made again, and what is whole is not", () =>
  inTemporary(async (folder) => {
    const { set, digest } = await shardsIn(folder);
    const trainer = new Trainer(tiny, tokenizer, own, both[0][0]);
    const filled = async (place: string, { heard, stop, said } = meter()) => {
      const kept = new KeptTowers(
        trainer,
        { set, view: viewBy("random"), digest },
        { ...rule, folder: join(folder, place) },
      );
      const isWhole = await kept.fill(heard, stop);
      await kept.close();
      return { isWhole, said };
    };
    const rows = (place: string) => {
      const [image] = readdirSync(join(folder, place)).filter((name) => name.startsWith("image-tower-"));
      return join(folder, place, image, "features.f32");
    };
    assert.ok((await filled("whole")).isWhole);

    assert.not((await filled("parts", meter(true))).isWhole);
    assert.is(readFileSync(rows("parts")).length, 127 * 16 * 4); // one chunk, but for the bad frame
    truncateSync(rows("parts"), 5000);
    const again = await filled("parts");
    assert.ok(again.isWhole);
    assert.match(again.said.join("\n"), /5000 bytes behind them there were torn or damaged/);
    assert.ok(again.said.includes("features of frames 0 of 156"), again.said.join("\n"));
    assert.equal(readFileSync(rows("parts")), readFileSync(rows("whole")));

    const last = await filled("parts");
    assert.ok(last.isWhole);
    assert.is(last.said.filter((line) => line.startsWith("features of all")).length, 2);
    assert.not(last.said.some((line) => line.startsWith("features of frames")));
    trainer.free();
  }));

test("other weights, clips or views have rows of their own", () =>
  inTemporary(async (folder) => {
    const { set } = await shardsIn(folder);
    const kept = async (seed: number, digest: string, sampling: View["sampling"]) => {
      const trainer = new Trainer(tiny, tokenizer, { ...own, seed }, both[0][0]);
      const towers = new KeptTowers(trainer, { set, view: viewBy(sampling), digest }, { ...rule, folder });
      await towers.fill(meter().heard, never);
      await towers.close();
      trainer.free();
      return towers.kept.map((each) => each.folder);
    };
    const [image, text] = await kept(1, "these", "uniform");
    assert.equal(await kept(1, "these", "uniform"), [image, text]);
    const others = await Promise.resolve([
      ...(await kept(2, "these", "uniform")),
      ...(await kept(1, "others", "uniform")),
      ...(await kept(1, "these", "random")),
    ]);
    assert.is(new Set([image, text, ...others]).size, 6); // the captions of seed 1 are the same in all
  }));

test("what is said of clips is no matter to the rows of their frames: other texts find them all", () =>
  inTemporary(async (folder) => {
    await writeDfew(folder, "train", [0, 1, 2]);
    const listed = await openFaceSet("dfew", folder, { split: "train" });
    const { clips } = await surveyFaces(listed);
    const kept = async (says: string, every: number) => {
      const trainer = new Trainer(emoClipTiny, tokenizer, own, both[1][0]);
      const how = { every, window: "random", augment: false } as const;
      const set = new FaceClips(clips, { root: listed.root, how, textsOf: () => [says] });
      const view: View = { ...viewBy("random"), numbers: "floats" };
      const towers = new KeptTowers(trainer, { set, view, digest: says }, { ...rule, folder: join(folder, "kept") });
      assert.ok(await towers.fill(meter().heard, never));
      await towers.close();
      trainer.free();
      return towers.kept;
    };
    const [image, text] = await kept("he waits", 2);
    const [same, other] = await kept("she laughs", 2);
    assert.equal([same.folder, same.found], [image.folder, image.items]);
    assert.equal([other.folder === text.folder, other.found], [false, 0]);
    const [sparser] = await kept("he waits", 3);
    assert.equal([sparser.folder === image.folder, sparser.found], [false, 0]);
  }));

test("of a sentence its frames and the drawing of boxes are its pictures; text, scores and sentiment are not", () => {
  const entry = {
    videoId: "v",
    duration: 3,
    startFrame: 2,
    endFrame: 9,
    text: "he waits",
    neutralScore: 0,
    hasPerson: 1,
  };
  const place = { kind: "sentence", entry, sentiment: [1, 0], root: "r", videos: "videos", rule: "compat" } as const;
  const spoken = {
    ...place,
    sentiment: [0, 1],
    entry: { ...entry, text: "she laughs", neutralScore: 0.5, duration: 4 },
  };
  assert.equal(picturesOf(spoken), picturesOf(place));
  for (const other of [
    { ...place, entry: { ...entry, startFrame: 3 } },
    { ...place, rule: "exact" } as const,
    { ...place, videos: "others" },
    { ...place, root: "s" },
  ])
    assert.not.equal(picturesOf(other), picturesOf(place));
});

test("more clips with frames that cannot be read than are allowed end the making of features, and each is named", () =>
  inTemporary(async (folder) => {
    const { set, digest } = await shardsIn(folder);
    const trainer = new Trainer(tiny, tokenizer, own, both[0][0]);
    const clips = { set, view: viewBy("random"), digest };
    const allowed = meter();
    const kept = new KeptTowers(trainer, clips, { ...rule, maxBad: 1 / 24, folder });
    assert.ok(await kept.fill(allowed.heard, never));
    assert.match(allowed.said.join("\n"), /cannot be kept: .*clip-7\.0007: is 30x20, the clip's JSON says 24x20/);
    await kept.close();
    const strict = new KeptTowers(trainer, clips, { workers: 0, maxBad: 1 / 25, folder: join(folder, "other") });
    const error = await failure(strict.fill(meter().heard, never));
    assert.instance(error, HealthError);
    assert.match(error.message, /1 of 24 samples have frames that cannot be read \(4\.2 %\), allowed are 4\.0 %/);
    await strict.close();
    const complete = meter();
    const stricter = new KeptTowers(trainer, clips, { workers: 0, maxBad: 1 / 25, folder });
    const refused = await failure(stricter.fill(complete.heard, never));
    assert.instance(refused, HealthError);
    assert.match(refused.message, /1 of 24 samples have frames that cannot be read \(4\.2 %\), allowed are 4\.0 %/);
    assert.match(complete.said.join("\n"), /features of all 156 frames, but for 1 that could not be read, are kept in/);
    await stricter.close();
    trainer.free();
  }));

test("rows that are not finite end the making of features by name, and nothing of their piece is kept", () =>
  inTemporary(async (folder) => {
    const { set, digest } = await shardsIn(folder);
    const trainer = new Trainer(tiny, tokenizer, own, both[0][0]);
    const { model } = trainer;
    const { encodeFrames, encodeText } = model;
    const spoiled = <T extends unknown[]>(encode: (...given: T) => Tensor, row: number) => {
      return (...given: T) => {
        const rows = encode.apply(model, given);
        const spots = Float32Array.from({ length: rows.shape.reduce((a, b) => a * b) }, () => 0);
        spots[row * model.embed + 3] = Number.NaN;
        return add(rows, tensor(spots, rows.shape));
      };
    };
    const kept = async (message?: RegExp) => {
      const towers = new KeptTowers(trainer, { set, view: viewBy("random"), digest }, { ...rule, folder });
      if (message) {
        const error = await failure(towers.fill(meter().heard, never));
        assert.instance(error, HealthError);
        assert.match(error.message, message);
      } else assert.ok(await towers.fill(meter().heard, never));
      await towers.close();
      const sizes = readdirSync(folder).flatMap((name) =>
        /-tower-/.test(name) ? [readFileSync(join(folder, name, "features.f32")).length] : [],
      );
      return sizes.map((size) => size / 4 / model.embed);
    };
    // of the frames the first after the bad one, and behind the end of the captions, of which there are four
    model.encodeFrames = spoiled(encodeFrames, 52);
    assert.equal(await kept(/^the features of frame 0 of clip-8 are not finite \(NaN\); they are not kept/), [0]);
    model.encodeFrames = encodeFrames;
    model.encodeText = spoiled(encodeText, 1);
    assert.equal(await kept(/^the features of the caption "he waits" are not finite \(NaN\)/), [155, 0]);
    model.encodeText = encodeText;
    assert.equal(await kept(), [155, 4]);
    trainer.free();
  }));

test("rows that another training holds are waited for, and said; a stop ends the waiting", () =>
  inTemporary(async (folder) => {
    const [family, config] = both[0];
    const kept = join(folder, "kept");
    const from = { ...(await shardsIn(folder)), view: viewBy("uniform") };
    const towers = () => new KeptTowers(new Trainer(config, tokenizer, own, family), from, { ...rule, folder: kept });
    const first = towers();
    assert.ok(await first.fill(meter().heard, never));
    await first.close();
    const image = readdirSync(kept).find((name) => name.startsWith("image-tower-"))!;
    for (const ends of ["release", "stop"] as const) {
      const lock = await Lock.take(join(kept, image), () => {});
      const { heard, stop, said } = meter();
      const waiting = towers().fill(
        {
          ...heard,
          say: (line) => {
            heard.say(line);
            if (!line.endsWith("; waiting until it is free")) return;
            if (ends === "stop") stop.requested = 130;
            else void lock.release();
          },
        },
        stop,
      );
      assert.is(await waiting, ends === "release");
      assert.is(said.filter((line) => /in use by process \d+ .*; waiting until it is free$/.test(line)).length, 1);
      await lock.release();
    }
  }));

test.run();
