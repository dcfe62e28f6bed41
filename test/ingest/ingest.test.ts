// `emotionclip ingest` as a user runs it: films with subtitles to shards, what is wrong by name, and the way on after a change.
import { mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { openShards, ShardReader } from "../../data/shards/shards.ts";
import { ffmpeg, hasFfmpeg, subRip, tinyFilm } from "../kit/tiny-films.ts";
import { runProgram } from "../run/program.ts";

const root = await mkdtemp(join(tmpdir(), "emotionclip-ingest-"));
test.after(() => rm(root, { recursive: true, force: true }));
const at = (...names: string[]) => join(root, ...names);
const ingest = (folder: string, out: string, ...flags: string[]) =>
  runProgram(join("dist", "cli.js"), ["ingest", at(folder), "--out", at(out), ...flags]);

if (!hasFfmpeg) console.log("left out, ffmpeg is not installed: ingest");
const real = (name: string, body: () => Promise<void>) => hasFfmpeg && test(name, body);

const said = subRip([
  [0, 3, "We have won the game."],
  [3, 3.5, "Yes."],
  [4, 8, "Nobody came to the station."],
]);

/** Films of the tests: two that are good, and one of each kind that is not plain. */
function films(): void {
  mkdirSync(at("films"));
  tinyFilm(at("films", "one.mp4"));
  writeFileSync(at("films", "one.srt"), said);
  ffmpeg(
    "-i",
    at("films", "one.mp4"),
    "-i",
    at("films", "one.srt"),
    "-c:v",
    "copy",
    "-c:s",
    "mov_text",
    at("films", "two.mp4"),
  );
  mkdirSync(at("odd"));
  const odd = (name: string, ...options: string[]) => {
    ffmpeg("-i", at("films", "one.mp4"), ...options, at("odd", name));
    writeFileSync(at("odd", name.replace(/\w+$/, "srt")), said);
  };
  odd("interlaced.mp4", "-c:v", "libx264", "-x264opts", "tff=1");
  odd("uneven.mkv", "-vf", "select='not(eq(mod(n,7),3))'", "-fps_mode", "vfr");
  odd("oddsize.mkv", "-c:v", "ffv1", "-vf", "crop=63:47");
  ffmpeg("-i", at("films", "one.mp4"), "-c", "copy", "-metadata:s:v", "rotate=90", at("odd", "turned.mp4"));
  writeFileSync(at("odd", "turned.srt"), said);
  ffmpeg("-f", "lavfi", "-i", "sine=d=3", at("odd", "sound.mkv"));
  ffmpeg(
    "-f",
    "lavfi",
    "-i",
    "sine=d=3",
    "-f",
    "lavfi",
    "-i",
    "color=blue:size=16x16:d=0.1",
    "-map",
    "0",
    "-map",
    "1",
    "-frames:v",
    "1",
    "-c:v",
    "png",
    "-disposition:v",
    "attached_pic",
    at("odd", "cover.m4a"),
  );
  writeFileSync(at("odd", "cut.mp4"), readFileSync(at("films", "one.mp4")).subarray(0, 2000));
  tinyFilm(at("odd", "silent.mkv"));
  tinyFilm(at("odd", "latin.mkv"));
  writeFileSync(at("odd", "latin.srt"), Buffer.from(said.replace("won", "gagn\xe9"), "latin1"));
}
if (hasFfmpeg) films();

real("films with subtitles beside and inside become shards of whole films", async () => {
  const { code, stdout, stderr } = await ingest("films", "shards", "--json");
  assert.is(code, 0, stderr);
  const { films, dropped, kept, splits } = JSON.parse(stdout);
  assert.equal([kept, dropped], [4, { "not longer than 2 s": 2 }]);
  assert.equal(
    films.map(({ cuts }: { cuts: number }) => cuts),
    [1, 1],
  );
  assert.equal(
    splits.map(({ split, samples }: { split: string; samples: number }) => `${split} ${samples}`),
    ["test 2", "train 2"],
  );
  const train = await openShards(at("shards"), "train");
  const reader = new ShardReader();
  const infos = [0, 1].map((i) => train.info(i, reader));
  reader.close();
  assert.equal(
    infos.map(({ caption, fps, width, height, boxes }) => [caption, fps, width, height, boxes.length]),
    [
      ["We have won the game", 8, 64, 48, 25],
      ["Nobody came to the station", 8, 64, 48, 33],
    ],
  );
  assert.match(stderr, /two\.mp4|no sentiment: none is dropped as neutral/);
  assert.ok(statSync(at("shards", "contact-sheet.png")).size > 1000);
});

real("a film more makes one film more; the shards of the others stay byte for byte", async () => {
  const before = JSON.parse(readFileSync(at("shards", "train-index.json"), "utf8"));
  const cuts = (film: string) => statSync(at("shards", "work", film, "cuts.json")).mtimeMs;
  const [was] = [cuts("one+mp4")];
  writeFileSync(at("films", "three.mp4"), readFileSync(at("films", "one.mp4")));
  writeFileSync(at("films", "three.vtt"), `WEBVTT\n\n00:00.000 --> 00:04.000\nIt is all over now.\n`);
  const { code, stdout, stderr } = await ingest("films", "shards");
  assert.is(code, 0, stderr);
  assert.match(stdout, /3 films of 0\.5 minutes, 7 sentences, 5 clips/);
  const { shards } = JSON.parse(readFileSync(at("shards", "train-index.json"), "utf8"));
  assert.ok(
    before.shards.every(({ sha256 }: { sha256: string }) =>
      shards.some((each: { sha256: string }) => each.sha256 === sha256),
    ),
  );
  assert.is(cuts("one+mp4"), was);
  const { code: checked, stdout: check } = await runProgram(join("dist", "cli.js"), [
    "data",
    "check",
    at("shards"),
    "--decode",
  ]);
  assert.is(checked, 0, check);
});

real("sentiment from a file drops the neutral, and a sentence without logits is named", async () => {
  const won = { "We have won the game": [0, 0, 0, 9, 0, 0, 0], "Nobody came to the station": [0, 0, 0, 0, 9, 0, 0] };
  writeFileSync(at("scores.json"), JSON.stringify(won));
  const refused = await ingest("films", "scored", "--sentiment", at("scores.json"));
  assert.is(refused.code, 3);
  assert.match(refused.stderr, /scores\.json: has no logits of 1 of 1 sentences, the first: "It is all over now"/);
  writeFileSync(at("scores.json"), JSON.stringify({ ...won, "It is all over now": [0, 0, 0, 0, 0, 9, 0] }));
  const { stdout } = await ingest("films", "scored", "--sentiment", at("scores.json"), "--test", "three", "--json");
  const { dropped, kept, splits } = JSON.parse(stdout);
  assert.equal([kept, dropped["neutral score above 0.05"]], [3, 2]);
  assert.equal(
    splits.map(({ samples }: { samples: number }) => samples),
    [1, 2],
  );
});

real("odd films are right or named, and the others go on", async () => {
  const { code, stdout, stderr } = await ingest("odd", "odd-shards", "--json");
  assert.is(code, 0, stderr);
  const { films, leftOut } = JSON.parse(stdout);
  const notes = films.map(
    ({ film, kept, notes }: { film: string; kept: number; notes: string[] }) => `${film} ${kept} ${notes.join()}`,
  );
  assert.equal(notes, [
    "interlaced.mp4 2 interlaced (tt): its frames stay as they are",
    "oddsize.mkv 2 ",
    "turned.mp4 2 rotated by 90 degrees: shown upright",
    "uneven.mkv 2 of a variable rate: frames are taken by their times",
  ]);
  const why = Object.fromEntries(leftOut.map(({ film, why }: { film: string; why: string }) => [film, why]));
  assert.equal(Object.keys(why).sort(), ["cover.m4a", "cut.mp4", "latin.mkv", "silent.mkv", "sound.mkv"]);
  assert.match(why["cover.m4a"], /no video stream; it has audio \(aac\), cover art \(png\)/);
  assert.match(why["sound.mkv"], /no video stream; it has audio/);
  assert.match(why["cut.mp4"], /does not decode|moov/);
  assert.match(why["silent.mkv"], /has no subtitles: put "silent\.srt"/);
  assert.match(why["latin.mkv"], /latin\.srt: is not valid utf-8; say how it is encoded, as in --encoding/);
  const index = await openShards(at("odd-shards"), "train");
  const reader = new ShardReader();
  const turned = [...index.items.keys()]
    .map((i) => index.info(i, reader))
    .filter(({ meta }) => JSON.stringify(meta).includes("turned"));
  reader.close();
  for (const { width, height } of turned) assert.equal([width, height], [48, 64]);
});

real(
  "boxes beside a film become its clips' subject; a sentence in which nobody is seen is dropped; the report has it all",
  async () => {
    mkdirSync(at("people"));
    tinyFilm(at("people", "one.mp4"));
    writeFileSync(at("people", "one.srt"), said);
    const line = (frame: number, x: number, side: number) => `${frame},-1,${x},10,${side},${side},0.9\n`;
    const lines = Array.from({ length: 36 }, (_, i) => line(i + 1, 4, 10) + line(i + 1, 30 + i / 10, 20));
    writeFileSync(at("people", "one.mot.csv"), lines.join(""));
    const { code, stdout, stderr } = await ingest("people", "peopled", "--subject", "largest", "--json");
    assert.is(code, 0, stderr);
    const { films, dropped, report } = JSON.parse(stdout);
    assert.equal(dropped, { "not longer than 2 s": 1, "nobody in the picture": 1 });
    assert.equal(films[0].people, { source: "one.mot.csv", boxes: [33, 0, 25], tracks: 2, unknown: 0 });
    const train = await openShards(at("peopled"), "train");
    const reader = new ShardReader();
    const { boxes } = train.info(0, reader);
    reader.close();
    assert.equal([boxes.length, boxes[0], boxes[24]], [25, [[30, 10, 50, 30]], [[33, 10, 53, 30]]]);
    const page = readFileSync(report, "utf8");
    for (const text of ["nobody in the picture", "How long clips last", "2 boxes", "one.mot.csv", "data:image/png"])
      assert.ok(page.includes(text), text);
    writeFileSync(at("people", "one.mot.csv"), line(900, 4, 10));
    assert.match(
      (await ingest("people", "peopled")).stderr,
      /has boxes of frame 899, but there are 100 frames; --boxes-fps/,
    );
  },
);

real("without a film, or a clip, it is refused and nothing is listed", async () => {
  mkdirSync(at("none"));
  assert.match((await ingest("none", "nothing")).stderr, /no film among 0 files/);
  tinyFilm(at("none", "a.mp4"));
  const { code, stderr } = await ingest("none", "nothing");
  assert.is(code, 3);
  assert.match(stderr, /no clip came of 1 films; 1 were left out, the first: a\.mp4: has no subtitles/);
  rmSync(at("nothing"), { recursive: true });
});

test.run();
