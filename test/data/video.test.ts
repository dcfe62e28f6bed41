// Films as cameras, cutters and players make them, encoded here with the real ffmpeg where it is installed: depths, colours,
// covers, cuts, and jumps to what is far away.
import { spawnSync } from "node:child_process";
import { chmodSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { mock } from "node:test";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Patience } from "../../data/footage/ffmpeg.ts";
import { pixmaps } from "../../data/footage/pixmap.ts";
import { openVideo } from "../../data/footage/video.ts";
import type { Image } from "../../data/pixels/resize.ts";
import { FormatError } from "../../engine/errors.ts";
import { refusal } from "../kit/refusal.ts";
import { inTemporary } from "../kit/temporary.ts";

test("who is waited for may take as long as there are signs of life, and no time passes between two waits", async () => {
  mock.timers.enable({ apis: ["setTimeout"] });
  try {
    let given = 0;
    const patience = new Patience(1000, () => given++);
    let finish = (_: string) => {};
    const long = patience.over(new Promise<string>((done) => (finish = done)));
    for (let i = 0; i < 50; i++) {
      mock.timers.tick(900);
      patience.stir();
    }
    assert.is(given, 0);
    finish("done");
    assert.is(await long, "done");
    mock.timers.tick(5000);
    patience.stir();
    mock.timers.tick(5000);
    assert.is(given, 0);
    void patience.over(new Promise(() => {}));
    mock.timers.tick(999);
    assert.is(given, 0);
    mock.timers.tick(1);
    assert.equal([given, patience.isLost], [1, true]);
  } finally {
    mock.timers.reset();
  }
});

test("pixmaps come out whole however their bytes are dealt, down to one pixel", async () => {
  const one = Buffer.from("P6\n1 1\n255\nabc");
  const two = Buffer.concat([Buffer.from("P6\n4 3\n255\n"), Buffer.alloc(36, 7)]);
  const all = Buffer.concat([two, one, two, one]);
  for (const step of [1, 7, 14, 60, 1000]) {
    const dealt = async function* () {
      for (let at = 0; at < all.length; at += step) yield all.subarray(at, at + step);
    };
    const found: string[] = [];
    for await (const { width, height, data } of pixmaps(dealt(), "x")) found.push(`${width}x${height} ${data[0]}`);
    assert.equal(found, ["4x3 7", "1x1 97", "4x3 7", "1x1 97"]);
  }
});

const isInstalled = ["ffmpeg", "ffprobe"].every((name) => spawnSync(name, ["-version"]).status === 0);
const encoders = isInstalled ? String(spawnSync("ffmpeg", ["-hide_banner", "-encoders"]).stdout) : "";

/** A test with the real ffmpeg, where it is installed and has these encoders. */
function real(name: string, needs: readonly string[], body: (folder: string) => Promise<void>): void {
  const lacking = needs.filter((encoder) => !new RegExp(`\\s${encoder}\\s`).test(encoders));
  if (isInstalled && lacking.length === 0) test(name, () => inTemporary((folder) => body(folder)));
  else
    console.log(
      `left out, ${isInstalled ? `ffmpeg has no ${lacking.join(", ")}` : "ffmpeg is not installed"}: ${name}`,
    );
}

function ffmpeg(...args: string[]): void {
  const made = spawnSync("ffmpeg", ["-nostdin", "-v", "error", "-y", ...args]);
  assert.is(made.status, 0, `${args.join(" ")}\n${made.stderr}`);
}

async function frames(path: string, wanted: readonly number[]): Promise<Image[]> {
  const found: Image[] = [];
  for await (const picture of (await openVideo(path)).pictures(wanted)) found.push(picture);
  return found;
}

const colours = [
  ...[
    [255, 0, 0],
    [0, 255, 0],
    [0, 0, 255],
    [255, 255, 255],
  ],
  ...[
    [0, 0, 0],
    [128, 128, 128],
    [200, 120, 60],
    [30, 90, 160],
  ],
];

/** A picture of eight patches of 16 x 32 pixels. */
function patches(folder: string): string {
  const data = Buffer.alloc(128 * 32 * 3);
  for (let i = 0; i < 128 * 32; i++) data.set(colours[(i % 128) >> 4], 3 * i);
  const path = join(folder, "patches.ppm");
  writeFileSync(path, Buffer.concat([Buffer.from("P6\n128 32\n255\n"), data]));
  return path;
}

