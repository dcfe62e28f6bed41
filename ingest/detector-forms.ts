// The answers of detectors, told apart by their shapes: the queries of DETR's family and the grids of YOLO's, each with how it is fed
// and how people are read off it. Nothing here runs a model.
import type { Box } from "../data/pixels/boxes.ts";
import type { Size } from "../data/pixels/resize.ts";
import { FormatError } from "../engine/errors.ts";
import { type Feed, inPicture, type Placed } from "./detector-input.ts";
import { overlap, type SeenBox } from "./seen.ts";

/** An output of a model; numbers row by row. */
export interface Output {
  readonly name: string;
  readonly dims: readonly number[];
  readonly data: ArrayLike<number | bigint>;
}

/** What is made of a detector's answers. */
export interface DetectorForm {
  /** In words, with the shapes by which it was known. */
  readonly about: string;
  readonly feed: Feed;
  /** The number of the class of people, and of how many where the shapes tell. */
  readonly person: number;
  readonly classes?: number;
  /** People of at least `least` confidence, in pixels of the picture. Errors: FormatError for what is no number. */
  people(outputs: readonly Output[], placed: Placed, least: number): SeenBox[];
}

/** A box of the input's pixels, and how sure the detector is that it is a person. */
type Found = readonly [box: Box, confidence: number];

interface Family {
  readonly about: string;
  /** The outputs that it reads, and how many classes there are; undefined where the shapes are others. */
  match(outputs: readonly Output[], input: Size): Matched | undefined;
  feed(classes: number | undefined): Feed;
  /** Whether several boxes of one person are to be expected. */
  readonly repeats: boolean;
  read(matched: readonly Output[], person: number, placed: Placed, input: Size): Iterable<Found>;
}

interface Matched {
  readonly outputs: readonly Output[];
  readonly classes?: number;
}

const stretched = (numbers: Feed["numbers"]): Feed => ({ fit: "stretched", numbers });
const STRIDES = [8, 16, 32];
/** Places on the three grids of an input. */
const placesIn = ({ width, height }: Size): number =>
  STRIDES.reduce((sum, stride) => sum + Math.floor(width / stride) * Math.floor(height / stride), 0);

/** Its logits are a softmax's, of which the last class is nobody at all. */
const isFirstDetr = (classes: number | undefined): boolean => classes === 92;
/** DETR and RF-DETR count by COCO's own numbers, and were fed as ImageNet was. */
const isCocoNumbered = (classes: number | undefined): boolean =>
  classes !== undefined && [90, 91, 92].includes(classes);

