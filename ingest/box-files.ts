// Files of people's boxes beside a film: the detector's JSON of the data sets, COCO, or the lines of MOTChallenge, each brought to
// boxes by the number of a frame.
import { detectionsIn } from "../data/footage/boxes.ts";
import { Fields } from "../data/formats/fields.ts";
import { isObject, type Json, JsonScanner, quoted } from "../data/formats/json.ts";
import { type Box, type BoxRule, detectionToBox } from "../data/pixels/boxes.ts";
import type { Size } from "../data/pixels/resize.ts";
import { FormatError } from "../engine/errors.ts";
import type { SeenBox } from "./seen.ts";

/** What numbers of frames count: frames of the film, or as many a second as were extracted. */
export type Counted = "film" | "extracted";

export interface BoxFile {
  /** Boxes by the number of the frame, from 0. */
  readonly frames: ReadonlyMap<number, readonly SeenBox[]>;
  readonly counted: Counted;
  /** Whether frames without anybody are listed too. */
  readonly listsAll: boolean;
}

/** Frames and boxes of a file. */
const MOST = { frames: 1_000_000, boxes: 4_000_000 } as const;

/** Which files beside a film are of boxes. */
export const isBoxFile = (path: string): boolean =>
  /[.-](((human_)?boxes|coco)\.json|(mot|boxes)\.(csv|txt))$/i.test(path);

/** Reads a file of any of the kinds; `rule` says what the numbers of the detector's JSON mean. */
export function readBoxFile(bytes: Uint8Array, name: string, size: Size, rule: BoxRule | "pixels"): BoxFile {
  if (!/\.json$/i.test(name)) return motFile(Buffer.from(bytes).toString("latin1"), name);
  return isCoco(bytes) ? cocoFile(bytes, name) : detectorFile(bytes, name, size, rule);
}

