import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { packTar, unpackTar } from "modern-tar";
import sharp from "sharp";
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { BadSample } from "../../data/bad-samples.ts";
import { badSamples } from "../../data/shards/check.ts";
import type { Clip } from "../../data/shards/clip.ts";
import { forEvaluation, forTraining, Loader, type LoaderOptions } from "../../data/shards/loader.ts";
import { Random } from "../../data/philox.ts";
import { indexName, parseIndex } from "../../data/shards/index-file.ts";
import { writeShards } from "../../data/shards/writer.ts";
import { groupMembers, openShards, ShardReader } from "../../data/shards/shards.ts";
import { tarMembers } from "../../data/formats/tar.ts";
import { DiskError, FormatError, UsageError } from "../../engine/errors.ts";
import { failure, refusal } from "../kit/refusal.ts";

const folder = mkdtempSync(join(tmpdir(), "shards "));
const categories = ["calm", "joy"];
const jpeg = new Uint8Array(
  await sharp({ create: { width: 8, height: 6, channels: 3, background: "#a04020" } })
    .jpeg()
    .toBuffer(),
);

function clip(i: number, frames = 2): Clip {
  return {
    key: `clip-${String(i).padStart(3, "0")}`,
    caption: `caption ${i} – ünïcode`,
    sentiment: [i, 1, 2, 3, 4, 5, 6.5],
    boxes: Array.from({ length: frames }, (_, t) =>
      t % 2 ? [[1, 1, 4, 5] as const, [2, 0, 8, 6] as const] : [0, 0, 3, 3],
    ),
    frames: Array.from({ length: frames }, () => jpeg),
    fps: 8,
    width: 8,
    height: 6,
    labels: { categories: [i % 2, 1], vad: [0.1, 0.2, 0.3] },
    meta: { origin: i },
  };
}

const clips = (n: number) => Array.from({ length: n }, (_, i) => clip(i, 1 + (i % 3)));

test("what is written is read back, over several shards", async () => {
  const index = await writeShards(join(folder, "round"), "train", clips(7), { perShard: 3, categories });
  assert.equal(
    index.shards.map(({ file, samples }) => [file, samples]),
    [
      ["train-00000.tar", 3],
      ["train-00001.tar", 3],
      ["train-00002.tar", 1],
    ],
  );
  const set = await openShards(join(folder, "round"), "train", { hash: true });
  const reader = new ShardReader();
  assert.is(set.samples, 7);
  assert.equal(
    set.keys,
    clips(7).map(({ key }) => key),
  );
  clips(7).forEach(({ key: _, frames, ...info }, i) => {
    const boxes = info.boxes.map((b) => (typeof b[0] === "number" ? [b] : b));
    assert.equal(structuredClone(set.info(i, reader)), { ...info, boxes }); // objects from files have no prototype
    assert.is(set.frameCount(i), frames.length);
    frames.forEach((bytes, t) => void assert.equal(reader.frame(set.items[i], t), bytes));
  });
  reader.close();
  assert.equal(readdirSync(join(folder, "round")).length, 4, "nothing temporary is left");
});

test("any clips survive the round trip", async () => {
  const word = fc.stringMatching(/^[a-z0-9_-]{1,40}$/);
  const anyClip = fc.record({
    key: fc.tuple(word, word).map(([a, b]) => `${a}/${b}`),
    caption: fc
      .string({ unit: "binary", minLength: 1, maxLength: 200 })
      .filter((s) => !/\p{Surrogate}/u.test(s) && s.trim() !== ""),
    sentiment: fc.array(fc.double({ noNaN: true, min: -1e4, max: 1e4 }), { minLength: 7, maxLength: 7 }),
    frames: fc.array(fc.uint8Array({ maxLength: 1500 }), { minLength: 1, maxLength: 4 }),
  });
  let run = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.uniqueArray(anyClip, { minLength: 1, maxLength: 6, selector: ({ key }) => key }),
      async (list) => {
        const at = join(folder, `any${run++}`);
        const made: Clip[] = list.map((c) => ({ ...clip(0), ...c, boxes: c.frames.map(() => []) }));
        await writeShards(at, "val", made, { perShard: 2, categories });
        const set = await openShards(at, "val", { hash: true });
        const reader = new ShardReader();
        made.forEach((c, i) => {
          const { caption, sentiment } = set.info(i, reader);
          assert.equal([set.items[i].key, caption], [c.key, c.caption]);
          assert.equal(sentiment, JSON.parse(JSON.stringify(c.sentiment)), "JSON writes −0 as 0");
          c.frames.forEach((bytes, t) => void assert.equal(reader.frame(set.items[i], t), bytes));
        });
        reader.close();
      },
    ),
    { numRuns: 30, seed: 3, includeErrorInReport: true },
  );
});