const families: readonly Family[] = [
  {
    about: "labels, boxes and scores, as RT-DETR and D-FINE are deployed",
    match(outputs) {
      const boxes = outputs.find(({ dims }) => dims.length === 3 && dims[2] === 4);
      const flat = outputs.filter(({ dims }) => dims.length === 2 && dims[1] === boxes?.dims[1]);
      const labels = flat.find(isWhole);
      const scores = flat.find((output) => output !== labels);
      return boxes && labels && scores && outputs.length === 3 ? { outputs: [labels, boxes, scores] } : undefined;
    },
    feed: () => stretched("unit"),
    repeats: false,
    *read([labels, boxes, scores], person, { scale }) {
      for (let q = 0; q < scores.dims[1]; q++) {
        if (Number(labels.data[q]) !== person) continue;
        const [x1, y1, x2, y2] = four(boxes, 4 * q); // of the picture, whose size the model was told
        yield [[x1 * scale[0], y1 * scale[1], x2 * scale[0], y2 * scale[1]], Number(scores.data[q])];
      }
    },
  },
  {
    about: "logits and boxes of queries, as of DETR, RT-DETR, D-FINE and RF-DETR",
    match(outputs) {
      const boxes = outputs.filter(({ dims }) => dims.length === 3 && dims[2] === 4);
      const named = boxes.find(({ name }) => /box|dets/.test(name)) ?? boxes[0];
      const logits = outputs.filter(
        (output) => output !== named && output.dims.length === 3 && output.dims[1] === named?.dims[1],
      );
      const [classes] = logits.length > 1 ? logits.filter(({ name }) => /logits|labels/.test(name)) : logits;
      return named && classes ? { outputs: [classes, named], classes: classes.dims[2] } : undefined;
    },
    feed: (classes) => stretched(isCocoNumbered(classes) ? "imagenet" : "unit"),
    repeats: false,
    *read([logits, boxes], person, _, { width, height }) {
      const classes = logits.dims[2];
      const score = isFirstDetr(classes) ? softmaxAt : sigmoidAt;
      for (let q = 0; q < logits.dims[1]; q++) {
        const [x, y, w, h] = four(boxes, 4 * q);
        yield [aroundOf(x * width, y * height, w * width, h * height), score(logits, q * classes, person, classes)];
      }
    },
  },
  {
    about: "a grid of [box, object, classes], as of YOLOX",
    match: ([output, ...others], input) =>
      others.length === 0 && output.dims.length === 3 && output.dims[1] === placesIn(input) && output.dims[2] > 5
        ? { outputs: [output], classes: output.dims[2] - 5 }
        : undefined,
    feed: () => ({ fit: "corner", numbers: "bgr bytes" }),
    repeats: true,
    *read([output], person, _, input) {
      const isDecoded = hasLongSides(output);
      let row = 0;
      for (const stride of STRIDES)
        for (let y = 0; y < Math.floor(input.height / stride); y++)
          for (let x = 0; x < Math.floor(input.width / stride); x++) {
            const at = output.dims[2] * row++;
            const [cx, cy, w, h] = four(output, at);
            const box = isDecoded
              ? aroundOf(cx, cy, w, h)
              : aroundOf((cx + x) * stride, (cy + y) * stride, Math.exp(w) * stride, Math.exp(h) * stride);
            yield [box, Number(output.data[at + 4]) * Number(output.data[at + 5 + person])];
          }
    },
  },
  {
    about: "rows of [box, object, classes] for three anchors a place, as of YOLOv5 and YOLOv7",
    match: ([output, ...others], input) =>
      others.every(({ dims }) => dims.length === 5) &&
      output.dims.length === 3 &&
      output.dims[1] === 3 * placesIn(input) &&
      output.dims[2] > 5
        ? { outputs: [output], classes: output.dims[2] - 5 }
        : undefined,
    feed: () => ({ fit: "middle", numbers: "unit" }),
    repeats: true,
    *read([output], person) {
      for (let at = 0; at < output.dims[1] * output.dims[2]; at += output.dims[2]) {
        const [cx, cy, w, h] = four(output, at);
        yield [aroundOf(cx, cy, w, h), Number(output.data[at + 4]) * Number(output.data[at + 5 + person])];
      }
    },
  },
  {
    about: "columns of [box, classes], as of YOLOv8 and YOLO11",
    match: ([output, ...others], input) =>
      others.length === 0 && output.dims.length === 3 && output.dims[2] === placesIn(input) && output.dims[1] > 4
        ? { outputs: [output], classes: output.dims[1] - 4 }
        : undefined,
    feed: () => ({ fit: "middle", numbers: "unit" }),
    repeats: true,
    *read([output], person) {
      const count = output.dims[2];
      for (let i = 0; i < count; i++) {
        const [cx, cy, w, h] = [0, 1, 2, 3].map((k) => Number(output.data[k * count + i]));
        yield [aroundOf(cx, cy, w, h), Number(output.data[(4 + person) * count + i])];
      }
    },
  },
  {
    about: "rows of [box, score, class], as of YOLOv10 and YOLO26",
    match: ([output, ...others], input) =>
      others.length === 0 && output.dims.length === 3 && output.dims[2] === 6 && output.dims[1] < placesIn(input)
        ? { outputs: [output] }
        : undefined,
    feed: () => ({ fit: "middle", numbers: "unit" }),
    repeats: false,
    *read([output], person) {
      for (let at = 0; at < 6 * output.dims[1]; at += 6)
        if (Number(output.data[at + 5]) === person) yield [four(output, at), Number(output.data[at + 4])];
    },
  },
  {
    about: "rows of [picture, box, class, score], as YOLOv7 gives them end to end",
    match: ([output, ...others]) =>
      others.length === 0 && output.dims.length === 2 && output.dims[1] === 7 ? { outputs: [output] } : undefined,
    feed: () => ({ fit: "middle", numbers: "unit" }),
    repeats: false,
    *read([output], person) {
      for (let at = 0; at < 7 * output.dims[0]; at += 7)
        if (Number(output.data[at + 5]) === person) yield [four(output, at + 1), Number(output.data[at + 6])];
    },
  },
];

/**
 * The form of a detector that answers so to an input of this size; `person` where the user says which class is of people. Errors:
 * FormatError where the shapes are of no family, or where nothing tells which class is of people.
 */
