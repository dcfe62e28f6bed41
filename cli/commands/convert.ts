// `emotionclip convert`: any readable file of weights -> safetensors, streamed. The result appears whole or not at all.
import { stat } from "node:fs/promises";
import { basename, dirname, resolve } from "node:path";
import { Command, Option } from "commander";
import { AtomicFile, checkSpace, listFolder, makeFolder, remove, type Written } from "../../data/formats/disk.ts";
import { UsageError } from "../../engine/errors.ts";
import { configNamed } from "../../model/checkpoint/config-file.ts";
import { openModel } from "../../model/checkpoint/open.ts";
import { safetensorsBytes, safetensorsSize } from "../../data/formats/safetensors.ts";
import { type ShardedFile, shardedFiles } from "../../data/formats/safetensors-index.ts";
import { type Side, sideOf, sideText } from "../../data/pixels/side.ts";
import { below } from "../../data/formats/below.ts";
import { type Conversion, planConversion } from "../../model/checkpoint/conversion.ts";
import { CONFIG, whole } from "../flags.ts";
import { printResult } from "../terminal/streams.ts";
import { bytesOf } from "../gpu.ts";

interface Flags {
  dtype: "keep" | "f32" | "f16" | "bf16";
  part: "model" | "all";
  shardSize?: string;
  image?: string;
  config?: string;
  prefix?: string;
  strict: boolean;
  inert: string[];
  json?: boolean;
}

export function command(): Command {
  return new Command()
    .argument("<in>", ".pt, .pth, .safetensors, .safetensors.index.json, a run's folder or one of its checkpoints")
    .argument("<out>", "a .safetensors file; with --shard-size several beside a .safetensors.index.json")
    .addOption(new Option("--dtype <format>", "number format").choices(["keep", "f32", "f16", "bf16"]).default("keep"))
    .addOption(
      new Option("--part <part>", "the model under its official names, or all, optimizer included")
        .choices(["model", "all"])
        .default("model"),
    )
    .option("--shard-size <size>", "most bytes of tensors in one file: 500M, 2G")
    .option("--image <side>", "resize positions for frames of this many pixels: 384, or height x width: 256x128")
    .option("--prefix <prefix>", "take only tensors whose names begin so, without it: one of several models in a file")
    .option(...CONFIG)
    .option("--no-strict", "take names and shapes that do not fit the model as they are")
    .option(
      "--inert <class>",
      "accept this class in a pickle as data (may be repeated)",
      (name, all) => [...all, name],
      [] as string[],
    )
    .option("--json", "one JSON object instead of text")
    .action(convert);
}

async function convert(from: string, to: string, flags: Flags): Promise<void> {
  const shard = flags.shardSize === undefined ? undefined : sizeOf(flags.shardSize);
  const stem = await stemOf(from, to, shard !== undefined);
  const config = flags.config === undefined ? undefined : await configNamed(flags.config);
  const opened = await openModel(from, { inert: flags.inert }, config);
  const { stored } = opened;
  try {
    const file = flags.prefix === undefined ? opened.file : below(opened.file, flags.prefix);
    const { dtype, part, strict } = flags;
    const image = flags.image === undefined ? undefined : imageFlag(flags.image);
    const plan = await planConversion(file, { dtype, part, strict, image, config }, stored);
    const files = filesOf(plan, basename(stem), shard);
    const written = await writeInto(dirname(to), files);
    printResult(flags.json, summary(from, plan, written), () => page(plan, written));
  } finally {
    await opened.file.close();
  }
}

/** "384", or "256x128": height first. */
function imageFlag(text: string): Side {
  const [height, width = height, ...rest] = text.split("x").map((length) => whole("image", length, 1, 4096));
  if (rest.length > 0) throw new UsageError(`--image: "${text.slice(0, 40)}" is neither 384 nor 256x128`);
  return sideOf(height, width);
}

function sizeOf(text: string): number {
  try {
    return bytesOf(text);
  } catch {
    throw new UsageError(`--shard-size: "${text.slice(0, 40)}" is not a size such as 500M or 2G`);
  }
}

