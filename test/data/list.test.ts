// Lists of one's own clips: what becomes of each row, what is refused, and that stopped work goes on to the same bytes.
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import sharp from "sharp";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { program } from "../../cli/cli.ts";
import { watchDisk } from "../../data/formats/disk.ts";
import { type ClipList, readList } from "../../data/list/list-file.ts";
import { type ListOptions, shardsOfList, workFolder } from "../../data/list/shards.ts";
import type { Box } from "../../data/pixels/boxes.ts";
import { encodeJpeg } from "../../data/pixels/jpeg.ts";
import { readIndex } from "../../data/shards/index-file.ts";
import { openShards, ShardReader } from "../../data/shards/shards.ts";
import { Stopped, type StopRequest } from "../../data/threads/long-work.ts";
import { FormatError, HealthError, UsageError } from "../../engine/errors.ts";
import { failure, refusal } from "../kit/refusal.ts";
import { inTemporary } from "../kit/temporary.ts";

const form: ListOptions = { fps: 8, side: 32, minFrames: 2, perShard: 2, maxBad: 0 };
const meter = { start: () => {}, at: () => {}, say: () => {} };
const never = { requested: undefined };

/** A grey picture whose shade is its number. */
const picture = (shade: number, width = 24, height = 16) =>
  encodeJpeg({ data: new Uint8Array(width * height * 3).fill(shade), width, height }, 95);

/** Folders a, b, … of so many frames each. */
async function draw(folder: string, counts: Record<string, number>): Promise<void> {
  for (const [name, count] of Object.entries(counts)) {
    mkdirSync(join(folder, name));
    for (let i = 0; i < count; i++) writeFileSync(join(folder, name, `${i}.jpg`), await picture(10 * i));
  }
}

function listIn(folder: string, ...lines: string[]): string {
  const path = join(folder, "clips.csv");
  writeFileSync(path, `${lines.join("\n")}\n`);
  return path;
}

const listOf = (folder: string, ...lines: string[]) => readList(listIn(folder, ...lines), form);
const make = (list: ClipList, folder: string, more: Partial<ListOptions> = {}, stop: StopRequest = never) =>
  shardsOfList(list, join(folder, "out"), { ...form, ...more }, meter, stop);

/** All clips of a split. */
async function clipsIn(folder: string, split: string) {
  const set = await openShards(join(folder, "out"), split);
  const reader = new ShardReader();
  try {
    return set.items.map((item) => ({
      info: reader.info(item, set.index.categories.length),
      frames: Array.from({ length: item.frames.length / 2 }, (_, t) => reader.frame(item, t)),
    }));
  } finally {
    reader.close();
  }
}

test("a row becomes a clip: its part of the frames as they are, boxes, sentiment, labels, split", () =>
  inTemporary(async (folder) => {
    await draw(folder, { a: 16, b: 8, c: 3 });
    writeFileSync(
      join(folder, "b.json"),
      JSON.stringify(Object.fromEntries(Array.from({ length: 8 }, (_, i) => [`${i}.jpg`, i ? [[1, 2, 3, 4]] : []]))),
    );
    const list = await listOf(
      folder,
      "path,start,end,caption,split,boxes,sentiment,mood:class,loud:flag,who:skip",
      'a,0.5,1.5,"one, two",,"2,3,10,12",joy,glad,1,x',
      "b,,,three,test,b.json,fear,sad,0,",
      "c,,,four,test,,neutral,sad,0,y",
    );
    assert.equal([list.splits, list.categories, list.sentiment], [["test", "train"], ["glad", "sad", "loud"], "names"]);
    const { kept, dropped } = await make(list, folder);
    assert.equal([kept, dropped.count], [3, 0]);
    const [train] = await clipsIn(folder, "train");
    assert.equal([train.info.caption, train.frames.length], ["one, two", 8]);
    for (const [i, bytes] of train.frames.entries())
      assert.equal(Buffer.from(bytes), readFileSync(join(folder, "a", `${4 + i}.jpg`)));
    assert.equal(train.info.boxes[0], [[2, 3, 10, 12]]);
    assert.equal(train.info.sentiment, [0, 0, 0, 3, 0, 0, 0]);
    assert.equal(train.info.labels, { categories: [1, 0, 1] });
    const [b, c] = await clipsIn(folder, "test");
    assert.equal([b.info.boxes.slice(0, 2), c.info.boxes[0], b.info.fps], [[[], [[1, 2, 3, 4]]], [], 8]);
    assert.equal(JSON.parse(readFileSync(join(folder, "out", "report.json"), "utf8")).kept, 3);
    assert.not.ok(existsSync(workFolder(join(folder, "out"))));
  }));

