// A detector that the user has as an .onnx file, run by onnxruntime-node where the user has installed it. Which family it is of, and
// so how it is fed and read, is told by its shapes before the first film.
import { createHash } from "node:crypto";
import { readUserFile } from "../data/footage/files.ts";
import { framesShown } from "../data/footage/shown.ts";
import type { Video } from "../data/footage/video.ts";
import { quoted } from "../data/formats/json.ts";
import type { Image, Size } from "../data/pixels/resize.ts";
import { FormatError, UsageError } from "../engine/errors.ts";
import { type DetectorForm, formOf, type Output } from "./detector-forms.ts";
import { inputNumbers, placeIn } from "./detector-input.ts";
import type { PeopleSource, SeenBox, Sight } from "./seen.ts";

/** Finds people in the frames of films. */
export interface Detector {
  /** Its family, what it is fed, and which class is of people. */
  readonly about: string;
  of(open: () => Promise<Video>, fps: number): PeopleSource;
  close(): Promise<void>;
}

export interface DetectorOptions {
  /** The class of people, where it is not that of the lists that detectors come with. */
  readonly personClass?: number;
  /** The least confidence of boxes that are wanted; those of 0.1 are kept for other wishes. */
  readonly minConfidence: number;
}

const BYTES = 2 ** 31;
/** Where the file leaves the side of its input open, in pixels. */
const SIDE = 640;
/** Largest side of an input, in pixels. */
const MOST = 4096;
/** Boxes of less confidence are not kept. */
const FAINT = 0.1;

/** Opens a detector and asks it once, of a grey picture. Errors: UsageError without onnxruntime-node, FormatError for a file of no known kind. */
export async function openDetector(path: string, { personClass, minConfidence }: DetectorOptions): Promise<Detector> {
  const runtime = await runtimeItself();
  const { bytes, name } = await readUserFile(path, BYTES);
  const model = await OnnxModel.open(runtime, bytes, name);
  const { size } = model;
  const grey = { width: size.width, height: size.height, data: new Uint8Array(3 * size.width * size.height).fill(114) };
  const form = formOf(await model.answer(grey, placeholder), size, name, personClass);
  const least = Math.min(FAINT, minConfidence);
  const stamp = createHash("sha256")
    .update(bytes)
    .update(JSON.stringify([form.about, form.feed, form.person, least, size]))
    .digest("hex");
  const see = async (image: Image, where: string): Promise<SeenBox[]> => {
    const placed = placeIn(image, size, form.feed.fit);
    const outputs = await model.answer(image, form.feed);
    try {
      return form.people(outputs, placed, least);
    } catch (error) {
      throw error instanceof FormatError ? new FormatError(`${where}: ${error.message}`) : error;
    }
  };
  const of = (open: () => Promise<Video>, fps: number): PeopleSource => ({
    name,
    stamp: `${stamp} ${fps}`,
    see: (looks, at) => seeLooks(looks, open, fps, see, at),
  });
  return { about: aboutOf(name, form, size), of, close: () => model.close() };
}

/** Feeds the probe; shapes are the same for any numbers. */
const placeholder = { fit: "stretched", numbers: "unit" } as const;

const feeds = {
  unit: "RGB from 0 to 1",
  imagenet: "RGB, of ImageNet's mean and deviation",
  "bgr bytes": "BGR from 0 to 255",
} as const;
const fits = { stretched: "stretched", middle: "in the middle of grey", corner: "in the corner of grey" } as const;

function aboutOf(name: string, { about, feed, person, classes }: DetectorForm, { width, height }: Size): string {
  const of = classes === undefined ? "" : ` of ${classes}`;
  return `${name}: ${about}; fed ${width}x${height} ${feeds[feed.numbers]}, ${fits[feed.fit]}; people are class ${person}${of}`;
}

/** The people of looks; frames that are seen at several are looked at once. */
async function seeLooks(
  looks: readonly number[],
  open: () => Promise<Video>,
  fps: number,
  see: (image: Image, where: string) => Promise<SeenBox[]>,
  at: (done: number) => void,
): Promise<Sight> {
  const film = await open();
  const shown = framesShown(film.seconds ?? [], 0, fps, (looks.at(-1) ?? -1) + 1);
  const frames = [...new Set(looks.map((look) => shown[look]))];
  const found = new Map<number, SeenBox[]>();
  for await (const image of film.pictures(frames)) {
    const frame = frames[found.size];
    found.set(frame, await see(image, `${film.name}: frame ${frame}`));
    at(Math.floor((found.size / frames.length) * looks.length));
  }
  return { seen: new Map(looks.map((look) => [look, found.get(shown[look])!])), unknown: 0 };
}

