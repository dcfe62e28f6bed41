// A row of a list as a clip of the shards: its frames as small JPEG pictures, and where the subject is in each.
import { basename } from "node:path";
import { UsageError } from "../../engine/errors.ts";
import { nobody, openBoxes, type SubjectBoxes } from "../footage/boxes.ts";
import { picturesIn, PICTURE_BYTES, readUserFile } from "../footage/files.ts";
import { framesShown } from "../footage/shown.ts";
import { openVideo, type Video } from "../footage/video.ts";
import { decodeImage } from "../pixels/image.ts";
import { encodeJpeg } from "../pixels/jpeg.ts";
import { pictureKind } from "../pixels/kinds.ts";
import { type Image, resize, shortSideSize, type Size } from "../pixels/resize.ts";
import type { Box } from "../pixels/boxes.ts";
import { checkClipInfo, type Clip } from "../shards/clip.ts";
import { asKind, Unfit } from "./account.ts";
import { type ClipForm, type ListedClip, SLACK } from "./list-file.ts";

/** How clips of a list are stored. */
export interface StoredForm extends ClipForm {
  /** Largest short side of a frame in pixels; larger ones are made so large, smaller ones stay. */
  readonly side: number;
}

/** JPEG quality of frames that are encoded anew. */
const QUALITY = 95;
/** Frames of a clip: two minutes of 8 a second. Longer footage is cut by start and end. */
const MOST = 1024;
/** A frame of a clip. */
interface StoredFrame extends Size {
  readonly bytes: Uint8Array;
  readonly boxes: readonly Box[];
}

/** Makes clips of the rows of a list; films that were opened for one row serve the next. */
export class ClipMaker {
  private readonly films: Recent<Video>;
  private readonly boxFiles = new Recent((text) => openBoxes(text));

  /** `open` may know films that are open already. */
  constructor(
    private readonly form: StoredForm,
    private readonly categories: number,
    open: (path: string) => Promise<Video> = openVideo,
  ) {
    this.films = new Recent(open);
  }

  /** Errors: Unfit for what is wrong with this row's files. */
  async clipOf(listed: ListedClip): Promise<Clip> {
    const { where, boxes, caption, sentiment, vad } = listed;
    const subject = await this.subjectOf(where, boxes);
    const frames = await this.frames(listed, subject);
    const [{ width, height }] = frames;
    const odd = frames.find((frame) => frame.width !== width || frame.height !== height);
    if (odd)
      throw new Unfit(
        "frames of several sizes",
        `${where}: a frame is ${odd.width}x${odd.height}, the first ${width}x${height}`,
      );
    const info = {
      caption,
      sentiment: [...sentiment],
      boxes: frames.map((frame) => [...frame.boxes]),
      ...{ fps: this.form.fps, width, height },
      ...((this.categories > 0 || vad) && { labels: { categories: [...listed.categories], ...(vad && { vad }) } }),
      meta: { path: listed.path, start: listed.start, ...(listed.end !== undefined && { end: listed.end }) },
    };
    await asKind("boxes", where, () => checkClipInfo(info, "boxes", frames.length, this.categories));
    return { key: listed.key ?? keyOf(listed), ...info, frames: frames.map(({ bytes }) => bytes) };
  }

  private async subjectOf(where: string, boxes: ListedClip["boxes"]): Promise<SubjectBoxes> {
    if (boxes === undefined) return nobody;
    return typeof boxes === "string" ? inBoxes(where, () => this.boxFiles.get(boxes)) : boxes;
  }

  private async frames(listed: ListedClip, subject: SubjectBoxes): Promise<StoredFrame[]> {
    const found: StoredFrame[] = [];
    const { where } = listed;
    const store = async (frame: { name: string; index: number }, image: Image, bytes?: Uint8Array) => {
      const size = this.sizeOf(image);
      const boxes = await inBoxes(where, () => subject(frame, image, size));
      const isKept = bytes !== undefined && size.width === image.width && ["JPEG", "PNG"].includes(pictureKind(bytes)!);
      return { ...size, boxes, bytes: isKept ? bytes : await encodeJpeg(resize(image, size), QUALITY) };
    };
    await asKind("does not decode", where, async () => {
      if (listed.isFolder) for await (const frame of this.pictures(listed, store)) found.push(frame);
      else found.push(...(await this.filmed(listed, store)));
    });
    return found;
  }

