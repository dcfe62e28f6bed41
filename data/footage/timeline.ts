// When the frames of a film are shown, and from where each can be decoded: read from its packets, or by decoding it.
import { FormatError } from "../../engine/errors.ts";
import { parseJson, quoted } from "../formats/json.ts";
import { type Care, input, outputOf, WARNED } from "./ffmpeg.ts";

/** The stream of a file that is its film. */
export interface FilmStream {
  readonly index: number;
  /** Seconds of a unit of its times. */
  readonly unit: number;
  /** Frames that the header promises; some containers do not say. */
  readonly promised: number;
}

/** The frames of a film, in the order in which they are shown. */
export interface Timeline {
  readonly length: number;
  /** When each is shown, ascending and distinct, in units of the stream; none where the file does not say. */
  readonly times?: readonly number[];
  /** Key frames, ascending: decoding can begin there. */
  readonly keys: readonly Key[];
  readonly care: Care;
  /** Whether all frames were decoded, so that each is known to be shown at its time. */
  readonly isDecoded: boolean;
}

/** A key frame: when it is shown, and when it is decoded, which is before that if others are shown first. */
export interface Key {
  readonly time: number;
  readonly decoded: number;
}

/** Videos of at most so many frames are counted by decoding: a few containers hold frames that are never shown. */
const COUNTED = 5000;
/** Frames of a film: a day of 50 a second. */
const MOST = 4_320_000;
/** Answers of ffprobe: about streams, and for each packet or frame. */
const ANSWER = 2 ** 20;
const LINE = 1000;

interface Described {
  index: number;
  codec_type?: string;
  codec_name?: string;
  time_base?: string;
  nb_frames?: string;
  disposition?: Record<string, number>;
}

/** The first video stream that is no cover art and no row of thumbnails. */
export async function findStream(path: string, name: string): Promise<FilmStream> {
  const shown =
    "stream=index,codec_type,codec_name,time_base,nb_frames:stream_disposition=attached_pic,timed_thumbnails";
  const args = [...input(path, "cut"), "-show_entries", shown, "-of", "json"];
  const chunks: Uint8Array[] = [];
  const run = { program: "ffprobe", args, name, care: "cut", limit: ANSWER } as const;
  for await (const chunk of outputOf(run)) chunks.push(chunk);
  const { streams = [] } = parseJson(Buffer.concat(chunks), `${name}: ffprobe's answer`) as { streams?: Described[] };
  const film = streams.find((stream) => stream.codec_type === "video" && !isCover(stream));
  if (!film) throw new FormatError(`${name}: has no video stream${listed(streams)}`);
  const [, over, under] = /^(\d+)\/(\d+)$/.exec(film.time_base ?? "") ?? [];
  const unit = Number(over) / Number(under);
  if (!(unit > 0 && unit < Infinity)) throw new FormatError(`${name}: its video stream has no unit of time`);
  return { index: film.index, unit, promised: Number(film.nb_frames) || 0 };
}

const isCover = ({ disposition }: Described): boolean => !!(disposition?.attached_pic || disposition?.timed_thumbnails);

/** What a file without a film has instead. */
function listed(streams: readonly Described[]): string {
  if (streams.length === 0) return "";
  const kinds = streams.slice(0, 8).map((stream) => {
    const kind = isCover(stream) ? "cover art" : (stream.codec_type ?? "data");
    return `${kind} (${quoted(stream.codec_name ?? "unknown").slice(1, -1)})`;
  });
  return `; it has ${kinds.join(", ")}`;
}

/** The frames of a film: of a short one those that decode, of a long one those that its packets tell of. */
export async function timelineOf(path: string, stream: FilmStream, name: string): Promise<Timeline> {
  const packets = await readPackets(path, stream, name);
  const count = packets.length;
  if (count < 1) throw new FormatError(`${name}: has 0 frames`);
  if (stream.promised > 0 && stream.promised !== count)
    throw new FormatError(`${name}: has ${count} frames, its header says ${stream.promised}`);
  const told = fromPackets(packets);
  return count <= COUNTED ? decodedTimeline(path, stream, name, told) : told;
}

interface Packet {
  readonly time?: number;
  readonly decoded?: number;
  readonly isKey: boolean;
  /** Decoded for the sake of others only, as an edit list says. */
  readonly isHidden: boolean;
}

async function readPackets(path: string, { index }: FilmStream, name: string): Promise<Packet[]> {
  const args = [...input(path, "cut"), "-select_streams", String(index), "-show_entries", "packet=pts,dts,flags"];
  const found: Packet[] = [];
  for await (const { pts, dts, flags = "" } of rows(args, name, "cut", "packet"))
    found.push({
      time: whole(pts) ?? whole(dts),
      decoded: whole(dts),
      isKey: flags.includes("K"),
      isHidden: flags.includes("D"),
    });
  return found;
}