/** Its first fields have names that no frame has. */
const isCoco = (bytes: Uint8Array): boolean =>
  /^\s*\{\s*"(info|licenses|images|annotations|categories|videos)"/.test(
    Buffer.from(bytes.subarray(0, 200)).toString("latin1"),
  );

function detectorFile(bytes: Uint8Array, name: string, size: Size, rule: BoxRule | "pixels"): BoxFile {
  const frames = new Map<number, SeenBox[]>();
  const kinds = new Set<Counted>();
  for (const [frame, found] of detectionsIn(bytes, name)) {
    const { number, counted } = frameIn(frame, name);
    kinds.add(counted);
    const boxes = found.map((each): SeenBox => {
      const [x1, y1, x2, y2, confidence] = each;
      return { box: rule === "pixels" ? [x1, y1, x2, y2] : detectionToBox(each, size, rule), confidence };
    });
    // the detector also saw its own padding
    frames.set(number, rule === "pixels" ? boxes : boxes.filter(({ box: [x1, y1, x2, y2] }) => x2 > x1 && y2 > y1));
  }
  if (kinds.size > 1) throw new FormatError(`${name}: some frames are called as in "17", others as in "00000018.jpg"`);
  return { frames, counted: [...kinds][0], listsAll: true };
}

/** `00000018.jpg` is the 18th that ffmpeg extracted; `17` is the film's own, from 0. */
function frameIn(frame: string, name: string): { number: number; counted: Counted } {
  const [, digits, extension] = /^\D*?(\d{1,9})(\.\w+)?$/.exec(frame.replace(/^.*[\\/]/, "")) ?? [];
  if (digits === undefined) throw new FormatError(`${name}: the frame ${quoted(frame)} has no number`);
  const number = Number(digits) - (extension ? 1 : 0);
  if (number < 0) throw new FormatError(`${name}: the frame ${quoted(frame)} is before the first, 1`);
  return { number, counted: extension ? "extracted" : "film" };
}

/** Lines of frame, id, left, top, width, height, confidence; frames of the film, from 1. Of true ones (9 cells) pedestrians count. */
function motFile(text: string, name: string): BoxFile {
  const frames = new Map<number, SeenBox[]>();
  for (const [i, line] of text.split(/\r?\n/).entries()) {
    if (line.trim() === "") continue;
    const cells = line.trim().split(/[,\s]\s*/);
    const numbers = cells.map((cell) =>
      /^-?\d{1,9}(\.\d{1,12})?(e-?\d{1,2})?$/i.test(cell) ? Number(cell) : Number.NaN,
    );
    const [frame, id, left, top, width, height, confidence = 1, kind = 1] = numbers;
    if (
      cells.length < 6 ||
      numbers.some(Number.isNaN) ||
      !(frame >= 1) ||
      !Number.isInteger(frame) ||
      !(width > 0 && height > 0) ||
      !(cells.length === 9 || confidence === -1 || (confidence >= 0 && confidence <= 1))
    )
      throw new FormatError(
        `${name}: line ${i + 1} is ${quoted(line)}, expected frame (from 1), id, left, top, width, height, confidence (0 to 1, or -1 for none)`,
      );
    const isPerson = cells.length !== 9 || (kind === 1 && confidence > 0);
    const sure = cells.length === 9 || confidence < 0 ? 1 : confidence;
    const found = frames.get(frame - 1) ?? [];
    if (isPerson)
      found.push({ box: [left, top, left + width, top + height], confidence: sure, ...(id >= 0 && { track: id }) });
    frames.set(frame - 1, found);
  }
  if (frames.size === 0) throw new FormatError(`${name}: has boxes of 0 frames`);
  if (frames.size > MOST.frames) throw new FormatError(`${name}: has boxes of more than ${MOST.frames} frames`);
  return { frames, counted: "film", listsAll: false };
}

/** The lists of a COCO file, each member a value of its own, so that a long one needs no large tree. */
function cocoFile(bytes: Uint8Array, name: string): BoxFile {
  const scanner = new JsonScanner(bytes, name);
  const lists: Record<"images" | "annotations" | "categories", Fields[]> = {
    images: [],
    annotations: [],
    categories: [],
  };
  for (const key of scanner.keys()) {
    if (!Object.hasOwn(lists, key)) valueAt(scanner);
    else
      for (const i of scanner.members(MOST.boxes))
        lists[key as "images"].push(new Fields(valueAt(scanner), name, `${key}[${i}]`));
  }
  scanner.end();
  const people = peopleIn(lists.categories, name);
  const images = new Map<number, number>();
  const frames = new Map<number, SeenBox[]>();
  const kinds = new Set<Counted>();
  for (const image of lists.images) {
    const { number, counted } = imageFrame(image, name);
    kinds.add(counted);
    images.set(image.whole("id", 0, Number.MAX_SAFE_INTEGER), number);
    frames.set(number, []);
  }
  if (frames.size === 0) throw new FormatError(`${name}: has boxes of 0 frames`);
  if (kinds.size > 1) throw new FormatError(`${name}: some images have a frame_id, others only a file_name`);
  for (const annotation of lists.annotations) {
    if (!people.has(annotation.whole("category_id", 0, 1e9))) continue;
    const frame = images.get(annotation.whole("image_id", 0, Number.MAX_SAFE_INTEGER));
    if (frame === undefined)
      annotation.refuse("image_id", annotation.get("image_id"), "the id of an image in the file");
    frames.get(frame!)!.push(annotated(annotation));
  }
  return { frames, counted: [...kinds][0], listsAll: true };
}

/** Any value; each begins a count of its own of the values that one document may have. */
function valueAt(scanner: JsonScanner): Json {
  const inner = new JsonScanner(scanner.bytes, scanner.file);
  inner.at = scanner.at;
  const value = inner.value();
  scanner.at = inner.at;
  return value;
}

function peopleIn(categories: readonly Fields[], name: string): Set<number> {
  const named = categories.map((fields) => [fields.text("name"), fields.whole("id", 0, 1e9)] as const);
  const people = named.filter(([text]) => /^(person|people|pedestrian|human)$/i.test(text));
  if (people.length > 0) return new Set(people.map(([, id]) => id));
  const there = named.slice(0, 8).map(([text]) => quoted(text));
  throw new FormatError(`${name}: has no category "person"; it has ${there.join(", ") || "none"}`);
}

function imageFrame(image: Fields, name: string): { number: number; counted: Counted } {
  for (const key of ["frame_id", "frame_index"])
    if (image.has(key)) return { number: image.whole(key, 0, 1e9), counted: "film" };
  return frameIn(image.text("file_name"), name);
}

function annotated(fields: Fields): SeenBox {
  const [left, top, width, height] = fields.numbers("bbox", 4, 1e6);
  const box: Box = [left, top, left + width, top + height];
  const inner = fields.get("attributes");
  const ids = isObject(inner as Json) ? new Fields(inner, fields.name, `${fields.path}.attributes`) : fields;
  const track = fields.has("track_id") ? fields : ids.has("track_id") ? ids : undefined;
  return {
    box,
    confidence: fields.has("score") ? fields.real("score", 0, 1) : 1,
    ...(track && { track: track.whole("track_id", 0, 1e9) }),
  };
}