test("the same clips give the same bytes, and other tar programs read them", async () => {
  const read = () => new Uint8Array(readFileSync(join(folder, "same", "test-00000.tar")));
  await writeShards(join(folder, "same"), "test", clips(3), { categories });
  const first = read();
  await writeShards(join(folder, "same"), "test", clips(3), { categories });
  assert.equal(read(), first);
  const entries = await unpackTar(first, { strict: true });
  const ours = [...tarMembers((at, n) => first.subarray(at, at + n), first.length, "x.tar")];
  assert.equal(
    ours.map(({ name, offset, size }) => [name, first.slice(offset, offset + size)]),
    entries.map(({ header, data }) => [header.name, data]),
  );
});

test("the writer refuses clips it could not read back, and leaves nothing behind", async () => {
  const bad: [Partial<Clip>, RegExp][] = [
    [{ key: "a.b" }, /"a\.b" cannot be the key/],
    [{ key: "../up" }, /cannot be the key/],
    [{ key: "" }, /cannot be the key/],
    [{ frames: [] }, /0 frames, allowed are 1 to 9999/],
    [{ sentiment: [1, 2] }, /sentiment is a list of 2, expected a list of 7/],
    [{ sentiment: [1, 2, 3, 4, 5, 6, Number.NaN] }, /sentiment\[6\] is null, expected a number/],
    [{ boxes: [] }, /boxes is a list of 0, expected a list of 2/],
    [{ boxes: [[3, 0, 2, 9], []] }, /boxes\[0\]\[0\] is "3 0 2 9", expected x1 ≤ x2/],
    [{ labels: undefined }, /labels is undefined, expected an object/],
    [{ labels: { categories: [2, 0], vad: [0, 0, 0] } }, /labels\.categories\[0\] is 2, expected 0 or 1/],
    [{ fps: 25 }, /25 frames a second, others 8/],
    [{ key: "clip-000" }, /two clips have the key "clip-000"/],
  ];
  for (const [change, message] of bad) {
    const at = join(folder, "refused");
    const error = await refusal(
      writeShards(at, "train", [clip(0), { ...clip(1), ...change }], { categories, perShard: 1 }),
    );
    assert.match(error.message, message);
    assert.equal(readdirSync(at), [], message.source); // the first shard was complete
  }
  assert.instance(await refusal(writeShards(join(folder, "none"), "train", [])), UsageError);
  await writeShards(join(folder, "refused"), "train", [clip(0), clip(1)], { categories });
});

test("a folder that cannot be written is a DiskError", async () => {
  writeFileSync(join(folder, "file"), "");
  const error = await refusal(writeShards(join(folder, "file", "sub"), "train", clips(1), { categories }));
  assert.instance(error, DiskError);
  assert.match(error.message, /ENOTDIR/);
});

test("what a killed writer left is removed by the next one", async () => {
  const at = join(folder, "left");
  mkdirSync(at);
  writeFileSync(join(at, "train-00000.tar.tmp-999999999-1"), "half");
  writeFileSync(join(at, "other.tmp-999999999-1"), "not ours");
  await writeShards(at, "train", clips(1), { categories });
  assert.equal(readdirSync(at).sort(), ["other.tmp-999999999-1", "train-00000.tar", "train-index.json"]);
});

test("two who make one split do not meet: one that is stopped takes nothing of the other's, nor of what was there", async () => {
  const at = join(folder, "two");
  const options = { perShard: 2, categories };
  await writeShards(at, "train", clips(2), options);
  const stopped = async function* () {
    yield* clips(5); // two shards are complete
    await writeShards(at, "train", clips(7), options); // the other one ends first
    throw new Error("stopped");
  };
  assert.is((await failure(writeShards(at, "train", stopped(), options))).message, "stopped");
  const set = await openShards(at, "train", { hash: true });
  assert.is(set.samples, 7);
  assert.equal(readdirSync(at).sort(), [...[0, 1, 2, 3].map((i) => `train-0000${i}.tar`), "train-index.json"]);
});

