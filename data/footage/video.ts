// Video files -> pictures, through the programs ffprobe and ffmpeg where they are installed. Every frame asked for must come:
// a damaged film is an error, never a shorter clip.
import { FormatError } from "../../engine/errors.ts";
import type { Image } from "../pixels/resize.ts";
import { type Care, input, outputOf } from "./ffmpeg.ts";
import { shownName } from "./files.ts";
import { PIXMAP_BYTES, pixmaps } from "./pixmap.ts";
import { findStream, type Key, type FilmStream, type Timeline, timelineOf } from "./timeline.ts";

/** A film that is opened. */
export interface Video {
  readonly name: string;
  /** Frames that can be shown: those before the first key frame of a film that was cut are not among them. */
  readonly length: number;
  /** When each frame is shown, in seconds from the first; none where the file does not say. */
  readonly seconds?: readonly number[];
  /** When the first is shown, in seconds as the file counts them; sound may begin before it. */
  readonly begins?: number;
  /**
   * The pictures of the frames numbered `wanted` (from 0, ascending, distinct), upright, one after another; fewer than that
   * are a FormatError. Colours are those of the film's own matrix and range, 8 bits each; transparency is dropped, pixels
   * are as stored (neither stretched to their aspect nor deinterlaced), and high dynamic range is not mapped.
   */
  pictures(wanted: readonly number[]): AsyncGenerator<Image>;
}

/** Finds the film in a file and its frames. */
export async function openVideo(path: string): Promise<Video> {
  const name = shownName(path);
  const stream = await findStream(path, name);
  const timeline = await timelineOf(path, stream, name);
  const film: Film = { path, name, stream, timeline };
  const { length, times } = timeline;
  const seconds = times?.map((time) => (time - times[0]) * stream.unit);
  const begins = times && times[0] * stream.unit;
  return { name, length, seconds, begins, pictures: (wanted) => picturesOf(film, wanted) };
}

interface Film {
  readonly path: string;
  readonly name: string;
  readonly stream: FilmStream;
  readonly timeline: Timeline;
}

/** Frames that are rather decoded than jumped over. */
const NEAR = 250;
/** Pictures kept until it is sure that the jump to them was right. */
const HELD = 16;

/** Jumps to what is far away; a file in which that does not lead to the very frames is decoded from its beginning. */
async function* picturesOf(film: Film, wanted: readonly number[]): AsyncGenerator<Image> {
  let done = 0;
  for (const { wanted: some, from } of parts(film.timeline, wanted)) {
    const found = from ? await afterJump(film, { wanted: some, from }) : complete(film, some);
    if (!found) break;
    yield* found;
    done += some.length;
  }
  if (done < wanted.length) yield* complete(film, wanted.slice(done));
}

/** Frames that are decoded in one go, from a key frame or from the beginning. */
interface Part {
  readonly wanted: readonly number[];
  readonly from?: Key;
}

function parts({ times, keys }: Timeline, wanted: readonly number[]): Part[] {
  const found: { wanted: number[]; from?: Key }[] = [];
  for (const [i, index] of wanted.entries()) {
    const before = i > 0 ? wanted[i - 1] : -1;
    const last = found.at(-1);
    const key = times && lastUpTo(keys, times[index]);
    const isFar = times && key !== undefined && index - before > NEAR && key.time > (times[before] ?? times[0]);
    const isFull = last?.from !== undefined && last.wanted.length === HELD;
    if (!last || isFar || isFull) found.push({ wanted: [index], from: isFar || isFull ? key : undefined });
    else last.wanted.push(index);
  }
  return found;
}

/** The last key frame that is shown up to a time. */
function lastUpTo(keys: readonly Key[], time: number): Key | undefined {
  let [low, high] = [0, keys.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (keys[middle].time <= time) low = middle + 1;
    else high = middle;
  }
  return keys[low - 1];
}

/**
 * All pictures of a part, or nothing where no jump gives exactly these. Most containers are entered by the time at which the
 * key frame is shown; broadcasts by that at which it is decoded.
 */
async function afterJump(film: Film, { wanted, from }: Part & { from: Key }): Promise<Image[] | undefined> {
  for (const entry of new Set([from.time, from.decoded])) {
    const found = await allOf(decode(film, wanted, entry));
    if (found?.length === wanted.length) return found;
  }
  return undefined;
}

