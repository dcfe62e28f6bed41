// Films and subtitles as they come: late pictures, links to nowhere, pipes, names that write to a terminal, words beyond bounds. Each
// is right or named, and the others go on. And the way on after a run that was killed.
import { spawn, spawnSync } from "node:child_process";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { openFilm } from "../../cli/film.ts";
import { filmWords } from "../../cli/film-words.ts";
import { openShards, ShardReader } from "../../data/shards/shards.ts";
import { ffmpeg, hasFfmpeg, subRip, tinyFilm } from "../kit/tiny-films.ts";
import { runProgram } from "../run/program.ts";

const root = await mkdtemp(join(tmpdir(), "emotionclip-odd-"));
test.after(() => rm(root, { recursive: true, force: true }));
const at = (...names: string[]) => join(root, ...names);
const cli = join("dist", "cli.js");
const ingest = (folder: string, out: string, ...flags: string[]) =>
  runProgram(cli, ["ingest", at(folder), "--out", at(out), ...flags]);
const real = (name: string, body: () => Promise<void>) => hasFfmpeg && test(name, body);

const said = subRip([
  [0, 3, "We have won the game."],
  [4, 8, "Nobody came to the station."],
]);
if (hasFfmpeg) tinyFilm(at("base.mp4"));
const film = (folder: string, name: string, words: string | Buffer = said) => {
  mkdirSync(at(folder), { recursive: true });
  copyFileSync(at("base.mp4"), at(folder, `${name}.mp4`));
  writeFileSync(at(folder, `${name}.srt`), words);
};

/** What a run says of each film: clips, notes and faults, or why it was left out. */
async function told(folder: string, ...flags: string[]): Promise<Record<string, string>> {
  const { code, stdout, stderr } = await ingest(folder, `${folder}-out`, ...flags, "--json");
  assert.is(code, 0, stderr);
  assert.not.ok(stderr.includes("\u001b"));
  const { films, leftOut } = JSON.parse(stdout) as {
    films: { film: string; kept: number; notes: string[]; faults: object; dropped: object }[];
    leftOut: { film: string; why: string }[];
  };
  return Object.fromEntries([
    ...films.map(({ film, kept, notes, faults, dropped }) => [
      film,
      [kept, ...notes, ...Object.keys(faults), ...Object.keys(dropped)].join("; "),
    ]),
    ...leftOut.map(({ film, why }) => [film, why]),
  ]);
}

real("a picture that begins after the sound: words meet the frames that are shown when they are said", async () => {
  mkdirSync(at("late"));
  const late = ["-f", "lavfi", "-i", "sine=d=12", "-itsoffset", "2", "-i", at("base.mp4"), "-map", "0", "-map", "1"];
  ffmpeg(...late, "-c:v", "copy", at("late", "late.mkv"));
  writeFileSync(
    at("late", "late.srt"),
    subRip([
      [0, 1.9, "Too early."],
      [7, 10, "The picture turns red."],
    ]),
  ); // at 8 s
  const film = await openFilm(at("late", "late.mkv"), { window: "2" }, 8);
  for (const flags of [{}, { subtitles: at("late", "late.srt") }]) {
    const { lines } = (await filmWords(at("late", "late.mkv"), film, flags))!;
    assert.equal(
      lines.map(({ start, end }) => [start, end].map((time) => Math.round(time))),
      [[5, 8]],
    );
  }
  const found = await told("late");
  assert.equal(Object.keys(found), ["late.mkv"]);
  assert.match(found["late.mkv"], /^1; its picture begins 2\.\d\d s after its sound: .*before the first picture/);
  const train = await openShards(at("late-out"), "train");
  const reader = new ShardReader();
  const { meta } = train.info(0, reader);
  const frames = await Promise.all(
    Array.from({ length: train.frameCount(0) }, (_, t) => reader.frame(train.items[0], t)),
  );
  reader.close();
  assert.ok(Math.abs((meta as { start: number }).start - 5) < 0.13, JSON.stringify(meta));
  // of the frames at 5 to 8 s of the picture those from 6 s on are plain red, and so small
  const small = frames.map(({ length }) => length < 0.8 * frames[0].length);
  assert.equal(
    [small.indexOf(true), small.lastIndexOf(false)].map((k) => Math.abs(k - 8) <= 1),
    [true, true],
  );
});