test("valence, arousal and dominance reach the shards, with categories or without, where a row has them", () =>
  inTemporary(async (folder) => {
    await draw(folder, { a: 2 });
    const labelsOf = async (...lines: string[]) => {
      const list = await listOf(folder, ...lines);
      await shardsOfList(list, join(folder, `out${lines.length}`), form, meter, never);
      const set = await openShards(join(folder, `out${lines.length}`), "train");
      return [...set.infos()].map(({ labels }) => labels);
    };
    const columns = "path,caption,valence,arousal,dominance";
    assert.equal(await labelsOf(columns, "a,one,0.5,-1,2e-1", "a,two,,,"), [
      { categories: [], vad: [0.5, -1, 0.2] },
      undefined,
    ]);
    assert.equal(await labelsOf(`${columns},mood:class`, "a,one,1,2,3,glad"), [{ categories: [1], vad: [1, 2, 3] }]);
    const lacking = await refusal(listOf(folder, "path,caption,valence", "a,b,1"));
    assert.match(lacking.message, /has 1 of valence, arousal, dominance; missing: arousal, dominance/);
    const half = (await refusal(listOf(folder, columns, "a,b,1,,2"))) as unknown as { account: { kinds: object } };
    assert.equal(half.account.kinds, { label: 1 });
  }));

test("frames that are larger than the side become smaller, with their boxes", () =>
  inTemporary(async (folder) => {
    mkdirSync(join(folder, "a"));
    for (const i of [1, 2]) writeFileSync(join(folder, "a", `${i}.jpg`), await picture(9, 128, 64));
    await make(await listOf(folder, "path,caption,boxes", 'a,one,"0,0,64,64"'), folder);
    const [{ info }] = await clipsIn(folder, "train");
    assert.equal([info.width, info.height, info.boxes], [64, 32, [[[0, 0, 32, 32]], [[0, 0, 32, 32]]]]);
  }));

const five = ["path,caption", ...["a", "b", "c", "d", "e"].map((name) => `${name},says ${name}`)];
const counts = { a: 2, b: 3, c: 2, d: 4, e: 2 };

test("stopped or killed, the same call goes on after the finished shards, to the same bytes", () =>
  inTemporary(async (folder) => {
    await draw(folder, counts);
    const list = await listOf(folder, ...five);
    await make(list, folder);
    const whole = readIndex(join(folder, "out"), "train");
    for (const end of ["stop", "kill"]) {
      const out = join(folder, end);
      let asked = 0;
      const stop = {
        get requested() {
          return end === "stop" && ++asked > 3 ? 130 : undefined;
        },
      };
      const unwatch = watchDisk(({ op, path }) => {
        if (end === "kill" && op === "rename" && path.includes("train-00001")) throw new Error("killed");
        return undefined;
      });
      const error = await failure(shardsOfList(list, out, form, meter, stop)).finally(unwatch);
      assert.ok(end === "stop" ? error instanceof Stopped : error.message === "killed", error.message);
      assert.not.ok(existsSync(out));
      const finished = join(workFolder(out), "shards", "train-00000.tar");
      utimesSync(finished, 5, 5);
      const { found, kept } = await shardsOfList(list, out, form, meter, never);
      assert.equal([found, kept], [1, 5]);
      assert.equal(readIndex(out, "train"), whole);
      assert.not.ok(existsSync(workFolder(out)));
    }
  }));

test("unfinished work of another list or other flags is refused, and stays", () =>
  inTemporary(async (folder) => {
    await draw(folder, counts);
    const list = await listOf(folder, ...five);
    let asked = 0;
    const stop = {
      get requested() {
        return ++asked > 3 ? 130 : undefined;
      },
    };
    await failure(make(list, folder, {}, stop));
    const refused = await refusal(make(list, folder, { side: 16 }));
    assert.instance(refused, UsageError);
    assert.match(refused.message, /out\.unfinished: was begun with another list, other files or other flags/);
    writeFileSync(join(folder, "a", "more.jpg"), "x"); // what the list names has changed
    await refusal(make(await listOf(folder, ...five), folder));
    assert.ok(existsSync(join(workFolder(join(folder, "out")), "shards", "train-00000.tar")));
  }));