test("a split appears whole: while it is made, what was there before is read", async () => {
  const at = join(folder, "before");
  await writeShards(at, "train", clips(2), { perShard: 1, categories });
  const more = async function* () {
    for (const each of clips(4)) {
      yield each;
      assert.is((await openShards(at, "train", { hash: true })).samples, 2);
    }
  };
  await writeShards(at, "train", more(), { perShard: 1, categories });
  assert.is((await openShards(at, "train", { hash: true })).samples, 4);
});

// ---- hostile archives ----

const encoder = new TextEncoder();
const info = { ...clip(0, 1), key: undefined, frames: undefined };
const goodJson = JSON.stringify(info);

/** One header and body, with any field replaced after the fact; the checksum is right unless it is the fault. */
function member(
  name: string,
  body: string | Uint8Array = goodJson,
  change: (h: Uint8Array) => void = () => {},
  type = "0",
) {
  const bytes = typeof body === "string" ? encoder.encode(body) : body;
  const out = new Uint8Array(512 + Math.ceil(bytes.length / 512) * 512);
  put(out, 0, name);
  put(out, 100, "0000644\0");
  put(out, 108, "0000000\0");
  put(out, 116, "0000000\0");
  put(out, 124, `${bytes.length.toString(8).padStart(11, "0")}\0`);
  put(out, 136, "00000000000\0");
  put(out, 156, type);
  put(out, 257, "ustar\x0000");
  change(out);
  sign(out);
  out.set(bytes, 512);
  return out;
}
function put(out: Uint8Array, at: number, text: string): void {
  out.set(encoder.encode(text), at);
}
function sign(header: Uint8Array): void {
  header.fill(32, 148, 156);
  const sum = header.subarray(0, 512).reduce((s, b) => s + b, 0);
  put(header, 148, `${sum.toString(8).padStart(6, "0")}\0 `);
}
const pax = (records: string) => member("PaxHeader/x", records, undefined, "x");
const record = (text: string) => {
  const n = encoder.encode(text).length + 2;
  return `${n + String(n + 1).length} ${text}\n`;
};
const end = new Uint8Array(1024);
const tar = (...parts: Uint8Array[]) => new Uint8Array(Buffer.concat(parts));
const frame = (key: string, t = 0) => member(`${key}.${String(t).padStart(4, "0")}.jpg`, jpeg);
const sample = (key: string) => [member(`${key}.json`), frame(key)];
const control = tar(...sample("a"), ...sample("b"), end);

