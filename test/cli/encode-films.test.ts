// `emotionclip encode` with rows of windows or frames, and with a file for each film: the same numbers as the library's, and a call that goes on.
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { runCommand } from "../../cli/cli.ts";
import { openBoxes } from "../../data/footage/boxes.ts";
import { readFootage } from "../../data/footage/footage.ts";
import { readNpyFile } from "../../data/formats/npy.ts";
import { SafetensorsFile } from "../../data/formats/safetensors.ts";
import { encodePng } from "../../data/pixels/png.ts";
import { encodeImages, encodeVideos } from "../../eval/features/encode.ts";
import { configFromValue, loadModel } from "../../model/index.ts";
import { sharedGpu } from "../kernels/derive.ts";
import { deviation, goldenJson, goldenPath } from "../kit/golden.ts";
import { refusal } from "../kit/refusal.ts";
import { runProgram } from "../run/program.ts";

await sharedGpu();
const root = await mkdtemp(join(tmpdir(), "emotionclip-films-"));
test.after(() => rm(root, { recursive: true, force: true }));
const at = (...names: string[]) => join(root, ...names);

const config = configFromValue(goldenJson("emotionclip/tiny/config.json"), "config.json");
const [checkpoint, configFile] = ["model.safetensors", "config.json"].map((name) => at(name));
copyFileSync(goldenPath("emotionclip/tiny/model.safetensors"), checkpoint);
copyFileSync(goldenPath("emotionclip/tiny/config.json"), configFile);
const { model, free } = await loadModel(checkpoint, { config });
test.after(() => free());
const view = { frames: config.head.frames, side: config.vision.image, resize: config.vision.image };

/** A folder of frames, 10 a second. */
async function film(path: string, seconds: number, seed: number): Promise<string> {
  mkdirSync(path, { recursive: true });
  for (let t = 0; t < 10 * seconds; t++) {
    const data = Uint8Array.from({ length: 3 * 60 * 40 }, (_, i) => (i * (t + seed) * 7) % 256);
    writeFileSync(join(path, `${String(t).padStart(2, "0")}.png`), await encodePng({ data, width: 60, height: 40 }));
  }
  return path;
}
const [long, short] = [await film(at("long"), 3, 3), await film(at("short"), 1, 5)];

const given = (...more: string[]) => ["encode", "frames", ...more, "--checkpoint", checkpoint, "--config", configFile];
const encode = async (...more: string[]) => {
  const { code, stdout, stderr } = await runProgram(join("dist", "cli.js"), given(...more, "--fps", "10", "--json"));
  assert.is(code, 0, stderr);
  return { told: JSON.parse(stdout), stderr };
};
const same = (got: ArrayLike<number>, want: ArrayLike<number>) =>
  assert.ok(deviation(got, want, { rtol: 0, atol: 1e-5 }).share <= 1);
const json = (path: string) => JSON.parse(readFileSync(path, "utf8"));
const box = "10,5,40,35";
const subject = await openBoxes(box);

test("a row for each window of each film, in order, equal to its piece as a clip; what it is of lies beside", async () => {
  const more = ["--window", "1", "--stride", "0.5", "--boxes", box, "--out"];
  const { told } = await encode(long, short, ...more, at("windows.npy"));
  const places = [0, 0.5, 1, 1.5, 2].map((start) => [long, start, 10 * start] as const);
  const pieces = [...places, [short, 0, 0] as const];
  const clips = pieces.map(([path, , first]) => readFootage(path, { ...view, subject, range: [first, first + 9] }));
  const [{ shape, data }] = readNpyFile(at("windows.npy"));
  assert.equal(shape, [6, config.embed]);
  same(data, (await encodeVideos(model, await Promise.all(clips))).data);
  const about = json(at("windows.npy.json"));
  assert.equal(
    about.ids,
    pieces.map(([path]) => path),
  );
  assert.equal(
    about.times,
    pieces.map(([, start]) => [start, start + 1]),
  );
  assert.equal([about.kind, about.row, told.row, told.films.length], ["frames", "window", "window", 2]);
  await encode(long, short, ...more, at("windows.safetensors"));
  await using file = await SafetensorsFile.open(at("windows.safetensors"));
  assert.equal(await file.floats("features"), data);
  assert.equal(JSON.parse(file.metadata.get("times")!), about.times);
});

test("a row for each frame, or for one every half second: pictures by themselves", async () => {
  await encode(long, "--rows", "frame", "--start", "1", "--out", at("frames.npy"));
  const [all] = readNpyFile(at("frames.npy"));
  assert.equal(all.shape, [20, config.embed]);
  const pictures = Array.from({ length: 20 }, (_, i) =>
    readFootage(join(long, `${10 + i}.png`), { ...view, frames: 1 }),
  );
  same(all.data, (await encodeImages(model, await Promise.all(pictures))).data);
  await encode(long, "--rows", "frame", "--start", "1", "--stride", "0.5", "--out", at("some.npy"));
  const [some] = readNpyFile(at("some.npy"));
  const E = config.embed;
  same(
    some.data,
    [0, 5, 10, 15].flatMap((i) => Array.from(all.data).slice(i * E, (i + 1) * E)),
  );
  assert.equal(
    json(at("some.npy.json")).times,
    [1, 1.5, 2, 2.5].map((start) => [start, Number((start + 0.1).toFixed(1))]),
  );
});