/** What is used of onnxruntime-node, which need not be there and so gives no types. */
interface Runtime {
  readonly InferenceSession: { create(bytes: Uint8Array, options: object): Promise<Session> };
  readonly Tensor: new (type: string, data: ArrayLike<unknown>, dims: readonly number[]) => Answer;
}
interface Session {
  readonly inputMetadata: readonly Input[];
  run(feeds: Readonly<Record<string, Answer>>): Promise<Readonly<Record<string, Answer>>>;
  release(): Promise<void>;
}
interface Input {
  readonly name: string;
  readonly type?: string;
  readonly shape?: readonly (number | string)[];
}
interface Answer {
  readonly dims: readonly number[];
  readonly data: ArrayLike<number | bigint>;
}

async function runtimeItself(): Promise<Runtime> {
  const name: string = "onnxruntime-node";
  try {
    return (await import(name)) as Runtime;
  } catch (error) {
    throw new UsageError(
      "--detector needs the package onnxruntime-node, which is not installed: npm install --no-save --ignore-scripts onnxruntime-node@1.30.0\n" +
        `  ${(error as Error).message.split("\n")[0].slice(0, 200)}`,
    );
  }
}

/** A model whose inputs are known. */
class OnnxModel {
  private constructor(
    private readonly runtime: Runtime,
    private readonly session: Session,
    private readonly name: string,
    private readonly picture: string,
    readonly size: Size,
  ) {}

  /** Bytes, not a path: then the runtime reads no file but this one. */
  static async open(runtime: Runtime, bytes: Uint8Array, name: string): Promise<OnnxModel> {
    const options = { executionProviders: ["cpu"], logSeverityLevel: 4 };
    const session = await runtime.InferenceSession.create(bytes, options).catch((error: Error) => {
      throw new FormatError(`${name}: onnxruntime does not load it: ${quoted(firstLine(error))}`);
    });
    const picture = session.inputMetadata.find(({ shape }) => shape?.length === 4);
    const others = session.inputMetadata.filter((input) => input !== picture);
    const [batch, channels, height, width] = picture?.shape ?? [];
    const isOpen = (side: number | string) => typeof side === "string" || side === -1;
    const isSide = (side: number | string) => isOpen(side) || (Number(side) >= 32 && Number(side) <= MOST);
    const isFed =
      picture?.type === "float32" &&
      (isOpen(batch) || batch === 1) &&
      (isOpen(channels) || channels === 3) &&
      isSide(height) &&
      isSide(width);
    const strange = others.find((input) => !(input.type === "int64" && (isOrigin(input) || isMask(input))));
    if (!isFed || strange) {
      await session.release();
      throw new FormatError(
        `${name}: its inputs are ${session.inputMetadata.map(shown).join(", ") || "none"}; expected one picture, float32 [1,3,height,width], and at most int64 sizes [1,2] or a mask [1,h,w] beside it`,
      );
    }
    const side = (value: number | string) => (isOpen(value) ? SIDE : Number(value));
    return new OnnxModel(runtime, session, name, picture.name, { width: side(width), height: side(height) });
  }

  /** The answers to one picture. */
  async answer(image: Image, feed: DetectorForm["feed"]): Promise<Output[]> {
    const { Tensor } = this.runtime;
    const { width, height } = this.size;
    const feeds: Record<string, Answer> = {};
    for (const input of this.session.inputMetadata)
      if (input.name === this.picture)
        feeds[input.name] = new Tensor(
          "float32",
          inputNumbers(image, this.size, feed, placeIn(image, this.size, feed.fit)),
          [1, 3, height, width],
        );
      else if (isOrigin(input))
        feeds[input.name] = new Tensor("int64", BigInt64Array.of(BigInt(image.width), BigInt(image.height)), [1, 2]);
      else {
        const [rows, columns] = input.shape!.slice(1).map((side) => (typeof side === "number" && side > 0 ? side : 64));
        feeds[input.name] = new Tensor("int64", new BigInt64Array(rows * columns).fill(1n), [1, rows, columns]);
      }
    const answers = await this.session.run(feeds).catch((error: Error) => {
      throw new FormatError(`${this.name}: onnxruntime does not run it: ${quoted(firstLine(error))}`);
    });
    return Object.entries(answers).map(([name, { dims, data }]) => ({ name, dims, data }));
  }

  close(): Promise<void> {
    return this.session.release();
  }
}

/** Sizes of the pictures, as RT-DETR and D-FINE ask for. */
const isOrigin = ({ shape }: Input): boolean => shape?.length === 2 && (typeof shape[1] === "string" || shape[1] === 2);
/** Which pixels are of the picture, as DETR asks for: all. */
const isMask = ({ shape }: Input): boolean => shape?.length === 3;

const shown = ({ name, type, shape }: Input): string =>
  `${quoted(name)} ${type ?? "of no tensor"} [${shape?.join(",") ?? ""}]`;

const firstLine = (error: Error): string => error.message.split("\n")[0].slice(0, 300);
