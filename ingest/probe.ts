// What a film is, as ffprobe tells it, before a picture of it is decoded: what is to be known of it is said by name.
import { outputOf, input } from "../data/footage/ffmpeg.ts";
import type { Video } from "../data/footage/video.ts";
import { Fields } from "../data/formats/fields.ts";
import { parseJson } from "../data/formats/json.ts";
import { FormatError } from "../engine/errors.ts";

/** A stream of subtitles inside a film. */
export interface SubtitleStream {
  readonly index: number;
  readonly codec: string;
  readonly language: string;
}

/** What is known of a film. */
export interface FilmFacts {
  /** From its first frame to the end of its last, as pictures last in the mean. */
  readonly seconds: number;
  readonly frames: number;
  /** Seconds from where players begin, with sound perhaps, to the first frame: words are timed from there. */
  readonly delay: number;
  /** Number of its video stream. */
  readonly stream: number;
  /** Of the pictures, upright. */
  readonly width: number;
  readonly height: number;
  readonly subtitles: readonly SubtitleStream[];
  /** What a person should know: rotated, interlaced, of a variable rate. */
  readonly notes: readonly string[];
}

const ANSWER = 2 ** 20;
const ENTRIES =
  "format=start_time:stream=index,codec_type,codec_name,width,height,field_order,sample_aspect_ratio:" +
  "stream_disposition=attached_pic,timed_thumbnails:stream_tags=language:stream_side_data=rotation";

/** Asks for a film's streams and its frames' times. Errors: FormatError for what is no film or is damaged. */
export async function probeFilm(
  path: string,
  name: string,
  video: Pick<Video, "length" | "seconds" | "begins">,
): Promise<FilmFacts> {
  const { streams, start } = await streamsOf(path, name);
  const film = streams.find((stream) => stream.kind === "video" && !stream.isCover);
  if (!film) throw new FormatError(`${name}: has no video stream`);
  const { seconds, begins } = video;
  if (!seconds) throw new FormatError(`${name}: its frames have no times; encode it anew with ffmpeg`);
  const delay = begins === undefined || start === undefined ? 0 : Math.max(0, begins - start);
  const isTurned = Math.abs(film.rotation) % 180 === 90;
  const subtitles = streams
    .filter(({ kind }) => kind === "subtitle")
    .map(({ index, codec, language }) => ({ index, codec, language }));
  return {
    seconds: lengthOf(seconds),
    frames: video.length,
    delay,
    stream: film.index,
    width: isTurned ? film.height : film.width,
    height: isTurned ? film.width : film.height,
    subtitles,
    notes: [...notesOn(film, streams, seconds), ...(delay < LATE ? [] : [lateNote(delay)])],
  };
}

/** A picture so many seconds after the sound is worth a word. */
const LATE = 0.05;
const lateNote = (delay: number): string =>
  `its picture begins ${delay.toFixed(2)} s after its sound: words are timed from the sound's beginning`;

/** A frame lasts as long as frames do in the mean. */
function lengthOf(seconds: readonly number[]): number {
  const last = seconds.at(-1)!;
  return seconds.length > 1 ? last + last / (seconds.length - 1) : 1 / 25;
}

interface Stream {
  readonly index: number;
  readonly kind: string;
  readonly codec: string;
  readonly width: number;
  readonly height: number;
  readonly order: string;
  readonly aspect: string;
  readonly rotation: number;
  readonly language: string;
  readonly isCover: boolean;
}

async function streamsOf(path: string, name: string): Promise<{ streams: Stream[]; start?: number }> {
  const args = [...input(path, "cut"), "-show_entries", ENTRIES, "-of", "json"];
  const chunks: Uint8Array[] = [];
  for await (const chunk of outputOf({ program: "ffprobe", args, name, care: "cut", limit: ANSWER }))
    chunks.push(chunk);
  const label = `${name}: ffprobe's answer`;
  const answer = new Fields(parseJson(Buffer.concat(chunks), label), label, "");
  const format = new Fields(answer.get("format") ?? {}, label, "format");
  const start = Number(format.get("start_time") ?? Number.NaN);
  return {
    streams: answer
      .list("streams", 0, 1000)
      .map((value, i) => streamIn(new Fields(value, label, `streams[${i}]`), label)),
    ...(Number.isFinite(start) && { start }),
  };
}

function streamIn(fields: Fields, label: string): Stream {
  const text = (from: Fields, key: string) => (from.has(key) ? from.text(key) : "");
  const inner = (key: string) => new Fields(fields.has(key) ? fields.get(key) : {}, label, key);
  const disposition = inner("disposition");
  const sides = fields.has("side_data_list") ? fields.list("side_data_list", 0, 100) : [];
  const turned = sides.map((side) => new Fields(side, label, "side_data")).find((side) => side.has("rotation"));
  return {
    index: fields.whole("index", 0, 1e6),
    kind: text(fields, "codec_type"),
    codec: text(fields, "codec_name") || "unknown",
    width: fields.has("width") ? fields.whole("width", 0, 65536) : 0,
    height: fields.has("height") ? fields.whole("height", 0, 65536) : 0,
    order: text(fields, "field_order"),
    aspect: text(fields, "sample_aspect_ratio"),
    rotation: turned ? turned.real("rotation", -360, 360) : 0,
    language: text(inner("tags"), "language"),
    isCover: disposition.get("attached_pic") === 1 || disposition.get("timed_thumbnails") === 1,
  };
}

/** How much the longest and the shortest frame may differ where the rate counts as even: times in files are rounded. */
const UNEVEN = 1.5;

function notesOn(film: Stream, streams: readonly Stream[], seconds: readonly number[]): string[] {
  const { rotation, order, aspect } = film;
  const films = streams.filter(({ kind, isCover }) => kind === "video" && !isCover).length;
  return [
    ...(rotation % 360 === 0 ? [] : [`rotated by ${rotation} degrees: shown upright`]),
    ...(["", "unknown", "progressive"].includes(order) ? [] : [`interlaced (${order}): its frames stay as they are`]),
    ...(["", "0:1", "1:1", "N/A"].includes(aspect) ? [] : [`its pixels are ${aspect}: not stretched`]),
    ...(isUneven(seconds) ? ["of a variable rate: frames are taken by their times"] : []),
    ...(films > 1 ? [`has ${films} video streams: the first is taken`] : []),
  ];
}

function isUneven(seconds: readonly number[]): boolean {
  let [shortest, longest] = [Infinity, 0];
  for (let i = 1; i < seconds.length; i++) {
    const lasts = seconds[i] - seconds[i - 1];
    shortest = Math.min(shortest, lasts);
    longest = Math.max(longest, lasts);
  }
  return longest > UNEVEN * shortest + 2e-3;
}
