// Where training clips come from: braces, patterns, plain WebDataset tars, and several sources as one.
import { mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { packTar } from "modern-tar";
import sharp from "sharp";
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { BadSample } from "../../data/bad-samples.ts";
import { forEvaluation, forTraining, Loader } from "../../data/shards/loader.ts";
import { openPlainTars } from "../../data/shards/plain.ts";
import { openShards } from "../../data/shards/shards.ts";
import { writeShards } from "../../data/shards/writer.ts";
import { expandBraces } from "../../data/sources/braces.ts";
import { pathsOf } from "../../data/sources/paths.ts";
import { Several } from "../../data/sources/several.ts";
import { FormatError, UsageError } from "../../engine/errors.ts";

const root = mkdtempSync(join(tmpdir(), "sources "));
test.after(() => rmSync(root, { recursive: true, force: true }));
const at = (...parts: string[]) => join(root, ...parts);

test("braces are ranges and alternatives, as bash has them", () => {
  const cases: [string, string[]][] = [
    ["s-{08..11}.tar", ["s-08.tar", "s-09.tar", "s-10.tar", "s-11.tar"]],
    ["{0..10..5}", ["0", "5", "10"]],
    ["{3..1}", ["3", "2", "1"]],
    ["{a,b}/{1..2}", ["a/1", "a/2", "b/1", "b/2"]],
    ["x{a,{1..2},}", ["xa", "x1", "x2", "x"]],
    ["plain", ["plain"]],
    ["{one}", ["{one}"]],
    ["{a..b}", ["{a..b}"]],
    ["open{a,b", ["open{a,b"]],
    ["{-1..1}", ["-1", "0", "1"]],
  ];
  for (const [text, want] of cases) assert.equal(expandBraces(text), want, text);
  for (const text of ["{0..9999999}", "{0..999}{0..9999}"])
    assert.throws(() => expandBraces(text), /more than 1000000/);
});

test("a range has each of its numbers once, in order, with as many digits as are written", () =>
  fc.assert(
    fc.property(fc.nat(300), fc.nat(60), fc.integer({ min: 1, max: 6 }), (first, more, width) => {
      const word = (n: number) => String(n).padStart(width, "0");
      const names = expandBraces(`a{${word(first)}..${word(first + more)}}b`);
      assert.equal(
        names,
        Array.from({ length: more + 1 }, (_, i) => `a${word(first + i)}b`),
      );
    }),
    { numRuns: 200, seed: 1 },
  ));

test("patterns find what is there, sorted; what is written must be there, or is counted and named", () => {
  for (const name of ["b-2.tar", "b-10.tar", "a.tar", "x.txt", ".hidden.tar", "odd[1].tar"]) {
    mkdirSync(at("glob", "in"), { recursive: true });
    writeFileSync(at("glob", "in", name), "");
  }
  const found = (text: string) => pathsOf(at("glob", text)).map((path) => path.slice(at("glob").length + 1));
  assert.equal(found("in/b-*.tar"), ["in/b-10.tar", "in/b-2.tar"]);
  assert.equal(found("*/?.tar"), ["in/a.tar"]);
  assert.equal(found("in/[ab]*.tar"), ["in/a.tar", "in/b-10.tar", "in/b-2.tar"]);
  assert.equal(found("in/{a,b-{2,10}}.tar"), ["in/a.tar", "in/b-2.tar", "in/b-10.tar"]);
  assert.equal(found("in/odd[1].tar"), ["in/odd[1].tar"]); // it is there
  assert.throws(
    () => found("in/b-{0..19}.tar"),
    /18 of the 20 that it names are not there: \S*.*b-0\.tar, (.*b-\d+\.tar, ){9}…$/,
  );
  assert.throws(() => found("in/*.zip"), /nothing there has such a name/);
  assert.throws(() => found("gone.tar"), /no such file or folder/);
  assert.throws(
    () => found("in/{a,*}.tar"),
    (error: Error) => error instanceof UsageError && /a\.tar twice/.test(error.message),
  );
  assert.throws(() => found("**/a.tar"), /\*\* is not known here/);
});

const picture = (seed: number) =>
  sharp({ create: { width: 20, height: 12, channels: 3, background: { r: seed * 20, g: 99, b: 3 } } })
    .jpeg()
    .toBuffer();
const pictures = await Promise.all(Array.from({ length: 10 }, (_, i) => picture(i)));

type Entry = readonly [name: string, body: Uint8Array | string | object];
/** Writes a tar of these members. */
async function tarOf(name: string, entries: readonly Entry[]): Promise<string> {
  const packed = entries.map(([member, given]) => {
    const body =
      given instanceof Uint8Array ? given : Buffer.from(typeof given === "string" ? given : JSON.stringify(given));
    return { header: { name: member, size: body.length }, body: new Uint8Array(body) };
  });
  mkdirSync(root, { recursive: true });
  writeFileSync(at(name), await packTar(packed));
  return at(name);
}
const frames = (key: string, count: number, first = 0): Entry[] =>
  Array.from({ length: count }, (_, i) => [`${key}.${String(first + i).padStart(3, "0")}.jpg`, pictures[i]]);

test("plain tars: a caption, numbered frames or one picture, and as much JSON as there is", async () => {
  const path = await tarOf("plain-0.tar", [
    ["a/one.txt", "a person laughs\n"],
    ...frames("a/one", 3),
    ["a/one.json", { sentiment: "joy", boxes: [[0, 0, 9, 9], [], [[1, 1, 2, 2]]], width: 20, height: 12, url: "x" }],
    ["two.json", { caption: "from the JSON", sentiment: [1, 2, 3, 4, 5, 6, 7], caption_id: 7 }],
    ...frames("two", 2, 1),
    ["three.jpg", pictures[0]],
    ["three.txt", "one picture"],
    ["three.flac", "sound"],
    ["README", "of no sample"],
  ]);
  const { set, passedOver } = openPlainTars([path], "plain");
  assert.equal(
    [...passedOver],
    [
      [".flac", 1],
      ["no extension", 1],
    ],
  );
  assert.equal(
    [0, 1, 2].map((i) => [set.nameOf(i), set.frameCount(i), set.info(i).caption]),
    [
      ["plain-0/a/one", 3, "a person laughs"],
      ["plain-0/two", 2, "from the JSON"],
      ["plain-0/three", 1, "one picture"],
    ],
  );
  const [one, two, three] = [...set.infos()];
  assert.equal(one.sentiment, [0, 0, 0, 3, 0, 0, 0]);
  assert.equal(one.boxes, [[[0, 0, 9, 9]], [], [[1, 1, 2, 2]]]);
  assert.equal([one.meta, two.meta], [{ url: "x" }, { caption_id: 7 }]);
  assert.equal(three.sentiment, [0, 0, 0, 0, 0, 0, 0]);
  const loader = new Loader(set, { ...forEvaluation, frames: 2, side: 8, resize: 10, batch: 3, seed: 1, workers: 0 });
  for await (const batch of loader.epoch(0))
    assert.equal(batch.captions, ["a person laughs", "from the JSON", "one picture"]);
  await loader.close();
});

const badSamples: readonly [name: string, members: Entry[], what: RegExp][] = [
  ["no words", frames("k", 2), /"k" has no \.txt and no \.json/],
  ["no frames", [["k.txt", "words"]], /"k" has no frames/],
  [
    "a gap",
    [
      ["k.txt", "words"],
      ["k.0.jpg", pictures[0]],
      ["k.2.jpg", pictures[1]],
    ],
    /"k" has 2 frames, but none with number 1/,
  ],
  [
    "two kinds",
    [
      ["k.txt", "words"],
      ["k.jpg", pictures[0]],
      ["k.0.jpg", pictures[1]],
    ],
    /without a number and others with one/,
  ],
  [
    "twice",
    [
      ["k.txt", "words"],
      ["k.1.jpg", pictures[0]],
      ["k.01.png", pictures[1]],
    ],
    /"k\.01\.png" or its like twice/,
  ],
  ["empty caption", [["k.txt", " \n"], ...frames("k", 1)], /k\.txt: caption is "0 characters", expected 1 to 4096/],
  ["long caption", [["k.txt", "x".repeat(4097)], ...frames("k", 1)], /k\.txt: caption is "4097 characters"/],
  ["no caption", [["k.json", {}], ...frames("k", 1)], /k\.json: caption is missing/],
  ["bad UTF-8", [["k.txt", Uint8Array.of(0xff, 0xfe)], ...frames("k", 1)], /k\.txt: is not UTF-8/],
  ["bad JSON", [["k.json", "{"], ...frames("k", 1)], /k\.json: not valid JSON/],
  [
    "sentiment",
    [["k.json", { caption: "c", sentiment: "happy" }], ...frames("k", 1)],
    /sentiment is "happy", expected seven logits, or/,
  ],
  [
    "boxes",
    [["k.json", { caption: "c", boxes: [[0, 0, 1, 1]] }], ...frames("k", 2)],
    /boxes is a list of 1, expected a list of 2/,
  ],
  [
    "size",
    [["k.json", { caption: "c", width: 21, height: 12 }], ...frames("k", 1)],
    /is 20x12, the clip's JSON says 21x12/,
  ],
];
for (const [name, members, what] of badSamples)
  test(`a sample of a plain tar is bad, and its neighbour is not: ${name}`, async () => {
    const path = await tarOf("bad.tar", [...members, ["good.txt", "good"], ...frames("good", 2)]);
    const { set } = openPlainTars([path], "bad");
    const bad: BadSample[] = [];
    const options = { ...forEvaluation, frames: 2, side: 8, resize: 10, batch: 2, seed: 1, workers: 0, maxBad: 1 };
    const loader = new Loader(set, { ...options, onBad: (each) => bad.push(each) });
    for await (const batch of loader.epoch(0)) assert.equal(batch.captions, ["good"]);
    await loader.close();
    assert.is(bad.length, 1);
    assert.match(bad[0].reason, what);
    assert.match(bad[0].reason, /^bad\.tar: /);
  });

test("tars that cannot be read are counted and named, and nothing is written beside them", async () => {
  writeFileSync(at("cut-0.tar"), Buffer.alloc(100));
  const paths = [
    await tarOf("cut-1.tar", [["x.flac", "sound"]]),
    at("cut-0.tar"),
    await tarOf("cut-2.tar", frames("k", 1)),
  ];
  const before = statSync(root).mtimeMs;
  assert.throws(
    () => openPlainTars(paths, "cut"),
    (error: Error) =>
      error instanceof FormatError &&
      /^cut: 2 of 3 tar files cannot be read: cut-1\.tar: has no samples.*; cut-0\.tar: 100 bytes/.test(error.message),
  );
  assert.is(statSync(root).mtimeMs, before);
});

test("a plain tar that grows after it was opened is refused, not misread", async () => {
  const path = await tarOf("grows.tar", [["k.txt", "words"], ...frames("k", 1)]);
  const { set } = openPlainTars([path], "grows");
  await tarOf("grows.tar", [["k.txt", "words"], ...frames("k", 2)]);
  assert.throws(() => set.info(0), /grows\.tar: has \d+ bytes, the index promises \d+/);
});

test("several sources are shown by their factors, with the same bits on any number of threads, from any step", async () => {
  const clip = (i: number) => ({
    ...{ key: `clip-${i}`, caption: `shard ${i}`, sentiment: [i, 0, 0, 0, 0, 0, 0], fps: 8, width: 20, height: 12 },
    ...{ frames: pictures.slice(0, 4), boxes: [[], [], [], []] },
  });
  await writeShards(at("shards"), "train", [0, 1, 2, 3, 4].map(clip));
  const plain = openPlainTars(
    [
      await tarOf(
        "few.tar",
        [0, 1, 2].flatMap((i): Entry[] => [[`k${i}.txt`, `plain ${i}`], ...frames(`k${i}`, 4)]),
      ),
    ],
    "few",
  ).set;
  const set = new Several([
    { name: "shards", set: await openShards(at("shards"), "train"), factor: 1 },
    { name: "few", set: plain, factor: 2.5 },
  ]);
  const run = async (workers: number, from = 0) => {
    const options = { ...forTraining, frames: 2, side: 8, resize: 10, batch: 4, seed: 3, workers };
    const loader = new Loader(set, options);
    assert.is(loader.stepsPerEpoch, 3); // 5 and 7.5, rounded to 8
    const out = [];
    for await (const { keys, captions, frames: pixels, epoch, categories } of loader.batches(from, 6))
      out.push({ keys, captions, epoch, categories, pixels: Buffer.from(pixels.buffer).toString("hex") });
    await loader.close();
    return out;
  };
  const want = await run(0);
  const shown = want.filter(({ epoch }) => epoch === 0).flatMap(({ keys }) => keys);
  assert.is(
    shown.filter((key) => key.startsWith("few: ")).length + shown.filter((key) => key.startsWith("shards: ")).length,
    12,
  );
  const times = (key: string) => want.flatMap(({ keys }) => keys).filter((each) => each === key).length;
  for (let i = 0; i < 3; i++) assert.ok(times(`few: few/k${i}`) >= 4 && times(`few: few/k${i}`) <= 6);
  for (const workers of [1, 2, 4]) assert.equal(await run(workers), want);
  assert.equal(await run(2, 4), want.slice(4));
});

test.run();
