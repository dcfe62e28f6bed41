// The programs ffmpeg and ffprobe: found, started without a shell, shown local files only, stopped when they stand still, and
// held to their words. What is asked of them is video.ts's.
import { spawn } from "node:child_process";
import { basename, dirname, join, resolve } from "node:path";
import type { Readable } from "node:stream";
import { FormatError, UsageError } from "../../engine/errors.ts";
import { quoted } from "../formats/json.ts";
import { MAX_PIXELS } from "../pixels/image.ts";

/** How long a program may work without a sign of life, in ms; a long film may take as long as it takes. */
const IDLE = 60_000;
/** Characters of a line of a program's words; the rest is dropped. */
const LINE = 1000;

/** Containers that are read; a list of other files (HLS, concat) is none of them. */
const CONTAINERS = "mov,mp4,matroska,webm,avi,mpegts,mpeg,flv,ogg,asf,gif";

/**
 * How damage is met. `strict`: the first fault ends the program, and any word is a fault. `cut`: for a film that begins
 * between key frames, as after cutting it without encoding it anew, or that is entered in the middle: what decoders say of
 * pictures that lie before is no fault, and the caller counts what comes.
 */
export type Care = "strict" | "cut";

/** Options of the input, for both programs. */
export const input = (path: string, care: Care): string[] => [
  ...["-v", "error", "-protocol_whitelist", "file", "-format_whitelist", CONTAINERS],
  ...["-max_pixels", String(MAX_PIXELS)],
  ...["-err_detect", care === "strict" ? "explode" : "crccheck+bitstream+buffer"],
  ...["-i", `file:${resolve(path)}`],
];

/** Has the program also say what it only warns of, of which a packet that is damaged counts as a fault. */
export const WARNED = ["-v", "level+warning"] as const;
const DAMAGED = /^(Packet corrupt|Continuity check failed)/;

/** A run of a program. */
export interface ProgramRun {
  readonly program: "ffmpeg" | "ffprobe";
  readonly args: readonly string[];
  /** The file's name, which begins messages. */
  readonly name: string;
  readonly care: Care;
  /** Bytes that may come. */
  readonly limit: number;
}

/** ffmpeg, or what the environment variable FFMPEG names; ffprobe likewise, or the one beside it. */
function programs(): { ffmpeg: string; ffprobe: string } {
  const { FFMPEG, FFPROBE } = process.env;
  const beside = FFMPEG?.includes("/") ? join(dirname(FFMPEG), "ffprobe") : "ffprobe";
  return { ffmpeg: FFMPEG || "ffmpeg", ffprobe: FFPROBE || beside };
}

/**
 * What a program writes, while it runs. What it writes to its fourth pipe is a sign of life and nothing else. A bad end, or a
 * fault it tells of, is a FormatError with its words.
 */
export async function* outputOf({ program, args, name, care, limit }: ProgramRun): AsyncGenerator<Uint8Array> {
  const path = programs()[program];
  const child = spawn(path, args, { stdio: ["ignore", "pipe", "pipe", "pipe"] });
  const words = new Words(care);
  const patience = new Patience(IDLE, () => child.kill("SIGKILL"));
  const stir = () => patience.stir();
  const [, output, errors, life] = child.stdio as unknown as [null, Readable, Readable, Readable];
  errors.on("data", (text: Buffer) => words.add(text.toString("latin1")));
  life.on("data", stir).on("error", stir);
  const ended = new Promise<string>((done, fail) => {
    child.on("error", (error) => fail(missing(path, error)));
    child.on("close", (code, signal) => done(code === 0 ? "" : (signal ?? `exit code ${code}`)));
  });
  ended.catch(() => {}); // it is awaited after the output
  const chunks = output[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  let written = 0;
  let end = "";
  let isOver = false;
  try {
    for (;;) {
      const { value, done } = await patience.over(chunks.next());
      if (done) break;
      written += value.length;
      if (written > limit) throw new FormatError(`${name}: ${program} wrote more than ${limit} bytes`);
      yield value;
    }
    end = await patience.over(ended);
    isOver = true;
  } finally {
    if (!isOver) child.kill("SIGKILL"); // nobody wants the rest
  }
  if (patience.isLost) throw new FormatError(`${name}: ${program} decoded nothing more for ${IDLE / 1000} s`);
  const fault = words.fault();
  if (fault?.includes("not on whitelist")) throw new FormatError(`${name}: is in none of the containers ${CONTAINERS}`);
  // it may go on after damage and say 0
  if (end || fault) throw new FormatError(`${name}: does not decode: ${fault ? quoted(fault) : end}`);
}

/** Waits as long as there are signs of life; between two waits no time passes, however long the caller takes. */
export class Patience {
  isLost = false;
  private timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly limit: number,
    private readonly giveUp: () => void,
  ) {}

  /** A sign of life: the time begins anew. */
  stir(): void {
    if (this.timer) this.begin();
  }

  async over<T>(work: Promise<T>): Promise<T> {
    this.begin();
    try {
      return await work;
    } finally {
      clearTimeout(this.timer);
      this.timer = undefined;
    }
  }

  private begin(): void {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      this.isLost = true;
      this.giveUp();
    }, this.limit);
  }
}

/** What decoders say where pictures refer to others that were never there, or the header of those is. */
const ROUGH = [
  /^mmco: unref short failure/,
  /^co located POCs unavailable/,
  /^reference picture missing during reorder/,
  /^Missing reference picture, default is/,
  /^number of reference frames \(\d+\+\d+\) exceeds max/,
  /^illegal short term buffer state detected/,
  /^Frame num gap/,
  /^(non-existing|SPS|PPS|VPS) .*(referenced|does not exist)/,
  /^PPS id out of range/,
  /^(sps|pps)_id \d+ out of range/,
  /^decode_slice_header error/,
  /^no frame!/,
  /^Could not find ref with POC/,
  /^Error constructing the frame RPS/,
  /^Error parsing NAL unit/,
  /^First slice in a frame missing/,
  /^Requested reference \d+ not available/,
  /^Discarding interframe without a prior keyframe/,
  /^Error (while decoding stream|submitting packet to decoder)\b.*Invalid data/,
  /^Last message repeated/,
];

/** The words of a program, line by line, of which the first fault counts. */
class Words {
  private line = "";
  private first: string | undefined;

  constructor(private readonly care: Care) {}

  add(text: string): void {
    const lines = (this.line + text).split("\n");
    this.line = lines.pop()!.slice(0, LINE);
    for (const line of lines) this.take(line);
  }

  fault(): string | undefined {
    this.take(this.line);
    this.line = "";
    return this.first;
  }

  private take(line: string): void {
    const [, isWarning, said] =
      /^(?:\[[^\]]* @ \w+\] )?(\[warning\] )?(?:\[\w+\] )?(.*)$/.exec(line.trim().slice(0, LINE)) ?? [];
    if (!said || this.first) return;
    if (isWarning ? !DAMAGED.test(said) : this.care === "cut" && ROUGH.some((form) => form.test(said))) return;
    this.first ??= said;
  }
}

function missing(program: string, error: Error): Error {
  if ((error as NodeJS.ErrnoException).code !== "ENOENT")
    return new UsageError(
      `${basename(program)} cannot be started (${(error as NodeJS.ErrnoException).code ?? error.message})`,
    );
  return new UsageError(
    `video files need the program ${quoted(basename(program))}, which is not installed: install the package ffmpeg, ` +
      "or set FFMPEG to its path, or give a folder of frames (JPEG, PNG, WebP or TIFF)",
  );
}