/** The worst difference in the middle of the patches. */
function worst({ data, width, height }: Image): number {
  const off = colours.flatMap((colour, i) => {
    const at = 3 * ((height >> 1) * width + Math.floor(((i + 0.5) * width) / 8));
    return colour.map((value, c) => Math.abs(value - data[at + c]));
  });
  return Math.max(...off);
}

/** Name, encoder, ffmpeg's matrix and range, pixel format, tags. */
const kinds: [string, string, string, string, string, string[]][] = [
  ["8 bits, bt601.mp4", "libx264", "bt601", "tv", "yuv420p", ["-qp", "0", "-colorspace", "smpte170m"]],
  ["full range.mp4", "libx264", "bt709", "pc", "yuv444p", ["-qp", "0", "-colorspace", "bt709", "-color_range", "pc"]],
  [
    "hevc main10.mp4",
    "libx265",
    "bt709",
    "tv",
    "yuv420p10le",
    ["-x265-params", "log-level=error:lossless=1:colormatrix=bt709"],
  ],
  [
    "hevc bt601.mp4",
    "libx265",
    "bt601",
    "tv",
    "yuv420p10le",
    ["-x265-params", "log-level=error:lossless=1:colormatrix=smpte170m"],
  ],
  [
    "hevc bt2020.mp4",
    "libx265",
    "bt2020",
    "tv",
    "yuv420p10le",
    ["-x265-params", "log-level=error:lossless=1:colormatrix=bt2020nc"],
  ],
  [
    "hevc 12 bits.mkv",
    "libx265",
    "bt709",
    "tv",
    "yuv444p12le",
    ["-x265-params", "log-level=error:lossless=1:colormatrix=bt709"],
  ],
  ["prores.mov", "prores_ks", "bt601", "tv", "yuv422p10le", ["-profile:v", "3", "-qscale:v", "1"]],
  ["prores with alpha.mov", "prores_ks", "bt601", "tv", "yuva444p10le", ["-profile:v", "4", "-qscale:v", "1"]],
  ["vp9 profile 2.webm", "libvpx-vp9", "bt709", "tv", "yuv420p10le", ["-lossless", "1", "-colorspace", "bt709"]],
  ["av1.mp4", "libaom-av1", "bt709", "tv", "yuv420p10le", ["-cpu-used", "8", "-crf", "0", "-colorspace", "bt709"]],
  ["rgb of 16 bits.mkv", "ffv1", "", "", "gbrp16le", []],
  ["alpha of 8 bits.mkv", "ffv1", "", "", "bgra", []],
  ["odd.mkv", "ffv1", "bt601", "tv", "yuv420p", ["-colorspace", "smpte170m"]],
];
for (const [name, encoder, matrix, range, format, tags] of kinds)
  real(`${name} shows the colours it was made of`, [encoder], async (folder) => {
    const path = join(folder, name);
    const flags = "flags=accurate_rnd+full_chroma_int";
    const scaled = matrix ? `scale=${flags}:out_color_matrix=${matrix}:out_range=${range}` : `scale=${flags}`;
    const odd = name.startsWith("odd") ? "scale=127:31:flags=neighbor," : "";
    const still = ["-loop", "1", "-framerate", "5", "-i", patches(folder), "-frames:v", "3"];
    ffmpeg(...still, "-vf", `${odd}${scaled},format=${format}`, "-c:v", encoder, ...tags, path);
    const shown = await frames(path, [0, 2]);
    assert.is(shown.length, 2);
    if (odd) assert.equal([shown[0].width, shown[0].height], [127, 31]);
    for (const picture of shown) assert.ok(worst(picture) <= 2, `off by ${worst(picture)}`); // two conversions of 8 bits
  });

/** ffmpeg's source of frames of 64 x 48, of which frame n has grey (n mod 32) * 8. */
const counting = (count: number) => {
  const source = `color=black:s=64x48:r=25:d=${count / 25},format=gray,geq=lum='8*mod(N,32)'`;
  return ["-f", "lavfi", "-i", source, "-frames:v", String(count)];
};
const greyOf = ({ data }: Image) => data[3 * (64 * 24 + 32)];
const near = (shown: readonly Image[], wanted: readonly number[]) => {
  assert.is(shown.length, wanted.length);
  for (const [i, picture] of shown.entries()) {
    const want = 8 * (wanted[i] % 32);
    assert.ok(Math.abs(greyOf(picture) - want) <= 3, `frame ${wanted[i]}: ${greyOf(picture)}, expected ${want}`);
  }
};
const h264 = [
  "-pix_fmt",
  "yuv420p",
  "-c:v",
  "libx264",
  "-preset",
  "veryfast",
  "-qp",
  "4",
  "-g",
  "50",
  "-bf",
  "3",
  "-sc_threshold",
  "0",
];
/** Groups of pictures that refer to the one before, as broadcasts and many encoders make them. */
const open = ["-x264-params", "open-gop=1"];

