// What a conversion writes: the tensors of a file of weights under their official names, in another number format where that
// is asked for, and the model's configuration beside them, so that the result loads without flags.
import { basename } from "node:path";
import { quoted } from "../../data/formats/json.ts";
import { CheckpointError, FormatError } from "../../engine/errors.ts";
import { contentToJson } from "./content-json.ts";
import { clipVocabulary } from "../../data/tokenizer/vocabulary.ts";
import { describe, familiesText, type Known, metadataOf, type Usual } from "../families.ts";
import { narrowed } from "./narrow.ts";
import { planLoad } from "./plan.ts";
import { wordsWith } from "./tokenizer.ts";
import { resizePositions } from "../clip/positions.ts";
import type { FileDtype } from "../../data/formats/dtypes.ts";
import type { SafetensorsEntry } from "../../data/formats/safetensors.ts";
import { cellsOf, pairOf, type Side } from "../../data/pixels/side.ts";
import type { Resize } from "../family.ts";
import { withMade } from "../../data/formats/made.ts";
import type { WeightFile } from "../../data/formats/weights.ts";

export interface ConversionOptions {
  /** Number format of floating-point tensors; others stay as they are. */
  readonly dtype: "keep" | "f32" | "f16" | "bf16";
  /** The model alone, under its official names; or all tensors of the file under theirs, and what it says of its training. */
  readonly part: "model" | "all";
  /** Side of the frames in pixels, or [height, width]: positions are resized to its grid. */
  readonly image?: Side;
  /** What the file does not tell of the model. */
  readonly config?: object;
  readonly strict?: boolean;
}

export interface Conversion {
  readonly entries: readonly SafetensorsEntry[];
  readonly metadata: Readonly<Record<string, string>>;
  readonly kind: string;
  readonly config: Usual["config"] | undefined;
  readonly resized: Resize | undefined;
  readonly notes: readonly string[];
}

/** Plans a conversion of an open file; `stored` is a configuration that lies beside it. Reads no large tensor. */
export async function planConversion(
  file: WeightFile,
  { dtype, part, image, config, strict }: ConversionOptions,
  stored?: Known,
): Promise<Conversion> {
  const known = describe(file, stored);
  if (part === "model" && known.kind === "unknown")
    throw new FormatError(
      `${basename(file.path)}: no model of ${familiesText()}: ${known.reason}; --part all takes it as it is`,
    );
  if (part === "model" && !known.sizes && strict !== false)
    throw new CheckpointError(`${basename(file.path)}: ${known.reason}`);
  const isDecided = (known.config && !known.reason) || config;
  if (image !== undefined && !isDecided) throw new CheckpointError(`${basename(file.path)}: ${known.reason}`);
  const plan = isDecided ? await planLoad(file, { strict, config, image }, stored) : undefined;

  const resized = plan?.sources.find(({ resize }) => resize);
  const { layout } = known;
  const seen = part === "model" ? withMade(file, layout.made) : file;
  const officialNames = new Map(
    [...layout.names].map(([official, name]) => [
      name,
      layout.backboneOnly ? official.replace(/^backbone\./, "") : official,
    ]),
  );
  const names =
    part === "model" ? [...layout.names.values()] : [...file.tensors.keys()].filter((name) => !isAlias(name));
  const isModel = new Set(layout.names.values());
  const entries = names.map((name): SafetensorsEntry => {
    const to = part === "model" ? officialNames.get(name)! : name;
    const finite = isModel.has(name);
    if (name === resized?.stored) return resizedEntry(seen, to, name, resized.resize!, dtype);
    return entryOf(seen, to, name, dtype, finite);
  });
  const kept = new Set(names);
  const words = plan && plan.model.takes.vocabulary !== clipVocabulary ? await wordsWith(file) : undefined;
  const metadata = {
    format: "pt",
    ...(plan && metadataOf(plan)),
    ...(words && { words: JSON.stringify(words) }),
    ...(part === "all" && { content: contentToJson(file.content, (name) => kept.has(name)) }),
  };
  const open = plan ? [] : [`${known.reason || "no model is known"}: the result has no configuration`];
  return {
    entries,
    metadata,
    kind: known.kind,
    config: plan?.config,
    resized: plan?.report.resized,
    notes: [...(plan?.report.notes ?? known.notes), ...open],
  };
}

/** The official scheduler drags the model's parameters along a second time. */
const isAlias = (name: string) => /^lr_scheduler\.param_groups\./.test(name);

const formats = { f32: "F32", f16: "F16", bf16: "BF16" } as const;
const isFloat = (dtype: FileDtype) => /^B?F\d+$/.test(dtype);

function entryOf(
  file: WeightFile,
  name: string,
  stored: string,
  wanted: ConversionOptions["dtype"],
  finite: boolean,
): SafetensorsEntry {
  const { dtype: from, shape } = file.tensors.get(stored)!;
  const dtype = wanted === "keep" || !isFloat(from) ? from : formats[wanted];
  const bytes = async function* (): AsyncGenerator<Uint8Array> {
    const room = oneRoom();
    for await (const piece of file.chunks(stored, room)) {
      if (!isFloat(from) || (dtype === from && !finite)) yield piece;
      else yield narrowed(piece, from, dtype, finite, `${basename(file.path)}: ${quoted(stored)}`);
    }
  };
  return { name, dtype, shape, bytes };
}

function resizedEntry(
  file: WeightFile,
  name: string,
  stored: string,
  { from, to }: Resize,
  wanted: ConversionOptions["dtype"],
): SafetensorsEntry {
  const { dtype: before, shape } = file.tensors.get(stored)!;
  const dtype = wanted === "keep" ? before : formats[wanted];
  const bytes = async (): Promise<Uint8Array> => {
    const table = resizePositions(await file.floats(stored), pairOf(from), pairOf(to));
    return narrowed(new Uint8Array(table.buffer), "F32", dtype, true, `${basename(file.path)}: ${quoted(stored)}`);
  };
  return { name, dtype, shape: [cellsOf(to) + 1, shape[1]], bytes };
}

/** One buffer for all pieces: each is written before the next is read. */
function oneRoom(): (length: number) => Uint8Array {
  let buffer = new Uint8Array(0);
  return (length) => {
    if (buffer.length < length) buffer = new Uint8Array(length);
    return buffer.subarray(0, length);
  };
}