export function formOf(outputs: readonly Output[], input: Size, name: string, person?: number): DetectorForm {
  const found = families.flatMap((family) => {
    const matched = outputs.length > 0 && outputs.every(isOfOne) ? family.match(outputs, input) : undefined;
    return matched ? [{ family, matched }] : [];
  });
  if (found.length !== 1) {
    const what = found.length === 0 ? "which is of no detector that is known; known are" : "which may be";
    const which = (found.length === 0 ? families : found.map(({ family }) => family)).map(({ about }) => `  ${about}`);
    throw new FormatError(
      `${name}: answers ${shapes(outputs)} to an input of ${input.width}x${input.height}, ${what}\n${which.join("\n")}`,
    );
  }
  const [{ family, matched }] = found;
  const { classes } = matched;
  const chosen = person ?? personOf(classes, name);
  if (classes !== undefined && chosen >= classes)
    throw new FormatError(`${name}: has ${classes} classes, so that none is number ${chosen} (--person-class)`);
  const names = matched.outputs.map((output) => output.name);
  const shown = shapes(matched.outputs);
  return {
    about: `${family.about}: ${shown}`,
    feed: family.feed(classes),
    person: chosen,
    ...(classes !== undefined && { classes }),
    people(all, placed, least) {
      const read = names.map((each) => all.find((output) => output.name === each)!);
      const sure: SeenBox[] = [];
      for (const [box, confidence] of family.read(read, chosen, placed, input)) {
        if (!box.every(Number.isFinite) || !(confidence >= 0 && confidence <= 1 + ROUNDING))
          throw new FormatError(
            `${name}: answers the box ${box.join(" ")} with the confidence ${confidence}; expected numbers, and one from 0 to 1`,
          );
        const inside = confidence >= least ? inPicture(box, placed) : undefined;
        if (inside) sure.push({ box: inside, confidence: Math.min(1, confidence) });
      }
      return family.repeats ? surestOf(sure) : sure;
    },
  };
}

/** By the lists of classes that detectors come with. */
function personOf(classes: number | undefined, name: string): number {
  if (isCocoNumbered(classes)) return 1;
  if (classes === undefined || [1, 80, 365].includes(classes)) return 0;
  throw new FormatError(`${name}: has ${classes} classes; say which of them is of people, from 0, with --person-class`);
}

/** Answers to one picture. */
const isOfOne = ({ dims }: Output): boolean => dims.length === 2 || dims[0] === 1;

const isWhole = ({ data }: Output): boolean => data instanceof BigInt64Array || data instanceof Int32Array;

const shapes = (outputs: readonly Output[]): string =>
  outputs.map(({ name, dims }) => `${name} [${dims.join(",")}]`).join(", ") || "nothing";

const four = ({ data }: Output, at: number): Box => [
  Number(data[at]),
  Number(data[at + 1]),
  Number(data[at + 2]),
  Number(data[at + 3]),
];

const aroundOf = (x: number, y: number, w: number, h: number): Box => [x - w / 2, y - h / 2, x + w / 2, y + h / 2];

const sigmoidAt = ({ data }: Output, row: number, k: number): number => 1 / (1 + Math.exp(-Number(data[row + k])));

function softmaxAt({ data }: Output, row: number, k: number, classes: number): number {
  let most = -Infinity;
  for (let c = 0; c < classes; c++) most = Math.max(most, Number(data[row + c]));
  let sum = 0;
  for (let c = 0; c < classes; c++) sum += Math.exp(Number(data[row + c]) - most);
  return Math.exp(Number(data[row + k]) - most) / sum;
}

/** Longer sides in pixels are none as logarithms of strides: e to the 10th times 8 is longer than any input. */
const LOG_SIDE = 10;

/** YOLOX is exported with its boxes in pixels too; of as many boxes some are then longer than any logarithm of a side. */
function hasLongSides({ data, dims }: Output): boolean {
  for (let at = 0; at < dims[1] * dims[2]; at += dims[2])
    if (Number(data[at + 2]) > LOG_SIDE || Number(data[at + 3]) > LOG_SIDE) return true;
  return false;
}

/** By which a probability may be above 1. */
const ROUNDING = 1e-3;
/** The overlap above which two boxes are of one person. */
const SAME = 0.6;

/** The surest box of each person. */
function surestOf(boxes: readonly SeenBox[]): SeenBox[] {
  const kept: SeenBox[] = [];
  for (const each of [...boxes].sort((a, b) => b.confidence - a.confidence))
    if (!kept.some(({ box }) => overlap(box, each.box) > SAME)) kept.push(each);
  return kept;
}
