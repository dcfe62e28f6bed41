// Video files -> pictures, through the programs ffprobe and ffmpeg where they are installed. They are started without a
// shell, see local files only, and must decode every frame they were asked for: a damaged file is an error, never a
// shorter clip.
import { spawn } from "node:child_process";
import { basename, dirname, join, resolve } from "node:path";
import { FormatError, UsageError } from "../../engine/errors.ts";
import { MAX_PIXELS } from "../pixels/image.ts";
import { parseJson, quoted } from "../formats/json.ts";
import type { Image, Size } from "../pixels/resize.ts";
import { shownName } from "./files.ts";

export const videoLimits = {
  /** One run of a program, in ms. */
  time: 60_000,
  /** What a program may write to its stderr before the rest is dropped. */
  words: 64 * 2 ** 10,
  /** Answer of ffprobe. */
  answer: 2 ** 20,
} as const;

/** Containers that are read; a list of other files (HLS, concat) is none of them. */
const CONTAINERS = "mov,mp4,matroska,webm,avi,mpegts,mpeg,flv,ogg,asf,gif";

/** Options of the input, for both programs. */
const input = (path: string): string[] => [
  ...["-v", "error", "-protocol_whitelist", "file", "-format_whitelist", CONTAINERS],
  ...["-max_pixels", String(MAX_PIXELS), "-err_detect", "explode", "-i", `file:${resolve(path)}`],
];

/** ffmpeg, or what the environment variable FFMPEG names; ffprobe likewise, or the one beside it. */
function programs(): { ffmpeg: string; ffprobe: string } {
  const { FFMPEG, FFPROBE } = process.env;
  const beside = FFMPEG?.includes("/") ? join(dirname(FFMPEG), "ffprobe") : "ffprobe";
  return { ffmpeg: FFMPEG || "ffmpeg", ffprobe: FFPROBE || beside };
}

/** Number of frames of the first video stream: as packed, or `exactly`, which decodes them all. */
export async function countFrames(path: string, exactly = false): Promise<number> {
  const name = shownName(path);
  const what = exactly ? "frames" : "packets";
  const shown = `stream=nb_frames,nb_read_${what}`;
  const args = [...input(path), `-count_${what}`, "-select_streams", "v:0", "-show_entries", shown, "-of", "json"];
  const chunks: Uint8Array[] = [];
  for await (const chunk of outputOf(programs().ffprobe, args, name, videoLimits.answer)) chunks.push(chunk);
  const found = parseJson(Buffer.concat(chunks), `${name}: ffprobe's answer`) as { streams?: Stream[] };
  const stream = found.streams?.[0];
  if (!stream) throw new FormatError(`${name}: has no video stream`);
  const count = Number(stream[`nb_read_${what}`] ?? 0);
  const promised = Number(stream.nb_frames); // some containers do not say
  if (!Number.isSafeInteger(count) || count < 1) throw new FormatError(`${name}: has 0 frames`);
  if (!exactly && promised > 0 && promised !== count)
    throw new FormatError(`${name}: has ${count} frames, its header says ${promised}`);
  return count;
}
type Stream = Partial<Record<"nb_frames" | "nb_read_packets" | "nb_read_frames", string>>;

/**
 * The pictures of the frames numbered `wanted` (from 0, ascending, distinct), upright, one after another.
 * Fewer than that are a FormatError.
 */
export async function* videoFrames(path: string, wanted: readonly number[]): AsyncGenerator<Image> {
  const name = shownName(path);
  // frame numbers become times, 25 a second, so that no frame is dropped or doubled to fill a rate
  const chosen = `select='${wanted.map((index) => `eq(n,${index})`).join("+")}',settb=1/25,setpts=N`;
  const args = [
    ...["-nostdin", "-xerror", ...input(path), "-map", "0:v:0", "-an", "-sn", "-dn"],
    ...["-vf", chosen, "-r", "25", "-frames:v", String(wanted.length)],
    ...["-f", "image2pipe", "-c:v", "ppm", "pipe:1"],
  ];
  let decoded = 0;
  const limit = wanted.length * (3 * MAX_PIXELS + HEADER);
  for await (const picture of pictures(outputOf(programs().ffmpeg, args, name, limit), name)) {
    decoded++;
    if (decoded > wanted.length) break;
    yield picture;
  }
  if (decoded !== wanted.length)
    throw new FormatError(`${name}: decodes to ${decoded} frames of the ${wanted.length} asked for`);
}

