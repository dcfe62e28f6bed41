import { test } from "uvu";
import * as assert from "uvu/assert";
import { philox, Random } from "../../data/philox.ts";
import { captionOf, captionWords, words } from "../../data/stage/captions.ts";
import { drawActor } from "../../data/stage/clip.ts";
import { annotate } from "../../data/stage/emotions.ts";
import { identities } from "../../data/stage/identity.ts";
import {
  categories,
  emotions,
  makeClip,
  makeStage,
  planClip,
  sentiments,
  splits,
  stageSizes,
} from "../../data/stage/index.ts";
import { Raster } from "../../data/stage/raster.ts";
import { scenes } from "../../data/stage/scene.ts";
import { sentimentOf } from "../../data/stage/sentiment.ts";

test("philox gives the published answers", () => {
  // Random123, kat_vectors, philox4x32-10.
  assert.equal(philox([0, 0, 0, 0], [0, 0]), [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8]);
  const ones = 0xffffffff;
  assert.equal(philox([ones, ones, ones, ones], [ones, ones]), [0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd]);
});

test("streams of different seed, name or index differ, and equal ones agree", () => {
  const first = (...of: ConstructorParameters<typeof Random>): number => new Random(...of).next();
  assert.is(first(1, "a", 2), first(1, "a", 2));
  const all = [first(1, "a", 2), first(2, "a", 2), first(1, "b", 2), first(1, "a", 3), first(1 + 2 ** 32, "a", 2)];
  assert.is(new Set(all).size, all.length);
});

test("a clip is the same bytes on every run, and another index or seed is another clip", async () => {
  const [a, b, other, reseeded] = await Promise.all([
    makeClip(1, "train", 5),
    makeClip(1, "train", 5),
    makeClip(1, "train", 6),
    makeClip(2, "train", 5),
  ]);
  assert.equal(a, b);
  assert.not.equal(a.frames[0], other.frames[0]);
  assert.not.equal(a.frames[0], reseeded.frames[0]);
});

test("makeStage yields the clips of makeClip in order", async () => {
  const keys: string[] = [];
  for await (const clip of makeStage({ seed: 1, split: "val", count: 5 })) {
    if (keys.length === 3) assert.equal(clip, await makeClip(1, "val", 3));
    keys.push(clip.key);
  }
  assert.equal(
    keys,
    [0, 1, 2, 3, 4].map((i) => `stage-val-00000${i}`),
  );
});

test("a stored clip has 16 to 32 JPEG frames of 96 x 96 with a box each", async () => {
  for (let i = 0; i < 4; i++) {
    const clip = await makeClip(3, "test", i);
    assert.ok(clip.frames.length >= 16 && clip.frames.length <= 32);
    assert.is(clip.boxes.length, clip.frames.length);
    assert.is(clip.fps, 8);
    for (const frame of clip.frames) {
      assert.equal([...frame.subarray(0, 3)], [0xff, 0xd8, 0xff]);
      assert.equal([...frame.subarray(-2)], [0xff, 0xd9]);
    }
  }
});

test("no person and no scene of one split is in another", () => {
  const looks = splits.map((split) => new Set(identities[split].map(({ name, ...rest }) => JSON.stringify(rest))));
  const places = splits.map((split) => new Set(scenes[split].map(({ name }) => name)));
  for (const sets of [looks, places])
    assert.is(
      new Set(sets.flatMap((s) => [...s])).size,
      sets.reduce((n, s) => n + s.size, 0),
    );
  for (const split of splits)
    for (let i = 0; i < 10; i++) {
      const { actors, scene } = planClip(4, split, i);
      for (const { identity } of actors) assert.ok(identities[split].includes(identity));
      assert.ok(scenes[split].some(({ name }) => name === scene.name));
    }
});

test("people of one clip differ in person, emotion and mark", () => {
  for (let i = 0; i < 20; i++) {
    const { actors } = planClip(5, "train", i);
    assert.ok(actors.length === 2 || actors.length === 3);
    for (const of of [
      actors.map((a) => a.identity.name),
      actors.map((a): string => a.emotion),
      actors.map((a) => String(Math.floor(a.placing.mark[0] / 24))),
    ])
      assert.is(new Set(of).size, actors.length);
  }
});

test("the two clips of a pair show the same people, and each time another one speaks", () => {
  for (let i = 0; i < 20; i += 2) {
    const [a, b] = [planClip(5, "val", i), planClip(5, "val", i + 1)];
    assert.is(a.scene.name, b.scene.name);
    const names = ({ actors }: typeof a): string[] => actors.map(({ identity, emotion }) => identity.name + emotion);
    assert.equal(names(a).sort(), names(b).sort());
    assert.is.not(names(a)[0], names(b)[0]);
    assert.not.equal(a.boxes[0], b.boxes[0]);
  }
});

test("the subject has every emotion twice in each eighteen clips and stands on every mark equally often", () => {
  const marks = [0, 0, 0, 0];
  for (let round = 0; round < 5; round++) {
    const clips = Array.from({ length: 18 }, (_, i) => planClip(6, "train", 18 * round + i));
    assert.equal(clips.map(({ actors }) => actors[0].emotion).sort(), [...emotions, ...emotions].sort());
    for (const { actors } of clips) marks[Math.floor(actors[0].placing.mark[0] / 24)]++;
  }
  // 90 draws of four: 22.5 expected, deviation 4.1.
  for (const n of marks) assert.ok(n > 8 && n < 38, marks.join());
});