/** The result's path without its ending; it must be a safetensors file, and not the one that is read. */
async function stemOf(from: string, to: string, isSharded: boolean): Promise<string> {
  const stem = /^(.*[^/\\])\.safetensors(\.index\.json)?$/s.exec(to);
  if (!stem) throw new UsageError(`${basename(to)}: only .safetensors is written`);
  if (stem[2] && !isSharded) throw new UsageError(`${basename(to)}: an index goes with --shard-size`);
  const found = await stat(to).catch(() => undefined);
  if (found?.isDirectory()) throw new UsageError(`${to}: is a folder`);
  const own = resolve(from).replace(/\.safetensors(\.index\.json)?$/, "");
  if (own === resolve(stem[1])) throw new UsageError(`${to}: would take the place of what is read`);
  return stem[1];
}

function filesOf({ entries, metadata }: Conversion, stem: string, shard: number | undefined): ShardedFile[] {
  if (shard !== undefined) return shardedFiles(entries, shard, stem, metadata);
  const size = safetensorsSize(entries, metadata);
  return [{ name: `${stem}.safetensors`, size, bytes: () => safetensorsBytes(entries, metadata) }];
}

type WrittenFile = Written & { readonly name: string };

/** Writes all files into a folder, made where it is not there; after a fault neither it nor they are. */
async function writeInto(folder: string, files: readonly ShardedFile[]): Promise<WrittenFile[]> {
  const takeBack = await makeFolder(folder);
  try {
    return await writeAll(folder, files);
  } catch (error) {
    await takeBack();
    throw error;
  }
}

/** Writes all files, then gives them their names, the last one last; after a fault none is there. */
async function writeAll(folder: string, files: readonly ShardedFile[]): Promise<WrittenFile[]> {
  const total = files.reduce((sum, { size }) => sum + size, 0);
  await checkSpace(folder, total, "the result");
  const before = new Set(await listFolder(folder));
  const open: AtomicFile[] = [];
  const said = announcer(total);
  try {
    for (const { name, bytes } of files) {
      const file = await AtomicFile.create(`${folder}/${name}`);
      open.push(file);
      for await (const piece of bytes()) {
        await file.write(piece);
        said(piece.byteLength);
      }
    }
    const written: WrittenFile[] = [];
    const index = files.at(-1)!.name; // it says that the shards belong together: an old one must not speak of new ones
    if (files.length > 1 && before.has(index)) await remove(`${folder}/${index}`);
    for (const [i, { name }] of files.entries()) {
      written.push({ name, ...(await open[i].commit()) });
    }
    return written;
  } catch (error) {
    for (const file of open) await file.abort();
    for (const { name } of files) if (!before.has(name)) await remove(`${folder}/${name}`).catch(() => {});
    throw error;
  }
}

/** A line on stderr for each further tenth of a long conversion. */
function announcer(total: number): (bytes: number) => void {
  let done = 0;
  let shown = 0;
  return (bytes) => {
    done += bytes;
    const tenth = Math.floor((10 * done) / total);
    if (total < 2 ** 28 || tenth <= shown) return;
    shown = tenth;
    process.stderr.write(`${10 * tenth} % of ${megabytes(total)}\n`);
  };
}

const megabytes = (bytes: number) => `${(bytes / 1e6).toFixed(1)} MB`;

function summary(
  from: string,
  { kind, entries, config, resized, notes }: Conversion,
  files: readonly WrittenFile[],
): object {
  return {
    in: basename(from),
    kind,
    tensors: entries.length,
    config: config ?? null,
    resized: resized ?? null,
    notes,
    files,
  };
}

function page({ kind, entries, resized, notes }: Conversion, files: readonly WrittenFile[]): string {
  const bytes = files.reduce((sum, file) => sum + file.bytes, 0);
  return [
    `${kind}: ${entries.length} tensors, ${megabytes(bytes)}`,
    ...(resized ? [`positions resized from ${sideText(resized.from)} to ${sideText(resized.to)}`] : []),
    ...notes.map((note) => `note: ${note}`),
    ...files.map(({ name, sha256 }) => `${sha256}  ${name}`),
    "",
  ].join("\n");
}