const hostile: [string, Uint8Array, RegExp][] = [
  ["nothing at all", new Uint8Array(0), /without the two zero blocks/],
  ["an odd number of bytes", control.subarray(0, 700), /700 bytes, not a multiple of 512/],
  ["text", encoder.encode("hello ".repeat(512)), /checksum is not a number/],
  ["no end", control.subarray(0, control.length - 1024), /without the two zero blocks/],
  ["half an end", control.subarray(0, control.length - 512), /without the two zero blocks/],
  ["cut in a member's data", control.subarray(0, 1024 + 512), /checksum|without|truncated/],
  ["cut after a header", tar(member("a.json").subarray(0, 512)), /without|truncated/],
  ["data after the end", tar(...sample("a"), end, ...sample("b"), end), /data after the end of the archive, at byte/],
  [
    "a megabyte of padding and more",
    tar(...sample("a"), new Uint8Array(2 ** 20 + 1024)),
    /bytes after the last member/,
  ],
  ["a wrong checksum", tar(flip(member("a.json"), 3), frame("a"), end), /checksum \d+, the bytes add up to \d+/],
  [
    "no magic",
    tar(
      member("a.json", goodJson, (h) => h.fill(0, 257, 265)),
      frame("a"),
      end,
    ),
    /magic .*expected "ustar"/,
  ],
  [
    "a size that is no number",
    tar(
      member("a.json", goodJson, (h) => put(h, 124, "0000000009x")),
      end,
    ),
    /size is not an octal/,
  ],
  [
    "a size in base 256",
    tar(
      member("a.json", goodJson, (h) => h.fill(0x80, 124, 136)),
      end,
    ),
    /size is not an octal/,
  ],
  [
    "a huge size",
    tar(
      member("a.json", goodJson, (h) => put(h, 124, "77777777777")),
      end,
    ),
    /8589934591 bytes, allowed/,
  ],
  [
    "a size beyond the file",
    tar(
      member("a.json", goodJson, (h) => put(h, 124, "00000077777")),
      end,
    ),
    /truncated/,
  ],
  [
    "a mode that is no number",
    tar(
      member("a.json", goodJson, (h) => put(h, 100, "rw-r--r-")),
      end,
    ),
    /mode is not an octal/,
  ],
  ["..", tar(member("../a.json"), end), /"\.\.\/a\.json" leads out of the archive/],
  [".. within", tar(member("x/../../a.json"), end), /leads out of the archive/],
  ["an absolute path", tar(member("/etc/a.json"), end), /"\/etc\/a\.json" has an absolute path/],
  ["a drive letter", tar(member("C:a.json"), end), /absolute path/],
  ["a backslash", tar(member("a\\b.json"), end), /backslash/],
  ["an empty part", tar(member("a//b.json"), end), /empty part/],
  ["an escape character", tar(member("\x1b[31ma.json"), end), /"\\u\{1b\}\[31ma\.json" has a control character/],
  [
    "a name that is not UTF-8",
    tar(
      member("a.json", goodJson, (h) => h.fill(0xff, 0, 4)),
      end,
    ),
    /not valid UTF-8/,
  ],
  ["no name", tar(member("")), /has no name|without/],
  [
    "a hard link",
    tar(
      member("a.json", "", (h) => put(h, 157, "b"), "1"),
      end,
    ),
    /"a\.json" is a hard link/,
  ],
  [
    "a symbolic link",
    tar(
      member("a.json", "", (h) => put(h, 157, "/etc/passwd"), "2"),
      end,
    ),
    /is a symbolic link/,
  ],
  ["a character device", tar(member("a.json", "", undefined, "3"), end), /is a character device/],
  ["a block device", tar(member("a.json", "", undefined, "4"), end), /is a block device/],
  ["a FIFO", tar(member("a.json", "", undefined, "6"), end), /is a FIFO/],
  ["a sparse file", tar(member("a.json", "", undefined, "S"), end), /is a sparse file/],
  ["an unknown type", tar(member("a.json", "", undefined, "Z"), end), /of unknown type "Z"/],
  ["a long link name", tar(member("././@LongLink", "x", undefined, "K"), end), /is a long link name/],
  ["a volume label", tar(member("././label", "", undefined, "V"), end), /is a volume label/],
  ["a global pax header", tar(member("g", record("path=x"), undefined, "g"), ...sample("a"), end), /global pax header/],
  ["a folder with contents", tar(member("d/", goodJson, undefined, "5"), end), /folder "d\/" has \d+ bytes/],
  ["a pax path that leads out", tar(pax(record("path=../../a.json")), member("a.json"), end), /leads out/],
  ["a pax path with NUL", tar(pax(record("path=a\0b.json")), member("a.json"), end), /control character/],
  ["a pax size that is no number", tar(pax(record("size=-5")), member("a.json"), end), /pax size "-5"/],
  ["a pax size beyond the file", tar(pax(record("size=60000000")), member("a.json"), end), /truncated/],
  ["a pax record of wrong length", tar(pax("99 path=a.json\n"), member("a.json"), end), /bad pax record/],
  ["a pax record without end", tar(pax("12 path=abcde"), member("a.json"), end), /bad pax record/],
  ["a pax link", tar(pax(record("linkpath=/etc/passwd")), member("a.json"), end), /"linkpath" is not allowed/],
  ["a pax sparse map", tar(pax(record("GNU.sparse.major=1")), member("a.json"), end), /not allowed/],
  ["a pax header before the end", tar(...sample("a"), pax(record("path=b.json")), end), /describes no member/],
  ["a member of another kind", tar(...sample("a"), member("a.txt", "x"), end), /"a\.txt"; allowed are KEY\.json/],
  ["a frame number of three digits", tar(member("a.json"), member("a.000.jpg", jpeg), end), /allowed are KEY\.json/],
  ["a JSON twice", tar(...sample("a"), member("a.json"), end), /"a\.json" is there twice/],
  ["a frame twice", tar(...sample("a"), frame("a"), end), /"a\.0000\.jpg" is there twice/],
  ["a key twice", tar(...sample("a"), ...sample("b"), ...sample("a"), end), /members of "a" are not together/],
  ["fewer samples than promised", tar(...sample("a"), end), /has 1 samples, the index promises 2/],
  [
    "more samples than promised",
    tar(...sample("a"), ...sample("b"), ...sample("c"), end),
    /has 3 samples, .* promises 2/,
  ],
];

function flip(bytes: Uint8Array, at: number): Uint8Array {
  const out = bytes.slice();
  out[at] ^= 1;
  return out;
}