real("a song with cover art has no film; a film with a cover is the film", ["libx264", "aac"], async (folder) => {
  const cover = join(folder, "cover.jpg");
  ffmpeg("-i", patches(folder), "-c:v", "mjpeg", cover);
  const song = join(folder, "song.m4a");
  const inputs = ["-f", "lavfi", "-i", "sine=d=1", "-i", cover, "-map", "0", "-map", "1"];
  ffmpeg(...inputs, "-c:a", "aac", "-c:v", "copy", "-disposition:v:0", "attached_pic", song);
  const error = await refusal(openVideo(song));
  assert.instance(error, FormatError);
  assert.is(error.message, "song.m4a: has no video stream; it has audio (aac), cover art (mjpeg)");
  const sound = join(folder, "sound.mp4");
  ffmpeg("-f", "lavfi", "-i", "sine=d=1", "-c:a", "aac", sound);
  assert.match((await refusal(openVideo(sound))).message, /^sound\.mp4: has no video stream; it has audio \(aac\)$/);
  const film = join(folder, "film.mp4");
  const parts = ["-i", cover, ...counting(20), "-map", "0", "-map", "1"];
  ffmpeg(
    ...parts,
    "-c:v:0",
    "copy",
    "-disposition:v:0",
    "attached_pic",
    ...h264.map((flag) => (flag === "-c:v" ? "-c:v:1" : flag)),
    film,
  );
  assert.is((await openVideo(film)).length, 20);
  near(await frames(film, [3, 19]), [3, 19]);
});

real("a still in a video is one frame; what is no video says what it is", ["libx264", "libmp3lame"], async (folder) => {
  const still = join(folder, "still.mp4");
  ffmpeg("-i", patches(folder), "-frames:v", "1", "-c:v", "libx264", still);
  assert.is((await openVideo(still)).length, 1);
  const song = join(folder, "song.mp3");
  ffmpeg("-f", "lavfi", "-i", "sine=d=1", song);
  assert.match((await refusal(openVideo(song))).message, /^song\.mp3: is in none of the containers mov,mp4,/);
});

real("a film turned on its side is shown upright", ["libx264"], async (folder) => {
  const [lying, upright] = ["lying.mp4", "upright.mp4"].map((name) => join(folder, name));
  ffmpeg(...counting(5), ...h264, lying);
  ffmpeg("-i", lying, "-c", "copy", "-metadata:s:v", "rotate=90", upright);
  const [{ width, height }] = await frames(upright, [0]);
  assert.equal([width, height], [48, 64]);
});

const cuts: [string, string[]][] = [
  ["cut.mp4", ["-ss", "1.3"]],
  ["both ends.mp4", ["-ss", "1.3", "-t", "3"]],
  ["cut.mkv", ["-ss", "1.3", "-copyinkf"]],
  ["cut.ts", ["-ss", "1.3", "-copyinkf"]],
];
for (const from of ["a.mp4", "a.ts"])
  for (const gop of [[], open])
    real(
      `${from}${gop.length ? " of open groups" : ""}, cut without encoding anew: its frames come`,
      ["libx264"],
      async (folder) => {
        const whole = join(folder, from);
        ffmpeg(...counting(200), ...h264, ...gop, whole);
        for (const [to, cut] of cuts) {
          const path = join(folder, `its ${to}`);
          ffmpeg(...cut.slice(0, 2), "-i", whole, ...cut.slice(2), "-c", "copy", path);
          const { length } = await openVideo(path);
          assert.ok(length >= 50 && length <= 200, `${to}: ${length}`);
          const wanted = [0, 1, Math.floor(length / 2), length - 9]; // a cut end lacks some of the last
          const shown = await frames(path, wanted);
          const first = Math.round(greyOf(shown[0]) / 8);
          near(
            shown,
            wanted.map((index) => first + index),
          ); // one after another, none twice
        }
      },
    );

real("a broadcast cut anywhere begins with its first key frame", ["libx264"], async (folder) => {
  const [whole, path] = ["a.ts", "raw.ts"].map((name) => join(folder, name));
  ffmpeg(...counting(200), ...h264, ...open, whole);
  const bytes = readFileSync(whole);
  writeFileSync(path, bytes.subarray(188 * Math.floor((0.4 * bytes.length) / 188)));
  const { length } = await openVideo(path);
  assert.is(length % 50, 0); // key frames are 50 apart
  near(await frames(path, [0, length - 1]), [200 - length, 199]);
});