  private async *pictures(listed: ListedClip, store: Store): AsyncGenerator<StoredFrame> {
    const { fps } = this.form;
    const paths = await picturesIn(listed.source);
    const from = Math.round(listed.start * fps);
    const until = listed.end === undefined ? paths.length : Math.min(paths.length, Math.round(listed.end * fps));
    this.checkCount(listed, until - from);
    for (let index = from; index < until; index++) {
      const { bytes, name } = await readUserFile(paths[index], PICTURE_BYTES);
      yield await store({ name, index }, await decodeImage(bytes, name), bytes);
    }
  }

  /** The frame that is shown at each moment; one that is shown at several is stored as often. */
  private async filmed(listed: ListedClip, store: Store): Promise<StoredFrame[]> {
    const film = await this.films.get(listed.source);
    const shown = this.shownAt(listed, film);
    const distinct = [...new Set(shown)];
    const stored = new Map<number, StoredFrame>();
    for await (const image of film.pictures(distinct)) {
      const index = distinct[stored.size];
      stored.set(index, await store({ name: String(index), index }, image));
    }
    return shown.map((index) => stored.get(index)!);
  }

  /** Numbers of the frames at start, start + 1/fps, …, before the end. */
  private shownAt(listed: ListedClip, { name, seconds }: Video): number[] {
    const { where, start, end = Infinity } = listed;
    const { fps } = this.form;
    if (!seconds)
      throw new Unfit("does not decode", `${where}: ${name}: its frames have no times; make a folder of them`);
    const last = seconds.at(-1)!;
    const length = last + (seconds.length > 1 ? last / (seconds.length - 1) : 1 / fps);
    if (end !== Infinity && end > length + SLACK)
      throw new Unfit("end after the film's", `${where}: end is ${end} s, ${name} ends at ${length.toFixed(2)} s`);
    const count = Math.max(0, Math.round((Math.min(end, length) - start) * fps));
    this.checkCount(listed, count);
    return framesShown(seconds, start, fps, count);
  }

  private checkCount({ where }: ListedClip, count: number): void {
    const { minFrames } = this.form;
    if (count < minFrames)
      throw new Unfit("too few frames", `${where}: has ${count} frames, expected at least ${minFrames} (--min-frames)`);
    if (count > MOST)
      throw new Unfit("too many frames", `${where}: has ${count} frames, allowed are ${MOST}; cut it by start and end`);
  }

  private sizeOf({ width, height }: Image): Size {
    const { side } = this.form;
    return Math.min(width, height) <= side ? { width, height } : shortSideSize({ width, height }, side);
  }
}

type Store = (frame: { name: string; index: number }, image: Image, bytes?: Uint8Array) => Promise<StoredFrame>;

/** A box given by hand that lies outside is a wrong call elsewhere; here it is a fault of its row. */
function inBoxes<T>(where: string, work: () => Promise<T> | T): Promise<T> {
  return asKind("boxes", where, async () => {
    try {
      return await work();
    } catch (error) {
      if (error instanceof UsageError) throw new Unfit("boxes", `${where}: ${error.message}`);
      throw error;
    }
  });
}

/** `talk+mp4/12`: a key may hold no dot, and the row tells clips of one film apart. */
const keyOf = ({ source, row }: ListedClip): string =>
  `${basename(source)
    .slice(0, 100)
    .replace(/[^\w@+=,-]/g, "+")}/${row}`;

/** What was asked for last, so that many rows of one film open it once. */
class Recent<T> {
  private readonly made = new Map<string, Promise<T>>();

  constructor(private readonly make: (key: string) => Promise<T>) {}

  get(key: string): Promise<T> {
    const found = this.made.get(key) ?? this.make(key);
    found.catch(() => {}); // whoever asked hears of it
    this.made.delete(key);
    this.made.set(key, found);
    if (this.made.size > 8) this.made.delete(this.made.keys().next().value!);
    return found;
  }
}