test("what does not decode is dropped, counted by kind and named; too many of them end the work", () =>
  inTemporary(async (folder) => {
    await draw(folder, counts);
    writeFileSync(join(folder, "b", "1.jpg"), "no picture");
    writeFileSync(join(folder, "d", "2.jpg"), await picture(1, 16, 16));
    const rows = [
      ...five.slice(0, 5).map((row, i) => `${row},${["boxes", "", "", '"90,90,99,99"', ""][i]}`),
      "d,four,",
      "e,five,",
    ];
    const list = await listOf(folder, ...rows);
    const error = await refusal(make(list, folder));
    assert.instance(error, HealthError);
    assert.match(error.message, /1 of 6 rows cannot be made, allowed are 0 % \(--max-bad\)/);
    const { kept, dropped } = await make(list, folder, { maxBad: 1 });
    assert.is(kept, 2);
    assert.equal(dropped.kinds, { "does not decode": 1, boxes: 1, "frames of several sizes": 2 });
    assert.match(dropped.first[0], /^clips\.csv: row 2 \(line 3\): 1\.jpg: /);
  }));

test("a caption may have 4096 characters and no more; a folder as many frames as are asked for and no fewer", () =>
  inTemporary(async (folder) => {
    await draw(folder, { a: 2, b: 1 });
    assert.is((await listOf(folder, "path,caption", `a,${"x".repeat(4096)}`)).clips.length, 1);
    const rows = [`a,${"x".repeat(4097)}`, "a,  ", "b,one"];
    const error = (await refusal(listOf(folder, "path,caption", ...rows))) as unknown as { account: { kinds: object } };
    assert.equal(error.account.kinds, { caption: 2, "too few frames": 1 });
  }));

test("a list that does not match is refused as a whole: counted by kind, the first ten named", () =>
  inTemporary(async (folder) => {
    await draw(folder, { a: 16 });
    const refused = async (...lines: string[]) => {
      const error = await refusal(listOf(folder, ...lines), lines.join("|"));
      assert.instance(error, FormatError);
      return error as FormatError & { account: { kinds: object; first: string[] } };
    };
    assert.match((await refused("path,captoin", "a,b")).message, /unknown column "captoin"; did you mean caption\?/);
    assert.match((await refused("path,start", "a,1")).message, /no column "caption"/);
    assert.match((await refused("path,caption,sentiment_joy", "a,b,1")).message, /has 1 of the 7 columns/);
    assert.match((await refused("path,caption,x:flag,x:flag", "a,b,1,1")).message, /has the column "x:flag" twice/);
    const { account } = await refused(
      "path,start,end,caption,split,boxes,sentiment,loud:flag",
      ...["nowhere,,,one,,,joy,1", "a,,,  ,,,joy,1", "a,1,1,x,,,joy,1", "a,1,1.1,x,,,joy,1", "a,,9,x,,,joy,1"],
      ...["a,,,x,no/split,,joy,1", "a,,,x,,none.json,joy,1", "a,,,x,,,happy,1", "a,,,x,,,,1", "a,,,x,,,joy,yes"],
      ...["a,x,,x,,,joy,1", ",,,x,,,joy,1"],
    );
    const kinds = {
      "missing file": 2,
      caption: 1,
      time: 2,
      "too few frames": 2,
      split: 1,
      sentiment: 2,
      label: 1,
      path: 1,
    };
    assert.equal([account.kinds, account.first.length], [kinds, 10]);
    assert.equal(readdirSync(folder).sort(), ["a", "clips.csv"]);
  }));

/** Runs `emotionclip shards`; what it printed on both streams. */
async function shards(...words: string[]): Promise<string> {
  const streams = [process.stdout, process.stderr].map((stream) => ({ stream, write: stream.write }));
  let printed = "";
  for (const { stream } of streams)
    stream.write = ((text: string) => {
      printed += text;
      return true;
    }) as typeof stream.write;
  try {
    await (await program(["shards", ...words])).parseAsync(["shards", ...words], { from: "user" });
  } finally {
    for (const { stream, write } of streams) stream.write = write;
  }
  return printed;
}