real("what is no film, and names and words of every kind: right or named, and the others go on", async () => {
  film("odd", "base");
  symlinkSync("nowhere.mp4", at("odd", "broken.mp4"));
  spawnSync("mkfifo", [at("odd", "pipe.mp4")]);
  writeFileSync(at("odd", "empty.mp4"), "");
  ffmpeg("-i", at("base.mp4"), "-frames:v", "1", at("odd", "single.mkv"));
  writeFileSync(at("odd", "single.srt"), said);
  ffmpeg("-f", "lavfi", "-i", "testsrc=size=64x48:rate=10:d=5", "-c:v", "mpeg2video", at("a.ts"));
  const later = ["-output_ts_offset", "5", "-c:v", "mpeg2video"];
  ffmpeg("-f", "lavfi", "-i", "testsrc=size=128x96:rate=10:d=5", ...later, at("b.ts"));
  writeFileSync(at("odd", "sizes.ts"), Buffer.concat([readFileSync(at("a.ts")), readFileSync(at("b.ts"))]));
  writeFileSync(at("odd", "sizes.srt"), said);
  film("odd", "utf16", Buffer.from(said, "utf16le"));
  film("odd", "marked", Buffer.concat([Buffer.from([0xff, 0xfe]), Buffer.from(said, "utf16le")]));
  film("odd", "binary", Buffer.from([0xff, 0xd8, 1, 2, 3]));
  film("odd", "wordless", "");
  film("odd", "esc\u001b[31m");
  film("odd", "-dash & <b>");
  film("odd", "long", subRip([[0, 3, "word ".repeat(200_000)]]));
  film(
    "odd",
    "backwards",
    subRip([
      [4, 8, "Nobody came."],
      [5, 4.5, "Never."],
      [0, 3, "We have won."],
    ]),
  );
  film(
    "odd",
    "beyond",
    subRip([
      [0, 3, "We have won."],
      [9, 30, "It is over."],
      [50, 53, "Is it?"],
    ]),
  );
  film(
    "odd",
    "other",
    subRip([
      [0, 3, "We have won."],
      [50, 53, "It is over."],
      [60, 63, "Is it?"],
    ]),
  );
  film(
    "odd",
    "over",
    subRip([
      [0, 6, "We have won."],
      [3, 8, "Nobody came."],
    ]),
  );
  film("odd", "zero");
  writeFileSync(at("odd", "zero.boxes.json"), '{ "0": [], "1": [] }');
  const found = await told("odd");
  const expected: Record<string, RegExp> = {
    "-dash & <b>.mp4": /^2$/,
    "backwards.mp4": /^2; unread; out of order$/,
    "base.mp4": /^2$/,
    "beyond.mp4": /^1; beyond the film; cut at the film's end; not longer than 2 s$/,
    "binary.mp4": /binary\.srt: (is not valid utf-8|has no cue)/,
    "broken.mp4": /broken\.mp4: no such file/,
    "empty.mp4": /empty\.mp4: does not decode/,
    "esc\u001b[31m.mp4": /^2$/,
    "long.mp4": /^0; its words have no punctuation: .*; more than 4096 characters$/,
    "marked.mp4": /^2$/,
    "other.mp4": /other\.srt: 2 of 3 cues begin after the film's end at 10\.00 s/,
    "over.mp4": /^2; overlapping$/,
    "pipe.mp4": /pipe\.mp4: not a regular file/,
    "single.mkv": /^0; beyond the film; cut at the film's end; not longer than 2 s$/,
    "sizes.ts": /changes its size from 64x48 to 128x96/,
    "utf16.mp4": /utf16\.srt: has bytes of 0, as UTF-16 without its mark has/,
    "wordless.mp4": /wordless\.srt: has no cue/,
    "zero.mp4": /^0; nobody in the picture$/,
  };
  assert.equal(Object.keys(found).sort(), Object.keys(expected).sort());
  for (const [name, text] of Object.entries(expected)) assert.match(found[name], text, name);
  const page = readFileSync(at("odd-out", "report.html"), "utf8");
  assert.not.match(page, /<b>\.mp4/);
  assert.ok(page.includes("left out: broken.mp4: no such file"));
});

