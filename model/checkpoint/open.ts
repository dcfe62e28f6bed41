// From a path to one open file of weights: a file is itself; of a run's folder it is the model at its end, or else the newest
// checkpoint, whose bytes are checked against its manifest.
import { existsSync } from "node:fs";
import { readdir, stat } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { causeOf } from "../../data/formats/cause.ts";
import { type Json, parseJson } from "../../data/formats/json.ts";
import { readRegular } from "../../data/formats/regular.ts";
import { FormatError } from "../../engine/errors.ts";
import { besideOf, type Known, readConfig, storedIn } from "../families.ts";
import { type WeightOptions, openWeights, type WeightFile } from "../../data/formats/weights.ts";
import { checkpointName, checkpointSteps, readManifest, verify } from "./folder.ts";

/** An open file, and the configuration that lies beside it. */
export interface ModelFile {
  readonly file: WeightFile;
  readonly stored: Known | undefined;
  /** Why the configuration that should lie beside it is not known; its shapes alone would not tell heads of attention. */
  readonly fault?: string;
}

/** Opens the file of a model, as `openModelFile`; refuses one whose configuration is lost and not `given` either. */
export async function openModel(path: string, options: WeightOptions, given: object | undefined): Promise<ModelFile> {
  const opened = await openModelFile(path, options);
  if (!opened.fault || given) return opened;
  await opened.file.close();
  throw new FormatError(opened.fault);
}

/** Opens .pt, .pth, .safetensors, .safetensors.index.json, a run folder or one of its checkpoints. */
export async function openModelFile(path: string, options: WeightOptions = {}): Promise<ModelFile> {
  const isFolder = await stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
  if (!isFolder) return openAlone(path, { inert: options.inert });
  const names = await readdir(path).catch((error: NodeJS.ErrnoException) => {
    throw new FormatError(`${basename(path)}: a folder that cannot be read: ${causeOf(error)}`, { cause: error });
  });
  const whole = ["checkpoint.safetensors", "model.safetensors.index.json"].find((name) => names.includes(name));
  if (whole) return openAlone(join(path, whole), { inert: options.inert });
  if (names.includes("manifest.json")) return openCheckpoint(path);
  const foreign = published.find((name) => names.includes(name));
  if (foreign) return openAlone(join(path, foreign), { inert: options.inert });
  const [newest] = await checkpointSteps(path);
  if (newest !== undefined) return openCheckpoint(join(path, checkpointName(newest)));
  throw new FormatError(
    `${basename(path)}: a folder without checkpoint.safetensors, a checkpoint ckpt-… or ${published[0]}`,
  );
}

/** The weights in a folder as Hugging Face's hub has them. */
const published = [
  "model.safetensors",
  "pytorch_model.bin",
  "open_clip_model.safetensors",
  "open_clip_pytorch_model.bin",
];

/** One file, with the configuration that lies beside it where files of its kind have one. */
async function openAlone(path: string, options: WeightOptions): Promise<ModelFile> {
  const file = await openWeights(path, options);
  const name = besideOf(file);
  const config = name === undefined || storedIn(file) ? undefined : join(dirname(file.path), name);
  if (config === undefined || !existsSync(config)) return { file, stored: undefined };
  const label = basename(dirname(resolve(config)));
  try {
    return { file, stored: readConfig(await readJson(config, label), `${label}/${name}`) };
  } catch (error) {
    return { file, stored: undefined, fault: (error as Error).message };
  }
}

async function openCheckpoint(folder: string): Promise<ModelFile> {
  const label = basename(resolve(folder));
  const file = await openWeights(join(folder, "model.safetensors"));
  try {
    const { files } = await readManifest(resolve(folder));
    await verify(join(folder, "model.safetensors"), files["model.safetensors"], `${label}/model.safetensors`);
    const config = join(dirname(resolve(folder)), "config.json");
    if (storedIn(file)) return { file, stored: undefined }; // it tells itself
    const model = await readJson(config, basename(dirname(config))).then(
      (settings) => readConfig(field(settings, "model") ?? null, `${basename(dirname(config))}/config.json: model`),
      (error: Error) => error,
    );
    return model instanceof Error ? { file, stored: undefined, fault: model.message } : { file, stored: model };
  } catch (error) {
    await file.close();
    throw error;
  }
}

async function readJson(path: string, label: string): Promise<Json> {
  const file = `${label}/${basename(path)}`;
  return parseJson(await readRegular(path, 2 ** 20, file), file, 2 ** 20);
}

/** A member of an object; undefined of anything else. */
function field(json: Json | undefined, name: string): Json | undefined {
  if (json === null || typeof json !== "object" || Array.isArray(json)) return undefined;
  return json[name];
}
