// `emotionclip timeline` as a person calls it: its table is what zero-shot says of each piece, words lie beside, and bad calls write nothing.
import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { runCommand } from "../../cli/cli.ts";
import { bestOf, type FilmTimeline, linesWithClasses } from "../../cli/timeline.ts";
import { openBoxes } from "../../data/footage/boxes.ts";
import { readFootage } from "../../data/footage/footage.ts";
import { encodePng } from "../../data/pixels/png.ts";
import { WordTokenizer, wordsFile } from "../../data/tokenizer/words.ts";
import { encodeVideos } from "../../eval/features/encode.ts";
import { probabilities, zeroShotClassifier, zeroShotLogits } from "../../eval/zero-shot/zero-shot.ts";
import { configFromValue, loadModel } from "../../model/index.ts";
import { sharedGpu } from "../kernels/derive.ts";
import { goldenJson, goldenPath } from "../kit/golden.ts";
import { refusal } from "../kit/refusal.ts";
import { hasFfmpeg, subRip, tinyFilm } from "../kit/tiny-films.ts";
import { runProgram } from "../run/program.ts";

await sharedGpu();
const root = await mkdtemp(join(tmpdir(), "emotionclip-timeline-"));
test.after(() => rm(root, { recursive: true, force: true }));
const at = (name: string) => join(root, name);

const config = configFromValue(goldenJson("emotionclip/tiny/config.json"), "config.json");
const words = ["happy", "sad", "a", "person", ...Array.from({ length: 120 }, (_, i) => `w${i}`)];
const tokenizer = new WordTokenizer(words, config.text.context);
const [checkpoint, configFile] = ["model.safetensors", "config.json"].map(at);
copyFileSync(goldenPath("emotionclip/tiny/model.safetensors"), checkpoint);
copyFileSync(goldenPath("emotionclip/tiny/config.json"), configFile);
writeFileSync(at(wordsFile), JSON.stringify(words));
const { model, free } = await loadModel(checkpoint, { config });
test.after(() => free());
const T = config.head.frames;
const square = { side: config.vision.image, resize: config.vision.image };

const given = (film: string, out: string, ...more: string[]) => [
  ...["timeline", film, "--checkpoint", checkpoint, "--config", configFile, "--classes", "happy,sad,person"],
  ...["--out", at(out), ...more],
];
const timeline = async (film: string, out: string, ...more: string[]) => {
  const { code, stdout, stderr } = await runProgram(join("dist", "cli.js"), given(film, out, ...more));
  assert.is(code, 0, stderr);
  return { stdout, stderr, kept: JSON.parse(readFileSync(join(at(out), "timeline.json"), "utf8")) as FilmTimeline };
};
const refused = (film: string, ...more: string[]) =>
  refusal(runCommand(given(film, "refused", ...more)), more.join(" "));
const close = (a: number, b: number, off = 1e-4) => assert.ok(Math.abs(a - b) < off, `${a}, expected ${b}`);

const frames = at("frames"); // 30 of them, 10 a second: 3 s
mkdirSync(frames);
for (let t = 0; t < 30; t++) {
  const data = Uint8Array.from({ length: 3 * 60 * 40 }, (_, i) => (i * (t + 3) * 7) % 256);
  writeFileSync(join(frames, `${String(t).padStart(2, "0")}.png`), await encodePng({ data, width: 60, height: 40 }));
}

test("each window of a folder of frames has the shares that its piece has as a clip", async () => {
  const box = "10,5,40,35";
  const more = ["--fps", "10", "--window", "1", "--stride", "0.5", "--boxes", box, "--json"];
  const { stdout, kept } = await timeline(frames, "folder", ...more);
  const [{ windows, subject, unseen }] = kept.subjects;
  assert.equal([subject, unseen], ["the marked one", 0]);
  assert.equal(
    windows.map(({ start, end, seen }) => [start, end, seen]),
    [0, 0.5, 1, 1.5, 2].map((start) => [start, start + 1, T]),
  );
  const classes = kept.classes.map((name) => ({ name, texts: [name] }));
  const classifier = await zeroShotClassifier(model, tokenizer, classes, ["{}"]);
  const boxes = await openBoxes(box);
  const clips = [0, 5, 10, 15, 20].map((first) =>
    readFootage(frames, { frames: T, ...square, subject: boxes, range: [first, first + 9] }),
  );
  const { data } = probabilities(zeroShotLogits(await encodeVideos(model, await Promise.all(clips)), classifier));
  for (const [w, { probabilities }] of windows.entries())
    for (const [c, share] of probabilities.entries()) close(share, data[3 * w + c]);
  assert.equal(JSON.parse(stdout), { ...kept, out: at("folder") });
  const [head, ...lines] = readFileSync(join(at("folder"), "timeline.csv"), "utf8")
    .trim()
    .split("\n");
  assert.is(head, "subject,start,end,happy,sad,person,highest");
  for (const [w, line] of lines.entries()) {
    const { start, end, probabilities } = windows[w];
    const [subject, from, to, ...rest] = line.split(",");
    assert.equal([subject, Number(from), Number(to)], ["the marked one", start, end]);
    assert.is(rest[3], kept.classes[bestOf(probabilities)]);
    for (const [c, share] of probabilities.entries()) close(Number(rest[c]), share, 1e-6);
  }
  assert.match(readFileSync(join(at("folder"), "timeline.html"), "utf8"), /The marked one/);
  assert.is(kept.short, T > 10 ? 5 : 0);
});