/** Longest header of a picture: "P6\n65536 65536\n255\n" and some. */
const HEADER = 32;

/** Portable pixmaps one after another, as ffmpeg writes them: each says its own size. */
async function* pictures(chunks: AsyncIterable<Uint8Array>, name: string): AsyncGenerator<Image> {
  let held: Uint8Array[] = [];
  let length = 0;
  let size: (Size & { header: number }) | undefined;
  const whole = () => {
    if (held.length > 1) held = [Buffer.concat(held)];
    return held[0];
  };
  for await (const chunk of chunks) {
    held.push(chunk);
    length += chunk.length;
    for (;;) {
      if (!size && length >= HEADER) size = headerOf(whole().subarray(0, HEADER), name);
      if (!size) break;
      const end = size.header + 3 * size.width * size.height;
      if (length < end) break;
      const bytes = whole();
      yield { data: bytes.slice(size.header, end), width: size.width, height: size.height };
      held = [bytes.subarray(end)];
      length -= end;
      size = undefined;
    }
  }
  if (length > 0) throw new FormatError(`${name}: its last frame is cut off`);
}

function headerOf(bytes: Uint8Array, name: string): Size & { header: number } {
  const found = /^P6\n(\d{1,5}) (\d{1,5})\n255\n/.exec(Buffer.from(bytes).toString("latin1"));
  const [width, height] = [Number(found?.[1]), Number(found?.[2])];
  if (!found || width < 1 || height < 1 || width * height > MAX_PIXELS)
    throw new FormatError(`${name}: ffmpeg wrote no picture of 1 to ${MAX_PIXELS} pixels`);
  return { width, height, header: found[0].length };
}

/** What a program writes, while it runs; a bad end, or any error it tells of, is a FormatError with its words. */
async function* outputOf(
  program: string,
  args: readonly string[],
  name: string,
  limit: number,
): AsyncGenerator<Uint8Array> {
  const child = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"] });
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    child.kill("SIGKILL");
  }, videoLimits.time); // spawn's own timeout stays set where the program cannot be started
  let words = "";
  child.stderr.on("data", (text: Buffer) => {
    if (words.length < videoLimits.words) words += text.toString("latin1");
  });
  const ended = new Promise<{ code: number | null; signal: string | null }>((done, fail) => {
    child.on("error", (error) => fail(missing(program, error)));
    child.on("close", (code, signal) => done({ code, signal }));
  });
  ended.catch(() => {}); // it is awaited after the output
  let written = 0;
  let finished = false;
  try {
    for await (const chunk of child.stdout as AsyncIterable<Buffer>) {
      written += chunk.length;
      if (written > limit) throw new FormatError(`${name}: ${basename(program)} wrote more than ${limit} bytes`);
      yield chunk;
    }
    finished = true;
  } finally {
    clearTimeout(timer);
    if (!finished) child.kill("SIGKILL"); // nobody wants the rest
  }
  const { code, signal } = await ended;
  if (late) throw new FormatError(`${name}: ${basename(program)} took more than ${videoLimits.time / 1000} s`);
  // it may go on after damage and say 0
  if (code !== 0 || words)
    throw new FormatError(`${name}: does not decode: ${firstWords(words, signal ?? `exit code ${code}`)}`);
}

function missing(program: string, error: Error): Error {
  if ((error as NodeJS.ErrnoException).code !== "ENOENT")
    return new UsageError(
      `${basename(program)} cannot be started (${(error as NodeJS.ErrnoException).code ?? error.message})`,
    );
  return new UsageError(
    `video files need the program ${quoted(basename(program))}, which is not installed: install the package ffmpeg, ` +
      "or set FFMPEG to its path, or give a folder of frames (JPEG or PNG)",
  );
}

function firstWords(words: string, end: string): string {
  const line = words.trim().split("\n")[0];
  return line ? quoted(line.replace(/^\[[^\]]*\]\s*/, "")) : end;
}