test("a file for each film, a manifest, and a second call that makes what has changed alone", async () => {
  const out = at("apart");
  const call = (...more: string[]) => encode(long, short, at("copy", "long"), "--per-clip", out, ...more);
  mkdirSync(at("copy"));
  await film(at("copy", "long"), 2, 9);
  const first = await call("--window", "1");
  const { films } = json(join(out, "manifest.json"));
  const files = films.map(({ file }: { file: string }) => file);
  assert.equal([files[0], files[1], first.told.kept], ["long.npy", "short.npy", 0]);
  assert.match(files[2], /^long-[0-9a-f]{8}\.npy$/);
  assert.equal(
    films.map(({ input, times }: { input: string; times: unknown[] }) => [input, times.length]),
    [
      [long, 3],
      [short, 1],
      [at("copy", "long"), 2],
    ],
  );
  await encode(long, "--window", "1", "--out", at("whole.npy"));
  same(readNpyFile(join(out, "long.npy"))[0].data, readNpyFile(at("whole.npy"))[0].data);
  const made = statSync(join(out, "long.npy")).mtimeMs;
  utimesSync(join(short, "00.png"), 1, 1);
  writeFileSync(join(out, files[2]), readFileSync(join(out, files[2])).subarray(0, 100));
  const second = await call("--window", "1");
  assert.is(second.told.kept, 1);
  assert.is(statSync(join(out, "long.npy")).mtimeMs, made);
  assert.equal(readNpyFile(join(out, files[2]))[0].shape, [2, config.embed]);
  assert.is((await call("--window", "0.5")).told.kept, 0);
});

test("a film that cannot be read is named, listed and left out as far as --max-bad allows", async () => {
  mkdirSync(at("hollow"));
  writeFileSync(at("list.txt"), `${at("hollow")}\n${short}\n`);
  const list = ["--list", at("list.txt"), "--window", "1"];
  const { told, stderr } = await encode(...list, "--max-bad", "0.5", "--per-clip", at("some-bad"));
  assert.equal([told.films.length, told.bad.length, told.bad[0].input], [1, 1, at("hollow")]);
  assert.match(stderr, /hollow: a folder without/);
  assert.match(stderr, /1 of 2 films cannot be read and are left out/);
  const strict = await runProgram(join("dist", "cli.js"), given(...list, "--per-clip", at("strict")));
  assert.is(strict.code, 5, strict.stderr);
  assert.match(strict.stderr, /1 of 2 films cannot be read, allowed are 1 % \(--max-bad\)/);
});

test("films of too few frames, and rows that do not show the subject, are told and counted", async () => {
  const two = at("two");
  mkdirSync(two);
  for (const name of ["00.png", "01.png"]) copyFileSync(join(long, name), join(two, name));
  writeFileSync(at("boxes.json"), JSON.stringify({ "00.png": [], "01.png": [] }));
  const { told, stderr } = await encode(two, "--window", "1", "--boxes", at("boxes.json"), "--out", at("two.npy"));
  assert.equal([told.films[0].unseen, told.films[0].short], [1, config.head.frames > 2 ? 1 : 0]);
  assert.match(stderr, /two: 1 of 1 rows: no frame shows the subject/);
});

const refusals: [given: string[], code: number, message: RegExp][] = [
  [[long, "--window", "1"], 2, /one of --out and --per-clip says where/],
  [[long, "--out", at("a.npy"), "--per-clip", at("a")], 2, /one of --out and --per-clip says where/],
  [
    [long, "--rows", "frame", "--window", "1", "--out", at("a.npy")],
    2,
    /--window: with --rows frame a row is a single frame/,
  ],
  [
    [long, "--stride", "1", "--out", at("a.npy")],
    2,
    /--stride: from one window to the next, and --window was not given/,
  ],
  [
    [long, "--window", "1", "--start", "9", "--fps", "10", "--out", at("a.npy")],
    2,
    /long: begins at 9 s, but the footage is 3\.000 s long/,
  ],
  [
    [long, "--window", "1", "--max-bad", "0.5", "--out", at("a.npy")],
    2,
    /--max-bad says something of films with a file each \(--per-clip\)/,
  ],
  [["--window", "1", "--out", at("a.npy")], 2, /nothing to encode: neither inputs nor --list/],
  [[at("gone"), "--window", "1", "--out", at("a.npy")], 3, /gone: no such file/],
];
for (const [more, code, message] of refusals)
  test(`encode refuses ${more.slice(-4).join(" ").replaceAll(root, "")}, and writes nothing`, async () => {
    const before = readdirSync(root);
    const error = await refusal(runCommand(given(...more)), more.join(" "));
    assert.match(error.message, message);
    assert.is(error.exitCode, code, error.message);
    assert.equal(readdirSync(root), before);
  });

test("windows are of films alone", async () => {
  const more = ["encode", "texts", "happy", "--window", "1", "--out", at("a.npy"), "--checkpoint", checkpoint];
  assert.match((await refusal(runCommand(more))).message, /--window: of video and frames, not of texts/);
  assert.not.ok(existsSync(at("a.npy")));
});

test.run();