/** A data set of one shard with these bytes, whose index promises two samples. */
function dataSet(
  name: string,
  bytes: Uint8Array,
  change: Record<string, unknown> = {},
  entry: Record<string, unknown> = {},
) {
  const at = join(folder, name.replace(/\W/g, "-"));
  rmSync(at, { recursive: true, force: true });
  mkdirSync(at);
  writeFileSync(join(at, "train-00000.tar"), bytes);
  const shard = { file: "train-00000.tar", bytes: bytes.length, samples: 2, sha256: "0".repeat(64), ...entry };
  const index = { version: 1, split: "train", fps: 8, samples: 2, categories, shards: [shard], ...change };
  writeFileSync(join(at, indexName("train")), JSON.stringify(index));
  return at;
}

test("the control archive is accepted, with folders, pax and GNU names, and leading dots", async () => {
  const long = `${"d".repeat(80)}/${"k".repeat(100)}`;
  const others = tar(
    member("./", "", undefined, "5"),
    member("sub/", "", undefined, "5"),
    member("./a.json"),
    pax(record("comment=hello") + record(`path=a.0000.jpg`)),
    member("short", jpeg),
    member("././@LongLink", `${long}.json\0`, undefined, "L"),
    member("cut"),
    pax(record(`path=${long}.0000.png`) + record(`size=${jpeg.length}`)),
    member("cut", jpeg),
    end,
    new Uint8Array(8192),
  );
  const named = tar(
    member("././@PaxHeader", record("comment=a commit"), undefined, "g"), // as Python's tarfile and `git archive` write it
    ...sample("a"),
    member("B.json"),
    pax(record("path=B.0000.JPG")),
    member("pax_global_header", record("mtime=1"), undefined, "g"),
    member("short", jpeg),
    end,
  );
  for (const bytes of [control, others, named])
    assert.is((await openShards(dataSet("control", bytes), "train")).samples, 2);
  const set = await openShards(dataSet("control", others), "train");
  assert.equal(set.keys, ["a", long]);
  assert.equal(set.info(1).caption, clip(0).caption);
});

test(`each of ${hostile.length} hostile archives is refused by name, quickly, as FormatError`, async () => {
  assert.ok(hostile.length >= 30);
  for (const [name, bytes, message] of hostile) {
    const error = await refusal(openShards(dataSet("hostile", bytes), "train"), name);
    assert.instance(error, FormatError, `${name}: ${error.stack}`);
    assert.match(error.message, message, name);
    assert.match(error.message, /^train-00000\.tar: /);
    assert.not.match(error.message, /\p{C}/u);
    assert.ok(error.message.length < 500);
  }
});

test("each hostile index is refused; links and paths lead nowhere", async () => {
  const cases: [string, Record<string, unknown>, Record<string, unknown>, RegExp][] = [
    ["another version", { version: 2 }, {}, /version is 2, expected 1/],
    ["another split", { split: "val" }, {}, /split is "val", expected "train"/],
    ["an unknown field", { shard: [] }, {}, /unknown field "shard", did you mean shards\?/],
    ["no shards", { shards: [], samples: 0 }, {}, /shards is a list of 0/],
    ["a wrong sum", { samples: 3 }, {}, /samples is 3, expected 2, the sum over the shards/],
    ["a fractional count", {}, { samples: 1.5 }, /shards\[0\]\.samples is 1\.5, expected a whole number/],
    ["a path upwards", {}, { file: "../train-00000.tar" }, /must be a plain relative path/],
    ["an absolute path", {}, { file: "/etc/passwd" }, /must be relative/],
    ["a URL", {}, { file: "http://x/y.tar" }, /must be relative/],
    ["a missing file", {}, { file: "gone.tar" }, /"gone\.tar" cannot be opened \(ENOENT\)/],
    ["a folder", {}, { file: "folder" }, /"folder" is not a regular file/],
    ["a link outside", {}, { file: "link.tar" }, /"link\.tar" leads out of its folder/],
    ["a wrong length", {}, { bytes: 512 }, /has \d+ bytes, the index promises 512/],
    ["a sha256 that is none", {}, { sha256: "xyz" }, /64 hexadecimal digits/],
    ["a prototype", { __proto__: undefined, constructor: 1 }, {}, /unknown field "constructor"/],
  ];
  for (const [name, change, entry, message] of cases) {
    const at = dataSet("index", control, change, entry);
    mkdirSync(join(at, "folder"));
    symlinkSync(join(folder, "round", "train-00000.tar"), join(at, "link.tar"));
    const error = await refusal(openShards(at, "train"), name);
    assert.instance(error, FormatError, name);
    assert.match(error.message, message, name);
  }
  const at = dataSet("index", control);
  assert.match((await refusal(openShards(at, "train", { hash: true }))).message, /sha256 is .*, the index says 0000/);
  assert.match((await refusal(openShards(at, "test"))).message, /^test-index\.json: not found in /);
  assert.is((await openShards(at, "train")).samples, 2);
});