async function allOf(pictures: AsyncIterable<Image>): Promise<Image[] | undefined> {
  const found: Image[] = [];
  try {
    for await (const picture of pictures) found.push(picture);
  } catch (error) {
    if (error instanceof FormatError) return undefined;
    throw error;
  }
  return found;
}

/** Decoded from the beginning. */
async function* complete(film: Film, wanted: readonly number[]): AsyncGenerator<Image> {
  let decoded = 0;
  for await (const picture of decode(film, wanted)) {
    if (++decoded > wanted.length) break;
    yield picture;
  }
  if (decoded !== wanted.length)
    throw new FormatError(`${film.name}: decodes to ${decoded} frames of the ${wanted.length} asked for`);
}

/** What ffmpeg shows of some frames, from an entry or from the beginning. */
function decode(
  { path, name, stream, timeline }: Film,
  wanted: readonly number[],
  from?: number,
): AsyncGenerator<Image> {
  const care: Care = from === undefined ? timeline.care : "cut";
  const choice = choose(timeline, wanted, from !== undefined);
  const jump = ["-seek_timestamp", "1", "-noaccurate_seek", "-ss", ((from ?? 0) * stream.unit).toFixed(6)];
  const args = [
    ...["-nostdin", ...(care === "strict" ? ["-xerror"] : []), "-copyts", ...(from === undefined ? [] : jump)],
    ...[...input(path, care), "-filter_complex", graph(stream.index, choice)],
    ...["-map", "[shown]", "-r", "25", "-f", "image2pipe", "-c:v", "ppm", "-flush_packets", "1", "pipe:1"],
    ...["-map", "[life]", "-r", "25", "-f", "rawvideo", "-c:v", "rawvideo", "-flush_packets", "1", "pipe:3"],
  ];
  const limit = (wanted.length + 1) * PIXMAP_BYTES;
  return pixmaps(outputOf({ program: "ffmpeg", args, name, care, limit }), name);
}

/** Which frames to show, and where to end, in the words of ffmpeg's filters. */
interface Choice {
  readonly select: readonly string[];
  readonly until: string;
}

function choose({ times, isDecoded }: Timeline, wanted: readonly number[], isJump: boolean): Choice {
  if (!times) return byNumber(wanted);
  return isDecoded || isJump ? byTime(times, wanted) : atOrAfter(times, wanted);
}

const byNumber = (wanted: readonly number[]): Choice => ({
  select: wanted.map((index) => `eq(n,${index})`),
  until: `end_frame=${wanted.at(-1)! + 1}`,
});

const byTime = (times: readonly number[], wanted: readonly number[]): Choice => ({
  select: wanted.map((index) => `eq(pts,${times[index]})`),
  until: `end_pts=${times[wanted.at(-1)!] + 1}`,
});

/** A packet may hold a picture that is never shown: the next one that is stands for it. */
const atOrAfter = (times: readonly number[], wanted: readonly number[]): Choice => ({
  select: wanted.map((index) => `gte(pts,${times[index]})*not(gte(prev_selected_pts,${times[index]}))`),
  until: `end_pts=${times[Math.min(wanted.at(-1)! + NEAR, times.length - 1)] + 1}`,
});

/** The sum of some terms, in brackets: ffmpeg refuses a sum of more than a hundred in a row. */
function sumOf(terms: readonly string[]): string {
  if (terms.length <= 8) return terms.join("+");
  const half = terms.length >> 1;
  return `(${sumOf(terms.slice(0, half))})+(${sumOf(terms.slice(half))})`;
}

/** The frames asked for as RGB, and a spot of grey for every 25 frames decoded as a sign of life. */
function graph(index: number, { select, until }: Choice): string {
  const numbered = "settb=1/25,setpts=N"; // 25 a second, so that no frame is dropped or doubled to fill a rate
  const rgb = "scale=flags=bicubic+accurate_rnd+full_chroma_int,format=rgb24";
  return [
    `[0:${index}]trim=${until},split[a][b]`,
    `[a]select='${sumOf(select)}',${numbered},${rgb}[shown]`,
    `[b]select='not(mod(n,25))',${numbered},scale=8:8,format=gray[life]`,
  ].join(";");
}
