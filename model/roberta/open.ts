// A RoBERTa classifier out of a folder as Hugging Face's hub has it: config.json, weights, tokenizer.
import { existsSync, statSync } from "node:fs";
import { basename, join } from "node:path";
import { parseJson, quoted } from "../../data/formats/json.ts";
import { type MadeTensor, withMade } from "../../data/formats/made.ts";
import { readRegular } from "../../data/formats/regular.ts";
import { openWeights, type WeightFile } from "../../data/formats/weights.ts";
import { type ByteLevelTokenizer, openByteLevel } from "../../data/tokenizer/byte-level.ts";
import { allocateFrozen, arrived, CheckpointError, FormatError, nearest, type Tensor } from "../../engine/index.ts";
import { takes } from "../../engine/takes.ts";
import { readTensor, Transfer } from "../checkpoint/load.ts";
import { linesUnder } from "../checkpoint/plan.ts";
import { Init, named } from "../params.ts";
import { parseRoberta, type RobertaConfig } from "./config.ts";
import { RobertaClassifier } from "./roberta.ts";

/** A classifier that is opened and checked; nothing of it is on a GPU yet. */
export interface RobertaFiles {
  /** The file of weights. */
  readonly path: string;
  readonly config: RobertaConfig;
  readonly tokenizer: ByteLevelTokenizer;
  /** Tensors of the file that the model has no place for, and that are no counters. */
  readonly unused: readonly string[];
  /** The model with its weights on the open GPU. */
  load(): Promise<{ readonly model: RobertaClassifier; free(): void }>;
  close(): Promise<void>;
}

const weightNames = ["model.safetensors", "model.safetensors.index.json", "pytorch_model.bin"];

/** Opens a folder. Errors: FormatError for files that are missing or damaged, CheckpointError for weights that do not fit config.json. */
export async function openRoberta(folder: string): Promise<RobertaFiles> {
  takes("openRoberta(folder: text, ...)", arguments);
  if (!statSync(folder, { throwIfNoEntry: false })?.isDirectory())
    throw new FormatError(
      `${quoted(folder)}: no folder; expected one with config.json, ${weightNames[0]} and the tokenizer`,
    );
  const label = `${basename(folder)}/config.json`;
  const config = parseRoberta(parseJson(await readRegular(join(folder, "config.json"), 2 ** 20, label), label), label);
  const tokenizer = await openByteLevel(folder);
  if (tokenizer.vocabulary > config.vocabulary)
    throw new FormatError(
      `${label}: vocab_size is ${config.vocabulary}, but the tokenizer has ${tokenizer.vocabulary} symbols`,
    );
  const weights = weightNames.find((name) => existsSync(join(folder, name)));
  if (weights === undefined) throw new FormatError(`${quoted(folder)}: has none of ${weightNames.join(", ")}`);
  const file = await openWeights(join(folder, weights));
  try {
    const shapes = parametersOf(config);
    const { sources, made, unused } = placed(file, shapes);
    const load = () => filled(withMade(file, made), config, sources);
    return { path: file.path, config, tokenizer, unused, load, close: () => file.close() };
  } catch (error) {
    await file.close();
    throw error;
  }
}

/** Shapes by our names, that of the words among them. */
function parametersOf(config: RobertaConfig): Map<string, Pick<Tensor, "shape">> {
  const model = new RobertaClassifier(config, new Float32Array(0), new Init(0));
  return new Map<string, Pick<Tensor, "shape">>([
    [WORDS, { shape: [config.vocabulary, config.width] }],
    ...named(model),
  ]);
}

async function filled(file: WeightFile, config: RobertaConfig, sources: ReadonlyMap<string, string>) {
  const words = await file.floats(sources.get(WORDS)!);
  const ill = words.findIndex((value) => !Number.isFinite(value));
  if (ill >= 0)
    throw new FormatError(`${basename(file.path)}: ${quoted(sources.get(WORDS)!)} is not finite at element ${ill}`);
  const model = new RobertaClassifier(config, words, new Init(0));
  const parameters = new Map(named(model));
  const { free } = allocateFrozen([...parameters.values()]);
  try {
    const transfer = new Transfer();
    for (const [name, tensor] of parameters) await readTensor(file, sources.get(name)!, tensor, transfer);
    await arrived();
  } catch (error) {
    free();
    throw error;
  }
  return { model, free };
}

/** The table of words, which is no tensor of the device. */
const WORDS = "embeddings.word";

/** Our names -> theirs. */
const theirs: readonly (readonly [RegExp, string])[] = [
  [/^embeddings\.(word|position)$/, "roberta.embeddings.$1_embeddings.weight"],
  [/^embeddings\.kind$/, "roberta.embeddings.token_type_embeddings.weight"],
  [/^embeddings\.norm\./, "roberta.embeddings.LayerNorm."],
  [/^layers\./, "roberta.encoder.layer."],
  [/\.self_attn\.out_proj\./, ".attention.output.dense."],
  [/\.self_attn\.in_proj_/, ".attention.self.{query,key,value}."],
  [/\.linear1\./, ".intermediate.dense."],
  [/\.linear2\./, ".output.dense."],
  [/\.norm1\./, ".attention.output.LayerNorm."],
  [/\.norm2\./, ".output.LayerNorm."],
];

const theirName = (name: string): string => theirs.reduce((text, [from, to]) => text.replace(from, to), name);

/** The names in the file that one of theirs stands for. */
const partsOf = (name: string): string[] =>
  name.includes("{") ? ["query", "key", "value"].map((one) => name.replace("{query,key,value}", one)) : [name];

/** Buffers that count positions, and a pooler that a classifier has not. */
const isPassedOver = (name: string): boolean => /(^|\.)(position_ids|token_type_ids)$/.test(name);

/** Where in the file each parameter is. Errors: CheckpointError that lists what is missing or of another shape. */
function placed(file: WeightFile, parameters: ReadonlyMap<string, Pick<Tensor, "shape">>) {
  const sources = new Map<string, string>();
  const made = new Map<string, MadeTensor>();
  const used = new Set<string>();
  const [missing, shapes] = [[], []] as string[][];
  for (const [name, { shape }] of parameters) {
    const stored = theirName(name);
    const parts = partsOf(stored);
    const wanted = [shape[0] / parts.length, ...shape.slice(1)];
    for (const part of parts) {
      const found = file.tensors.get(part);
      used.add(part);
      if (!found) missing.push(part);
      else if (`${found.shape}` !== `${wanted}`)
        shapes.push(`${quoted(part)} is [${found.shape}], expected [${wanted}] by config.json`);
    }
    sources.set(name, stored);
    if (parts.length > 1) made.set(stored, { parts, shape });
  }
  const unused = [...file.tensors.keys()].filter((name) => !used.has(name) && !isPassedOver(name));
  if (missing.length + shapes.length > 0) throw new CheckpointError(faultText(file, missing, shapes, unused));
  return { sources, made, unused };
}

function faultText(file: WeightFile, missing: string[], shapes: string[], unused: string[]): string {
  const near = (name: string) => {
    const found = nearest(name, unused.slice(0, 2000));
    return quoted(name) + (found ? ` (did you mean ${quoted(found)}?)` : "");
  };
  const lines = [...linesUnder("missing", missing, near), ...linesUnder("shape", shapes, (line) => line)];
  return `${basename(file.path)}: is not the RoBERTa classifier of its config.json; nothing was loaded\n${lines.join("\n")}`;
}