test("an index with duplicate keys, too much depth, bad UTF-8 or huge numbers is refused", () => {
  const good = readFileSync(join(dataSet("text", control), indexName("train")), "utf8");
  const cases: [string | Uint8Array, RegExp][] = [
    [good.replace('"fps":8', '"fps":8,"fps":9'), /duplicate key "fps"/],
    [good.replace('"fps":8', '"fps":8,"\\u0066ps":9'), /duplicate key "fps"/],
    [good.replace('"fps":8', '"fps":1e999'), /number 1e999 is too large/],
    [good.replace('"fps":8', `"fps":${"[".repeat(70)}${"]".repeat(70)}`), /nested more than 64 deep/],
    [good.trimEnd().slice(0, -1), /not valid JSON: '}' expected at byte \d+, found the end/],
    [`${good}x`, /not valid JSON: text after the end/],
    ["", /not valid JSON: a number expected at byte 0, found the end/],
    [new Uint8Array([0xff, 0xfe, 0x7b]), /not valid JSON: .* found byte 0xff/],
    [new Uint8Array([0x7b, 0x22, 0xc0, 0xaf, 0x22]), /not valid UTF-8/],
  ];
  for (const [text, message] of cases) {
    const bytes = typeof text === "string" ? encoder.encode(text) : text;
    assert.throws(
      () => parseIndex(bytes, "train"),
      (e: Error) => e instanceof FormatError && message.test(e.message),
    );
  }
  assert.is(parseIndex(encoder.encode(good), "train").samples, 2);
});