real("where nobody is seen in any film, the reasons are said and nothing is listed", async () => {
  film("nobody", "one");
  writeFileSync(at("nobody", "one.mot.txt"), "1,-1,0,0,9,9,0.1\n");
  const { code, stderr } = await ingest("nobody", "nobody-out");
  assert.is(code, 3);
  assert.match(stderr, /no clip came of 1 films; sentences were dropped: 2 nobody in the picture/);
  assert.equal(existsSync(at("nobody-out", "train-index.json")), false);
});

/** Contents of what a run left, by name. */
const left = (folder: string): string[] =>
  readdirSync(at(folder))
    .filter((name) => name.endsWith(".tar") || name.endsWith("index.json"))
    .map((name) => `${name} ${readFileSync(at(folder, name)).toString("base64")}`);

real("killed at any stage, the next run goes on and comes to the same bytes", async () => {
  for (const name of ["a", "b", "c", "d"]) film("kill", name);
  for (const name of ["a", "b"])
    writeFileSync(
      at("kill", `${name}.mot.txt`),
      Array.from({ length: 100 }, (_, i) => `${i + 1},-1,5,5,20,30,0.9\n`).join(""),
    );
  assert.is((await ingest("kill", "whole")).code, 0);
  const whole = left("whole");
  assert.ok(whole.length > 4);
  const states = ["probe.json", "sentiment.json", "cuts.json", "shard-00000.json"];
  const made: string[] = [];
  for (const state of states) {
    const child = spawn(process.execPath, [cli, "ingest", at("kill"), "--out", at("killed")], { stdio: "ignore" });
    const ended = new Promise((done) => child.on("close", (code, signal) => done(signal ?? code)));
    let isOver = false;
    void ended.then(() => (isOver = true));
    const record = at("killed", "work", "b+mp4", state);
    while (!isOver && !existsSync(record)) await new Promise((done) => setTimeout(done, 5));
    child.kill("SIGKILL");
    made.push(`${state} ${await ended}`);
  }
  assert.ok(made.filter((each) => each.endsWith("SIGKILL")).length >= 3, made.join());
  const probe = () => statSync(at("killed", "work", "a+mp4", "probe.json")).mtimeMs;
  const before = probe();
  const { code, stderr } = await ingest("killed".replace("killed", "kill"), "killed");
  assert.is(code, 0, stderr);
  assert.is(probe(), before);
  assert.equal(left("killed"), whole);
  assert.equal(
    readdirSync(at("killed", "work")).filter((name) => /\.tar$|tmp/.test(name)),
    [],
  );
});

real(
  "one film more makes records and shards of that film alone; a film that is gone takes its shards along",
  async () => {
    const times = () =>
      Object.fromEntries(
        readdirSync(at("whole", "work"))
          .filter((name) => name.includes("+"))
          .flatMap((name) => readdirSync(at("whole", "work", name)).map((stage) => `${name}/${stage}`))
          .map((path) => [path, statSync(at("whole", "work", path)).mtimeMs]),
      );
    const before = times();
    film("kill", "e");
    const { code, stderr } = await ingest("kill", "whole");
    assert.is(code, 0, stderr);
    const after = times();
    for (const path of Object.keys(before)) assert.is(after[path], before[path], path);
    const fresh = Object.keys(after).filter((path) => !(path in before));
    assert.ok(fresh.length > 3 && fresh.every((path) => path.startsWith("e+mp4/")), fresh.join());
    for (const name of ["e.mp4", "e.srt"]) await rm(at("kill", name));
    assert.is((await ingest("kill", "whole")).code, 0);
    assert.equal(
      readdirSync(at("whole")).filter((name) => name.startsWith("e+mp4")),
      [],
    );
  },
);

test.run();
