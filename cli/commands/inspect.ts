// `emotionclip inspect`: what a file of weights is and holds. Everything is read before anything is printed, so a damaged file
// gives its message and nothing else.
import { createHash } from "node:crypto";
import { stat } from "node:fs/promises";
import { basename } from "node:path";
import { Command } from "commander";
import { FormatError, UsageError } from "../../engine/errors.ts";
import { describe } from "../../model/families.ts";
import { openModelFile } from "../../model/checkpoint/open.ts";
import { type FileDtype, itemBytes, toNumbers } from "../../data/formats/dtypes.ts";
import type { SafetensorsFile } from "../../data/formats/safetensors.ts";
import type { StoredTensor, WeightFile } from "../../data/formats/weights.ts";
import { checkpointSteps, loadCheckpoint, newestCheckpoint, stepOf } from "../../model/checkpoint/folder.ts";
import { type Inspection, pageOf, type TensorRow, contentTree } from "../pages/inspect-page.ts";
import { print, printResult } from "../terminal/streams.ts";

interface Flags {
  json?: boolean;
  norms: boolean;
  digest?: boolean;
  inert: string[];
}

export function command(): Command {
  return new Command()
    .argument("<file>", ".pt, .pth, .safetensors, .safetensors.index.json, a run's folder or one of its checkpoints")
    .option("--json", "one JSON object instead of text")
    .option("--no-norms", "names and shapes only; reads no weights")
    .option("--digest", "one sha256 over all tensors, of a run's newest checkpoint the optimizer's too")
    .option("--inert <class>", "accept this class in a pickle as data (may be repeated)", collect, [])
    .action(inspect);
}

const collect = (name: string, names: string[]) => [...names, name];

async function inspect(path: string, { json, norms, digest, inert }: Flags): Promise<void> {
  if (digest && json) throw new UsageError("--digest prints one line; it does not go with --json");
  if (digest) return void print(await digestOf(path, inert));
  const inspection = await inspectModel(path, { norms, inert });
  printResult(json, inspection, pageOf);
}

/** Looks at a file of weights or a run's folder. With `norms`, every tensor is read, and so checked. */
export async function inspectModel(
  path: string,
  { norms = true, inert = [] }: { norms?: boolean; inert?: readonly string[] } = {},
): Promise<Inspection> {
  const { file, stored, fault } = await openModelFile(path, { inert });
  try {
    const { kind, reason, notes, config } = describe(file, stored);
    const tensors: TensorRow[] = [];
    for (const [name, { dtype, shape }] of file.tensors)
      tensors.push({ name, dtype, shape, ...(norms && (await statistics(file, name, dtype))) });
    const sum = (of: (tensor: StoredTensor) => number) => tensors.reduce((total, each) => total + of(each), 0);
    return {
      file: basename(file.path),
      format: file.format,
      kind,
      reason,
      notes: fault === undefined ? notes : [...notes, fault],
      config,
      tensors,
      elements: sum(({ shape }) => countOf(shape)),
      bytes: sum(({ shape, dtype }) => countOf(shape) * itemBytes[dtype]),
      nonFinite: tensors.filter(({ nonFinite = 0 }) => nonFinite > 0).map(({ name }) => name),
      content: contentTree(file.content),
    };
  } finally {
    await file.close();
  }
}

const countOf = (shape: readonly number[]) => shape.reduce((n, length) => n * length, 1);

/** Sums in float64, a piece at a time. */
async function statistics(
  file: WeightFile,
  name: string,
  dtype: FileDtype,
): Promise<{ norm: number; nonFinite: number }> {
  let sum = 0;
  let nonFinite = 0;
  for await (const piece of file.chunks(name)) {
    const values = toNumbers(dtype, piece);
    for (let i = 0; i < values.length; i++) {
      const square = values[i] * values[i];
      if (values[i] - values[i] === 0) sum += square;
      else nonFinite++;
    }
  }
  return { norm: Math.sqrt(sum), nonFinite };
}

/** sha256 over name, dtype, shape and bytes of every tensor, sorted by name. */
async function digestOf(path: string, inert: readonly string[]): Promise<string> {
  const hash = createHash("sha256");
  const add = async (file: Hashable) => {
    for (const name of [...file.tensors.keys()].sort()) {
      const { dtype, shape } = file.tensors.get(name)!;
      hash.update(`${JSON.stringify([name, dtype, shape])}\n`);
      for await (const piece of file.chunks(name)) hash.update(piece);
    }
  };
  const checkpoint = await checkpointOf(path);
  if (checkpoint) {
    try {
      await add(checkpoint.model);
      await add(checkpoint.optimizer);
    } finally {
      await checkpoint.close();
    }
  } else {
    const { file } = await openModelFile(path, { inert });
    try {
      await add(file);
    } finally {
      await file.close();
    }
  }
  return hash.digest("hex");
}

type Hashable = Pick<WeightFile, "tensors" | "chunks"> | SafetensorsFile;

/** The checkpoint that a folder is or holds; undefined for a file. */
async function checkpointOf(path: string) {
  if (!(await stat(path).catch(() => undefined))?.isDirectory()) return undefined;
  if (stepOf(basename(path)) !== undefined) return loadCheckpoint(path);
  if ((await checkpointSteps(path)).length === 0) return undefined;
  const warn = (line: string) => void process.stderr.write(`${line}\n`);
  const newest = await newestCheckpoint(path, warn);
  if (!newest) throw new FormatError(`${basename(path)}: holds no checkpoint`);
  return newest;
}