/**
 * What packets tell: those before the first key frame, in the file or as shown, refer to pictures that are not there, and
 * do not count; a time that is missing among the first is one before all others.
 */
function fromPackets(packets: readonly Packet[]): Timeline {
  const first = packets.findIndex(({ isKey }) => isKey);
  const start = packets[first]?.time;
  const next = packets.findIndex(({ isKey }, i) => isKey && i > first);
  const isLate = ({ time }: Packet, i: number) =>
    start === undefined || (time === undefined ? i >= next : time >= start);
  const decodable = packets.filter((packet, i) => i >= first && isLate(packet, i));
  const shown = decodable.filter(({ isHidden }) => !isHidden);
  const keys = decodable.flatMap(({ isKey, time, decoded = time }) =>
    isKey && time !== undefined && decoded !== undefined ? [{ time, decoded }] : [],
  );
  const times = shown.flatMap(({ time }) => time ?? []).sort((a, b) => a - b);
  const inOrder = ascending(
    decodable.flatMap(({ decoded }) => decoded ?? []),
    false,
  );
  const areUsable = first >= 0 && inOrder && times.length === shown.length && ascending(times, true);
  return {
    length: shown.length,
    times: areUsable ? times : undefined,
    keys: areUsable ? keys.sort((a, b) => a.time - b.time) : [],
    care: decodable.length === packets.length && first === 0 ? "strict" : "cut",
    isDecoded: false,
  };
}

const ascending = (values: readonly number[], strictly: boolean): boolean =>
  values.every((value, i) => i === 0 || value > values[i - 1] || (!strictly && value === values[i - 1]));

/**
 * The same by decoding all. A film that begins with a key frame, and all others after it, has no fault at all; one that was
 * cut has none but that, and all frames after its first key frame.
 */
async function decodedTimeline(path: string, stream: FilmStream, name: string, told: Timeline): Promise<Timeline> {
  const frames = await readFrames(path, stream, name, told.care);
  const count = frames.length;
  if (told.care === "cut" && count < told.length)
    throw new FormatError(`${name}: decodes to ${count} frames of the ${told.length} from its first key frame on`);
  const times = frames.flatMap(({ time }) => time ?? []);
  const areUsable = times.length === count && ascending(times, true);
  return {
    ...told,
    length: count,
    times: areUsable ? times : undefined,
    keys: areUsable ? told.keys : [],
    isDecoded: true,
  };
}

interface Frame {
  readonly time?: number;
}

/** Every frame that is shown; ffprobe writes more of each than is read here, so that it writes often. */
async function readFrames(path: string, { index }: FilmStream, name: string, care: Care): Promise<Frame[]> {
  const shown = "best_effort_timestamp,best_effort_timestamp_time,pkt_size,width,height,pix_fmt,pict_type";
  const what = ["-select_streams", String(index), "-show_entries", `frame=key_frame,${shown}`];
  const args = [...input(path, care), ...what, ...WARNED];
  const found: Frame[] = [];
  let size = "";
  for await (const { best_effort_timestamp, width, height } of rows(args, name, care, "frame")) {
    const its = `${width}x${height}`;
    if (size && its !== size)
      throw new FormatError(
        `${name}: changes its size from ${size} to ${its} at frame ${found.length}; expected one size: cut it there`,
      );
    size = its;
    found.push({ time: whole(best_effort_timestamp) });
  }
  if (found.length < 1) throw new FormatError(`${name}: has 0 frames`);
  return found;
}

/** ffprobe's lines of a kind, "packet|pts=3|…", as their fields. */
async function* rows(
  args: readonly string[],
  name: string,
  care: Care,
  kind: string,
): AsyncGenerator<Record<string, string | undefined>> {
  const run = { program: "ffprobe", args: [...args, "-of", "compact"], name, care, limit: MOST * LINE } as const;
  let rest = "";
  let count = 0;
  for await (const chunk of outputOf(run)) {
    const lines = (rest + Buffer.from(chunk).toString("latin1")).split("\n");
    rest = lines.pop()!;
    if (rest.length > LINE) throw new FormatError(`${name}: ffprobe wrote a line of more than ${LINE} characters`);
    for (const line of lines) {
      const [head, ...fields] = line.split("|");
      if (head !== kind) continue;
      if (++count > MOST) throw new FormatError(`${name}: has more than ${MOST} frames`);
      yield Object.fromEntries(fields.map((field) => field.split("=", 2)));
    }
  }
}

/** A whole number as ffprobe writes it; "N/A" is none. */
const whole = (text: string | undefined): number | undefined =>
  text !== undefined && /^-?\d{1,16}$/.test(text) && Number.isSafeInteger(Number(text)) ? Number(text) : undefined;