test("the command: a missing sentiment is said once, the other source's flags are refused, nothing is overwritten", () =>
  inTemporary(async (folder) => {
    await draw(folder, counts);
    const list = listIn(folder, ...five);
    const out = join(folder, "out");
    const printed = await shards(list, "--out", out, "--min-frames", "2");
    assert.is(printed.match(/has no sentiment; every clip gets seven logits of 0\. Train with --beta 0/g)?.length, 1);
    assert.match(printed, /5 rows, 5 clips kept, 0 dropped\ntrain +5 clips in 1 tar files/);
    assert.match(printed, /look at them: .*contact-sheet\.png/);
    const sheet = await sharp(join(out, "contact-sheet.png")).metadata();
    assert.ok(sheet.width > 400 && sheet.height > 5 * 32, `${sheet.width}x${sheet.height}`);
    const wrong: [RegExp, ...string[]][] = [
      [/exists; name a folder that does not/, list, out],
      [/--held-out says something of another source, not of a list/, list, `${out}2`, "--held-out", "0.1"],
      [/--fps says something of another source, not of a folder/, folder, `${out}2`, "--fps", "4"],
      [/one folder is made; name it once/, list, `${out}2`, "--out", `${out}3`],
      [/missing argument out/, list],
    ];
    for (const [message, ...words] of wrong) assert.match((await refusal(shards(...words))).message, message);
    writeFileSync(list, "path,caption\nnowhere,x\n");
    assert.instance(await refusal(shards(list, `${out}2`)), FormatError);
  }));

const isInstalled = ["ffmpeg", "ffprobe"].every((name) => spawnSync(name, ["-version"]).status === 0);
if (!isInstalled) console.log("left out, ffmpeg is not installed: a film is looked at so often a second");
else
  test("a film is looked at so often a second, between start and end; an end after the film's is dropped", () =>
    inTemporary(async (folder) => {
      const film = ["-f", "lavfi", "-i", "testsrc=size=96x64:rate=24:duration=2", "-pix_fmt", "yuv420p"];
      assert.is(spawnSync("ffmpeg", ["-v", "error", ...film, join(folder, "talk.mkv")]).status, 0);
      const boxes = JSON.stringify(Object.fromEntries(Array.from({ length: 48 }, (_, i) => [i, [[2 * i, 0, 95, 60]]])));
      writeFileSync(join(folder, "b.json"), boxes);
      const rows = ["talk.mkv,0.5,1.5,one,b.json", "talk.mkv,,,two,", "talk.mkv,1,9,three,", "talk.mkv,1.9,2,four,"];
      const list = await listOf(folder, "path,start,end,caption,boxes", ...rows);
      const { dropped } = await make(list, folder, { maxBad: 0.5 });
      assert.equal(dropped.kinds, { "end after the film's": 1, "too few frames": 1 });
      const [one, two] = await clipsIn(folder, "train");
      assert.equal([one.frames.length, two.frames.length, one.info.width, one.info.height], [8, 16, 48, 32]);
      const firsts = one.info.boxes.map((boxes) => (boxes as Box[])[0][0]);
      assert.equal(firsts, [12, 15, 18, 21, 24, 27, 30, 33]); // frame 12 is at 0.5 s
      assert.equal(Buffer.from(one.frames[0]), Buffer.from(two.frames[4]));
    }));

if (isInstalled)
  test("a film without pictures, and a file that is no film, are dropped and named", () =>
    inTemporary(async (folder) => {
      const sound = ["-f", "lavfi", "-i", "sine=duration=1", join(folder, "sound.mp4")];
      assert.is(spawnSync("ffmpeg", ["-v", "error", ...sound]).status, 0);
      writeFileSync(join(folder, "text.mp4"), "no film at all");
      await draw(folder, { a: 2 });
      const list = await listOf(folder, "path,caption", "sound.mp4,one", "text.mp4,two", "a,three");
      const { kept, dropped } = await make(list, folder, { maxBad: 0.7 });
      assert.is(kept, 1);
      assert.equal(dropped.kinds, { "does not decode": 2 });
      assert.match(dropped.first[0], /^clips\.csv: row 1 \(line 2\): sound\.mp4: has no video stream/);
      assert.match(dropped.first[1], /^clips\.csv: row 2 \(line 3\): text\.mp4: /);
      const all = await listOf(folder, "path,caption", "sound.mp4,one");
      const error = await refusal(shardsOfList(all, join(folder, "none"), form, meter, never));
      assert.instance(error, HealthError);
      assert.not.ok(existsSync(join(folder, "none")));
    }));

test.run();