real("a film that is damaged in the middle is refused, cut or not", ["libx264"], async (folder) => {
  for (const cut of [false, true]) {
    const [whole, path] = ["a.ts", "damaged.ts"].map((name) => join(folder, name));
    ffmpeg(...counting(200), ...h264, ...open, whole);
    const bytes = readFileSync(whole);
    const start = cut ? 188 * Math.floor((0.2 * bytes.length) / 188) : 0;
    const middle = Math.floor(0.6 * bytes.length);
    for (let i = middle; i < middle + 4000; i++) bytes[i] = (i * 7919) & 255;
    writeFileSync(path, bytes.subarray(start));
    const error = await refusal(openVideo(path), String(cut));
    assert.instance(error, FormatError);
    assert.match(error.message, /^damaged\.ts: (does not decode|decodes to)/);
  }
});

/** ffmpeg and ffprobe behind programs that write down what they are asked for. */
async function withRecord(folder: string, body: () => Promise<void>): Promise<string[]> {
  const record = join(folder, "record");
  for (const program of ["ffmpeg", "ffprobe"]) {
    writeFileSync(
      join(folder, program),
      `#!/bin/sh\necho "${program} $@" >> '${record}'\nPATH='${process.env.PATH}' exec ${program} "$@"\n`,
    );
    chmodSync(join(folder, program), 0o755);
  }
  process.env.FFMPEG = join(folder, "ffmpeg");
  try {
    await body();
  } finally {
    delete process.env.FFMPEG;
  }
  return readFileSync(record, "utf8").trim().split("\n");
}

const far = [0, 300, 849, 850, 1499];
for (const [file, gop] of [
  ["a.mp4", open],
  ["a.mkv", []],
  ["a.ts", open],
  ["a.ts", []],
  ["a.avi", []],
] as const)
  real(
    `${file}: what is far away is jumped to${gop.length ? ", over open groups" : ""}`,
    ["libx264"],
    async (folder) => {
      const path = join(folder, file);
      const plain = file.endsWith("avi") ? ["-bf", "0"] : [];
      ffmpeg(...counting(1500), ...h264, ...gop, ...plain, path);
      const record = await withRecord(folder, async () => near(await frames(path, far), far));
      const runs = record.filter((line) => line.startsWith("ffmpeg "));
      const jumps = runs.flatMap((line) => / -ss (\S+) /.exec(line)?.[1] ?? []).map(Number);
      assert.is(runs.length - jumps.length, 1, record.join("\n")); // nothing but the first frames from the beginning
      const start = jumps[0] - 12; // a broadcast does not begin at 0
      for (const seconds of [12, 32, 58])
        assert.ok(
          jumps.some((jump) => Math.abs(jump - start - seconds) < 0.5),
          `${seconds}: ${jumps}`,
        );
      assert.ok(jumps.every((jump) => [12, 32, 58].some((seconds) => Math.abs(jump - start - seconds) < 0.5)));
    },
  );

real("of a long film nothing is decoded but what lies near", ["mpeg4"], async (folder) => {
  const path = join(folder, "long.mkv");
  ffmpeg(...counting(6000), "-pix_fmt", "yuv420p", "-c:v", "mpeg4", "-q:v", "2", "-g", "50", path);
  const record = await withRecord(folder, async () => near(await frames(path, [0, 3000, 5999]), [0, 3000, 5999]));
  assert.not.ok(
    record.some((line) => line.includes("frame=")),
    record.join("\n"),
  ); // no run decodes to count
  assert.is(record.filter((line) => line.startsWith("ffmpeg ")).length, 3);
});

real(
  "frames that are packed but never shown do not count; in a long film the next stands for them",
  ["libvpx"],
  async (folder) => {
    for (const count of [120, 5200]) {
      const path = join(folder, `${count}.webm`);
      const hidden = [
        "-auto-alt-ref",
        "1",
        "-lag-in-frames",
        "16",
        "-g",
        "100",
        "-deadline",
        "realtime",
        "-cpu-used",
        "8",
      ];
      ffmpeg(...counting(count), "-pix_fmt", "yuv420p", "-c:v", "libvpx", "-b:v", "2M", ...hidden, path);
      const { length } = await openVideo(path);
      if (count < 5000) assert.is(length, count);
      const wanted = Array.from({ length: 8 }, (_, i) => Math.floor((i * (length - 1)) / 7));
      assert.is((await frames(path, wanted)).length, 8);
    }
  },
);

test.run();