test("a line has the mean of the windows whose middles lie in it, a short one the nearest window, and one beside all windows none", () => {
  const window = (start: number, share: number) => ({
    start,
    end: start + 2,
    probabilities: [share, 1 - share],
    seen: null,
  });
  const subject = { subject: "everybody", windows: [window(0, 0.1), window(1, 0.2), window(2, 0.6)], unseen: null };
  const shareAt = (start: number, end: number) =>
    linesWithClasses([{ start, end, text: "" }], [subject]).map(({ probabilities }) => probabilities[0][0]);
  for (const [[start, end], share] of [
    [[0.5, 3.2], 0.3],
    [[1.4, 1.9], 0.2],
    [[0, 0.4], 0.1],
    [[3.5, 9], 0.6],
  ] as const)
    close(shareAt(start, end)[0], share, 1e-9);
  assert.equal(shareAt(4, 5), []);
});

test("windows with fewer frames than the model takes are told and counted", async () => {
  const { kept, stderr } = await timeline(frames, "short", "--fps", "10", "--window", "0.1", "--stride", "1");
  assert.is(kept.short, 4); // from 0, 1 and 2 s, and the one that ends with the film
  assert.match(stderr, /4 of 4 windows have fewer frames than the model takes; some count twice or more/);
});

test("windows that do not show the subject are told and counted", async () => {
  const name = (t: number) => `${String(t).padStart(2, "0")}.png`;
  const boxes = Object.fromEntries(Array.from({ length: 30 }, (_, t) => [name(t), t < 10 ? [[10, 5, 40, 35]] : []]));
  writeFileSync(at("boxes.json"), JSON.stringify(boxes));
  const more = ["--fps", "10", "--window", "1", "--boxes", at("boxes.json"), "--box-rule", "pixels"];
  const { stderr, kept } = await timeline(frames, "hidden", ...more);
  assert.equal([kept.subjects[0].windows.map(({ seen }) => seen), kept.subjects[0].unseen], [[T, 0, 0], 2]);
  assert.match(stderr, /the marked one: 2 of 3 windows: no frame shows the subject/);
});