test("boxes lie in the frame and contain every pixel of the subject", () => {
  for (let i = 0; i < 54; i++) {
    const { actors, boxes, start } = planClip(7, "train", i);
    for (const t of [0, 5, 10]) {
      const [x1, y1, x2, y2] = boxes[t];
      assert.ok(0 <= x1 && x1 < x2 && x2 <= 96 && 0 <= y1 && y1 < y2 && y2 <= 96);
      const [left, top, right, bottom] = extent(actors[0], start + t / 8);
      assert.ok(
        left >= x1 && top >= y1 && right <= x2 && bottom <= y2,
        `clip ${i} (${actors[0].emotion}) frame ${t}: ${[left, top, right, bottom]} outside ${boxes[t]}`,
      );
    }
  }
});

/** Bounds of what an actor covers: where pictures on black and on white agree more than the backgrounds do. */
function extent(actor: Parameters<typeof drawActor>[1], time: number): [number, number, number, number] {
  const black = new Raster(96, 96);
  const white = new Raster(96, 96, new Uint8Array(96 * 96 * 3).fill(255));
  drawActor(black, actor, time);
  drawActor(white, actor, time);
  const bounds: [number, number, number, number] = [96, 96, 0, 0];
  for (let y = 0; y < 96; y++)
    for (let x = 0; x < 96; x++) {
      const at = 3 * (96 * y + x);
      // Half a pixel's coverage counts as the subject.
      if (white.data[at] - black.data[at] > 127) continue;
      bounds[0] = Math.min(bounds[0], x);
      bounds[1] = Math.min(bounds[1], y);
      bounds[2] = Math.max(bounds[2], x + 1);
      bounds[3] = Math.max(bounds[3], y + 1);
    }
  return bounds;
}

test("the size of the box does not tell the emotion", () => {
  for (let i = 0; i < 20; i++)
    for (const [, y1, , y2] of planClip(8, "train", i).boxes) assert.ok(y1 >= 8 && y1 <= 12 && y2 - y1 >= 83);
});

test("the labels are BoLD's 26 names, each true of at least 3 % of every split", () => {
  assert.is(categories.length, 26);
  assert.is(categories[11], "doubt confusion");
  for (const split of splits) {
    const counts = categories.map(() => 0);
    for (let i = 0; i < stageSizes[split]; i++)
      for (const [c, v] of planClip(1, split, i).labels.categories.entries()) counts[c] += v;
    for (const [c, n] of counts.entries()) assert.ok(n / stageSizes[split] >= 0.03, `${split} ${categories[c]} ${n}`);
  }
});

test("valence, arousal and dominance stay in [0, 1] and follow the emotion and its intensity", () => {
  const mean = (emotion: (typeof emotions)[number], intensity: number): number[] => {
    const random = new Random(10, emotion);
    const sum = [0, 0, 0];
    for (let i = 0; i < 200; i++)
      annotate(emotion, intensity, random).vad.forEach((v, axis) => {
        assert.ok(v >= 0 && v <= 1);
        sum[axis] += v / 200;
      });
    return sum;
  };
  const [joy, sadness, fear, pride] = [mean("joy", 1), mean("sadness", 1), mean("fear", 1), mean("pride", 1)];
  assert.ok(joy[0] > sadness[0] + 0.5 && fear[1] > sadness[1] + 0.3 && pride[2] > fear[2] + 0.5);
  assert.ok(mean("anger", 1)[1] > mean("anger", 0)[1] + 0.2);
});

/** `count` captions of subjects with each emotion in turn. */
function captions(count: number) {
  const random = new Random(11, "captions");
  const mentions = scenes.train.flatMap((scene) => scene.mentions);
  return Array.from({ length: count }, (_, i) => {
    const emotion = emotions[i % 9];
    return { subject: emotion, ...captionOf(emotion, random.uniform(), mentions, random) };
  });
}

test("the vocabulary is closed under the grammar, and a caption is at most 22 tokens", () => {
  const known = new Set(words);
  assert.equal([...known].sort(), [...words]);
  assert.ok(words.length > 300 && words.length < 800, String(words.length));
  for (const { text } of captions(3000)) {
    const tokens = captionWords(text);
    for (const token of tokens) assert.ok(known.has(token), `${token} in: ${text}`);
    assert.ok(tokens.length >= 3 && tokens.length <= 22, `${tokens.length}: ${text}`);
  }
});

test("captions are of hundreds of forms, each said several times in a training split", () => {
  const forms = new Set(captions(2048).map(({ text }) => text)).size;
  assert.ok(forms > 400 && forms < 1000, `${forms} forms`);
});

test("15 to 20 % of captions are misleading, half of them neutral, and only those differ from the subject", () => {
  const all = captions(6000);
  const misleading = all.filter((caption) => caption.misleading);
  // 6000 draws at 0.17: deviation 0.005.
  assert.ok(Math.abs(misleading.length / all.length - 0.17) < 0.02);
  for (const { subject, emotion, misleading: lies } of all) assert.is(subject !== emotion, lies);
  const neutral = misleading.filter(({ emotion }) => emotion === "calm").length / misleading.length;
  assert.ok(neutral > 0.4 && neutral < 0.6, String(neutral));
});

test("sentiment logits depend on the text alone and mostly agree with its emotion", () => {
  const expected = {
    affection: "joy",
    pride: "joy",
    calm: "neutral",
    sadness: "sadness",
    anger: "anger",
    disgust: "disgust",
    fear: "fear",
    joy: "joy",
    surprise: "surprise",
  };
  const all = captions(1800);
  const right = all.filter((caption) => {
    const logits = sentimentOf(caption);
    assert.equal(logits, sentimentOf({ ...caption, misleading: !caption.misleading }));
    return sentiments[logits.indexOf(Math.max(...logits))] === expected[caption.emotion];
  });
  const share = right.length / all.length;
  assert.ok(share > 0.85 && share < 0.999, `a noisy classifier, right in ${share}`);
});

test.run();