/** Faults of one clip, as its members: the fault is its own, and its neighbours are read. */
const changed = (change: Record<string, unknown>) => [
  member("b.json", JSON.stringify({ ...info, ...change })),
  frame("b"),
];
const badClips: [name: string, members: Uint8Array[], message: RegExp][] = [
  ["no JSON", [frame("b")], /"b" has no \.json/],
  ["no frames", [member("b.json")], /"b" has no frames/],
  ["a frame left out", [...sample("b"), frame("b", 2)], /"b" has 2 frames, but none with number 1/],
  [
    "a long JSON",
    [member("b.json", " ".repeat(2 ** 20 + 1)), frame("b")],
    /"b" has 1048577 bytes of JSON, allowed are/,
  ],
  ["an empty JSON", [member("b.json", ""), frame("b")], /b\.json: not valid JSON/],
  ["half a JSON", [member("b.json", goodJson.slice(0, 40)), frame("b")], /b\.json: not valid JSON/],
  ["a list", [member("b.json", "[]"), frame("b")], /b\.json: the top is a list of 0, expected an object/],
  ["NaN", [member("b.json", goodJson.replace("6.5", "NaN")), frame("b")], /b\.json: not valid JSON/],
  [
    "bad UTF-8",
    [member("b.json", Buffer.from(goodJson.replace("–", "-"), "latin1")), frame("b")],
    /b\.json: not valid UTF-8/,
  ],
  [
    "half a surrogate",
    [member("b.json", goodJson.replace("caption 0", "\\ud800")), frame("b")],
    /half a surrogate pair/,
  ],
  ["a key twice", [member("b.json", goodJson.replace("{", '{"fps":8,')), frame("b")], /duplicate key "fps"/],
  ["no caption", changed({ caption: undefined }), /caption is missing, expected a string/],
  ["a number for a caption", changed({ caption: 7 }), /caption is 7, expected a string/],
  ["an empty caption", changed({ caption: "" }), /caption is "0 characters", expected 1 to 4096/],
  ["a blank caption", changed({ caption: " \t " }), /caption is ".*", expected words, not white space alone/],
  ["a long caption", changed({ caption: "a".repeat(4097) }), /caption is "4097 characters"/],
  ["no sentiment", changed({ sentiment: undefined }), /sentiment is missing, expected a list/],
  ["a word for sentiments", changed({ sentiment: "joy" }), /sentiment is "joy", expected a list/],
  ["six sentiments", changed({ sentiment: [1, 2, 3, 4, 5, 6] }), /sentiment is a list of 6, expected a list of 7/],
  ["a text among them", changed({ sentiment: [1, 2, 3, 4, 5, 6, "7"] }), /sentiment\[6\] is "7", expected a number/],
  ["a null among them", changed({ sentiment: [null, 2, 3, 4, 5, 6, 7] }), /sentiment\[0\] is null, expected a number/],
  [
    "no logit",
    changed({ sentiment: [1, 2, 3, 1e308, 5, 6, 7] }),
    /sentiment\[3\] is 1e\+308, expected a number from -10000/,
  ],
  ["boxes for no frame", changed({ boxes: [] }), /boxes is a list of 0, expected a list of 1/],
  [
    "a box of three numbers",
    changed({ boxes: [[1, 2, 3]] }),
    /boxes\[0\]\[0\] is a list of 3, expected x1, y1, x2, y2/,
  ],
  ["a box out of range", changed({ boxes: [[[0, 0, 1e9, 1]]] }), /boxes\[0\]\[0\] is a list of 4/],
  ["a box inside out", changed({ boxes: [[[3, 0, 2, 9]]] }), /boxes\[0\]\[0\] is "3 0 2 9", expected x1 ≤ x2/],
  ["no width", changed({ width: 0 }), /width is 0, expected a whole number from 1 to 16384/],
  ["a text for a width", changed({ width: "8" }), /width is "8"/],
  ["a negative rate", changed({ fps: -1 }), /fps is -1/],
  ["no labels", changed({ labels: undefined }), /labels is undefined, expected an object/],
  [
    "too few categories",
    changed({ labels: { categories: [1], vad: [0, 0, 0] } }),
    /labels\.categories is a list of 1, expected a list of 2/,
  ],
  [
    "half a category",
    changed({ labels: { categories: [1, 0.5], vad: [0, 0, 0] } }),
    /categories\[1\] is 0\.5, expected 0 or 1/,
  ],
  ["two values", changed({ labels: { categories: [1, 0], vad: [0, 0] } }), /labels\.vad is a list of 2/],
  ["a value beyond f32", changed({ labels: { categories: [1, 0], vad: [0, 1e39, 0] } }), /labels\.vad\[1\] is 1e\+39/],
  ["an unknown field", changed({ cpation: "x" }), /unknown field "cpation", did you mean caption\?/],
  ["a picture of another size", changed({ width: 9 }), /b\.0000: is 8x6, the clip's JSON says 9x6/],
  [
    "half a picture",
    [member("b.json"), member("b.0000.jpg", jpeg.slice(0, jpeg.length >> 1))],
    /b\.0000: does not decode/,
  ],
  ["an empty picture", [member("b.json"), member("b.0000.jpg", "")], /b\.0000: /],
  ["a text for a picture", [member("b.json"), member("b.0000.jpg", "hello")], /b\.0000: /],
];

test(`each of ${badClips.length} faults of a clip is its own: replaced in training, left out of measurements, listed`, async () => {
  const common = { batch: 2, frames: 1, side: 4, resize: 6, seed: 1, workers: 0, maxBad: 0.5 };
  for (const [name, members, message] of badClips) {
    const archive = tar(...sample("a"), ...members, ...sample("c"), end);
    const set = await openShards(dataSet("bad", archive, { samples: 3 }, { samples: 3 }), "train");
    const named: BadSample[] = [];
    const shown = async (options: Pick<LoaderOptions, "order" | "sampling" | "crop">) => {
      const loader = new Loader(set, { ...common, ...options, onBad: (bad) => void named.push(bad) });
      const keys: string[][] = [];
      const until = options.order === "shuffled" ? 6 : 2;
      for await (const batch of loader.batches(0, until)) keys.push(batch.keys);
      await loader.close();
      return keys;
    };
    assert.equal((await shown(forEvaluation)).flat(), ["a", "c"], name);
    const trained = await shown(forTraining);
    assert.ok(
      trained.every((keys) => keys.length === 2 && !keys.includes("b")),
      name,
    );
    for await (const bad of badSamples(set)) named.push(bad);
    assert.equal(
      named.map(({ index }) => index),
      [1, 1, 1],
      name,
    );
    for (const { reason } of named) {
      assert.match(reason, message, name);
      assert.match(reason, /^train-00000\.tar: "?b/, name);
    }
    assert.is(set.info(0).caption, clip(0).caption);
  }
});

test("a mutated shard gives a valid list of samples or a FormatError, nothing else", () => {
  const seeds = [control, tar(pax(record("path=a.json")), member("x"), frame("a"), end)];
  const mutation = fc.record({
    kind: fc.constantFrom("flip", "set", "delete", "insert", "duplicate", "cut"),
    at: fc.nat(5000),
    length: fc.integer({ min: 1, max: 600 }),
    value: fc.nat(255),
  });
  let accepted = 0;
  fc.assert(
    fc.property(fc.constantFrom(...seeds), fc.array(mutation, { minLength: 1, maxLength: 8 }), (seed, mutations) => {
      const bytes = mutations.reduce(mutate, seed);
      try {
        const samples = groupMembers(
          tarMembers((at, n) => within(bytes, at, n), bytes.length, "x.tar"),
          "x.tar",
          "",
          0,
        );
        for (const { key, json, frames } of samples) {
          assert.ok(key.length > 0 && !key.includes(".."));
          assert.ok(json.offset + json.size <= bytes.length);
          for (let i = 0; i < frames.length; i += 2) assert.ok(frames[i] + frames[i + 1] <= bytes.length);
        }
        accepted++;
      } catch (error) {
        if (!(error instanceof FormatError)) throw error;
      }
    }),
    { numRuns: 4000, seed: 4, includeErrorInReport: true },
  );
  assert.ok(accepted > 20, "some mutations hit padding and data only");
  assert.is(({} as { polluted?: unknown }).polluted, undefined);
});

/** The reader is promised that ranges lie inside the archive. */
function within(bytes: Uint8Array, at: number, length: number): Uint8Array {
  assert.ok(at >= 0 && at + length <= bytes.length, `read of ${length} at ${at} of ${bytes.length}`);
  return bytes.subarray(at, at + length);
}

type Mutation = { kind: string; at: number; length: number; value: number };
function mutate(bytes: Uint8Array, { kind, at, length, value }: Mutation): Uint8Array {
  const i = Math.min(at, Math.max(0, bytes.length - 1));
  const [before, part, after] = [bytes.subarray(0, i), bytes.subarray(i, i + length), bytes.subarray(i + length)];
  if (kind === "flip")
    return tar(
      before,
      part.slice(0, 1).map((b) => b ^ (1 << (value & 7))),
      bytes.subarray(i + 1),
    );
  if (kind === "set") return tar(before, part.slice().fill(value), after);
  if (kind === "delete") return tar(before, after);
  if (kind === "insert") return tar(before, new Uint8Array(length).fill(value), bytes.subarray(i));
  if (kind === "duplicate") return tar(before, part, part, after);
  return bytes.slice(0, i);
}

test("a mutated index gives a valid index or a FormatError, nothing else", () => {
  const seed = new Uint8Array(readFileSync(join(folder, "round", indexName("train"))));
  const random = new Random(6, "index");
  let accepted = 0;
  for (let i = 0; i < 2000; i++) {
    let bytes: Uint8Array = seed;
    for (let m = random.below(3); m >= 0; m--) {
      const kind = random.pick(["flip", "set", "delete", "duplicate"]);
      bytes = mutate(bytes, {
        kind,
        at: random.below(bytes.length),
        length: 1 + random.below(4),
        value: random.below(256),
      });
    }
    try {
      assert.ok(parseIndex(bytes, "train").samples > 0);
      accepted++;
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
    }
  }
  assert.ok(accepted > 20);
});

test("shards packed by another program are read the same way", async () => {
  const files: [string, Uint8Array][] = [
    ["one.json", encoder.encode(goodJson)],
    ["one.0000.jpeg", jpeg],
  ];
  const bytes = await packTar(files.map(([name, body]) => ({ header: { name, size: body.length }, body })));
  const set = await openShards(dataSet("foreign", bytes, { samples: 1 }, { samples: 1 }), "train");
  assert.equal(set.keys, ["one"]);
});

test("a shard that changes after it was opened is refused, not misread", async () => {
  const at = join(folder, "changed");
  cpSync(join(folder, "round"), at, { recursive: true });
  const set = await openShards(at, "train");
  const path = join(at, "train-00000.tar");
  writeFileSync(path, readFileSync(path).subarray(0, 1024));
  assert.throws(
    () => set.info(0),
    (e: Error) => e instanceof FormatError && /has 1024 bytes/.test(e.message),
  );
  rmSync(path);
  assert.throws(
    () => set.info(0),
    (e: Error) => e instanceof DiskError && /ENOENT/.test(e.message),
  );
});

test.after(() => rmSync(folder, { recursive: true, force: true }));
test.run();