if (hasFfmpeg) {
  test("a film with words beside it: each line has the classes of its windows, and faults of the words are told", async () => {
    const film = at("talk.mp4");
    tinyFilm(film);
    const lines: [number, number, string][] = [
      [1, 3, "first, <i>said</i>"],
      [2.5, 4, "it overlaps"],
      [6.5, 9, "red & red"],
    ];
    writeFileSync(at("talk.srt"), subRip(lines));
    const { kept, stdout, stderr } = await timeline(film, "film");
    const [{ windows, unseen }] = kept.subjects;
    assert.equal([windows.length, windows[0].start, windows.at(-1)!.end, unseen], [17, 0, 10, null]);
    assert.equal(
      kept.words?.lines.map(({ start, end, text }) => [start, end, text]),
      [
        [1, 2.5, "first, said"],
        [2.5, 4, "it overlaps"],
        [6.5, 9, "red & red"],
      ],
    );
    const inside = windows.filter(({ start }) => start >= 5.5 && start <= 8); // middles from 6.5 to 9
    const [shares] = kept.words!.lines[2].probabilities;
    for (const [c, share] of shares.entries())
      close(share, inside.reduce((sum, { probabilities }) => sum + probabilities[c], 0) / inside.length, 1e-9);
    assert.match(
      stderr,
      /subtitles: overlapping 1 times \(talk\.srt: cue 1 at 1\.00 s: the next begins before its end\)/,
    );
    assert.match(stdout, /^talk\.mp4: \d+ frames looked at\neverybody: 17 windows from 0:00\.0 to 0:10\.0$/m);
    const page = readFileSync(join(at("film"), "timeline.html"), "utf8");
    assert.match(page, /<td style="text-align:left">red &#38; red<\/td>/);
    assert.match(page, /data:image\/jpeg;base64,/);
    const quiet = await timeline(film, "film", "--subtitles", "none", "--start", "0:02", "--end", "6s");
    assert.is(quiet.kept.words, undefined);
    assert.equal([quiet.kept.subjects[0].windows[0].start, quiet.kept.subjects[0].windows.at(-1)!.end], [2, 6]);
  });

  test("each of the longest tracks of a file of people has curves where it is seen, the same as of its boxes alone", async () => {
    const film = at("two.mp4"); // 10 s at 10 frames a second, a cut at 6 s
    tinyFilm(film);
    const left = "5,5,20,30";
    const line = (frame: number, id: number, x: number) => `${frame + 1},${id},${x},5,15,25,0.9`;
    const range = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i);
    const mot = [
      ...range(0, 50).map((frame) => line(frame, 7, 5)),
      ...range(20, 100).map((frame) => line(frame, 9, 40)),
      ...range(90, 95).map((frame) => line(frame, 11, 5)),
    ];
    const some = [...mot.slice(0, 40), ...mot.slice(40).map((each) => each.replace(/^(\d+),\d+/, "$1,-1"))];
    writeFileSync(at("some.txt"), some.join("\n"));
    const half = await timeline(film, "some", "--people", at("some.txt"), "--window", "1");
    assert.match(half.stderr, /some\.txt: \d+ boxes say whose they are and others do not: all are told apart/);
    writeFileSync(at("people.txt"), mot.join("\n"));
    const { kept, stderr } = await timeline(
      film,
      "tracks",
      "--people",
      at("people.txt"),
      "--tracks",
      "2",
      "--window",
      "1",
    );
    assert.equal(
      kept.subjects.map(({ subject, windows, unseen }) => [subject, windows[0].start, windows.at(-1)!.end, unseen]),
      [
        ["track 7 from 0:00.0", 0, 5, 5],
        ["track 9 from 0:02.0", 2, 10, 2],
      ],
    );
    assert.match(stderr, /people: 3 tracks in people\.txt, the 2 longest have curves \(--tracks\)/);
    const alone = await timeline(film, "alone", "--boxes", left, "--window", "1", "--end", "5");
    for (const [w, { probabilities, seen }] of kept.subjects[0].windows.entries()) {
      const want = alone.kept.subjects[0].windows[w];
      assert.is(seen, want.seen);
      for (const [c, share] of probabilities.entries()) close(share, want.probabilities[c]);
    }
    const page = readFileSync(join(at("tracks"), "timeline.html"), "utf8");
    assert.match(page, /<h2>Track 9 from 0:02\.0<\/h2>/);
    const error = await refused(film, "--people", at("people.txt"), "--boxes", left);
    assert.match(error.message, /--people and --boxes: one of them/);
    assert.match(
      (await refused(frames, "--people", at("people.txt"))).message,
      /--people: tells of the frames of a video/,
    );
    assert.match((await refused(film, "--people", at("people.txt"), "--start", "11")).message, /begins at 11 s/);
  });

  test("bad calls are refused before anything is written", async () => {
    const film = at("bad.mp4");
    tinyFilm(film);
    const refusals: [more: string[], code: number, message: RegExp][] = [
      [["--start", "12"], 2, /bad\.mp4: begins at 12 s, but the footage is 10\.000 s long/],
      [["--window", "0"], 2, /window is 0 s/],
      [["--window", "soon"], 2, /--window: "soon" is not a time such as 90/],
      [["--subtitles", at("none.srt")], 3, /none\.srt: no such file/],
      [["--subtitles", "none", "--language", "en"], 2, /--language: --subtitles names the file/],
      [["--fps", "10"], 2, /--fps: of a folder of frames; bad\.mp4 says when its frames are shown/],
      [["--tracks", "2"], 2, /--tracks says something of the tracks in a file of --people, which is not given/],
      [["--boxes-fps", "2"], 2, /--boxes-fps says something of the tracks in a file of --people/],
      [["--encoding", "klingon"], 2, /--encoding: "klingon" is no encoding/],
      [["--boxes", "1,1,9,9", "--boxes", "1,1,9,9"], 2, /--boxes 2 times for one film/],
    ];
    for (const [more, code, message] of refusals) {
      const error = await refused(film, ...more);
      assert.match(error.message, message);
      assert.is(error.exitCode, code, error.message);
    }
    assert.not.ok(existsSync(at("refused")));
  });
}

test.run();
