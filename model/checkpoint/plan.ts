// How a file fills a model: every parameter's place in the file, what is missing, unexpected or of another shape. Pure but for
// reading a few small tensors, so that a bad file is refused before a GPU is opened.
import { basename } from "node:path";
import { quoted } from "../../data/formats/json.ts";
import { CheckpointError, FormatError, nearest } from "../../engine/errors.ts";
import type { GpuOptions, Tensor } from "../../engine/index.ts";
import { gridOf, type ModelConfig } from "../emotionclip/config.ts";
import type { Dtype } from "../../data/formats/dtypes.ts";
import { EmotionClip } from "../emotionclip/emotionclip.ts";
import { Init, named } from "../params.ts";
import type { WeightFile } from "../../data/formats/weights.ts";
import { type ConfigOverride, decide, type Description, describe } from "./describe.ts";

export interface PlanOptions {
  /** Parts of the configuration that the file does not tell, or that are to differ: heads, activation, image, head, subject. */
  readonly config?: ConfigOverride;
  /** Refuse missing and unexpected names and other shapes (default); otherwise they are listed, and start fresh. */
  readonly strict?: boolean;
  /** Of the parameters that the file does not have. */
  readonly seed?: number;
}

/** What loading a file came to. */
export interface LoadReport {
  readonly kind: Description["kind"];
  /** Sides of the grids between which the frame tower's positions were resized. */
  readonly resized: { readonly from: number; readonly to: number } | undefined;
  /** Parameters with seeded initial values: a head on a backbone, SAAM's, and what is missing when not strict. */
  readonly fresh: readonly string[];
  readonly missing: readonly string[];
  readonly unexpected: readonly string[];
  /** Names whose shape does not fit, when not strict. */
  readonly misshapen: readonly string[];
  /** Remarks for a person, in sentences. */
  readonly notes: readonly string[];
}

/** Where a parameter comes from. */
export interface Source {
  readonly name: string;
  readonly tensor: Tensor;
  readonly stored: string;
  readonly dtype: Dtype;
  /** The grids between which it is resized. */
  readonly resize: { readonly from: number; readonly to: number } | undefined;
}

/** A file that fits a model that has no memory yet. */
export interface LoadPlan {
  readonly file: WeightFile;
  readonly config: ModelConfig;
  readonly model: EmotionClip;
  /** By official name. */
  readonly parameters: ReadonlyMap<string, Tensor>;
  readonly init: Init;
  /** In file order. */
  readonly sources: readonly Source[];
  readonly report: LoadReport;
  /** How the GPU is opened that it goes to, where a command opens one for it (open-model.ts). */
  readonly gpu?: GpuOptions;
}

const positions = "backbone.visual.positional_embedding";
const frameNumbers = "visual_head.position_ids";
const scales = ["logit_scale", "backbone.logit_scale"] as const;

/** Plans how an open file fills a model; `stored` is a configuration that lies beside the file. Errors begin with its name. */
export async function planLoad(file: WeightFile, options: PlanOptions = {}, stored?: ModelConfig): Promise<LoadPlan> {
  try {
    return await plan(file, options, stored);
  } catch (error) {
    const { message } = error as Error;
    const name = basename(file.path);
    if (error instanceof CheckpointError && !message.startsWith(name))
      throw new CheckpointError(`${name}: ${message}`, { cause: error });
    throw error;
  }
}

async function plan(file: WeightFile, options: PlanOptions, stored?: ModelConfig): Promise<LoadPlan> {
  const { strict = true, seed = 0 } = options;
  const description = describe(file, stored);
  if (description.kind === "unknown")
    throw new FormatError(`${basename(file.path)}: not a model of CLIP or EmotionCLIP: ${description.reason}`);
  const config = decide(description, options.config);
  const init = new Init(seed);
  const model = new EmotionClip(config, init);
  const parameters = new Map(named(model));
  const { names, backboneOnly } = description.layout;
  const notes = [...description.notes, ...(await checkConstants(file, names, config, strict))];

  const faults = { missing: [] as string[], unexpected: [] as string[], misshapen: [] as string[] };
  const sources: Source[] = [];
  const fresh: string[] = [];
  for (const [name, tensor] of parameters) {
    const from = names.get(name) ?? (name === scales[0] ? names.get(scales[1]) : undefined);
    const found = from === undefined ? "absent" : sourceOf(file, name, tensor, from, config);
    if (typeof found === "object") sources.push(found);
    else fresh.push(name);
    if (found === "absent" && !(backboneOnly && isOurs(name))) faults.missing.push(name);
    if (found === "misshapen") faults.misshapen.push(name);
  }
  for (const [name, from] of names)
    if (!parameters.has(name) && name !== frameNumbers && name !== scales[1]) faults.unexpected.push(from);
  if (strict) refuse(file, faults, parameters, names, description.layout.prefix);

  const order = new Map([...file.tensors.keys()].map((name, i) => [name, i]));
  sources.sort((a, b) => order.get(a.stored)! - order.get(b.stored)!);
  const resized = sources.find(({ resize }) => resize)?.resize;
  const report = { kind: description.kind, resized, fresh, ...faults, notes };
  return { file, config, model, parameters, init, sources, report };
}

/** What a CLIP backbone does not have: the temporal head, and the parameters of SAAM. */
const isOurs = (name: string) => name.startsWith("visual_head.") || /\.(hmn_embedding|saam_logit)$/.test(name);

function sourceOf(
  file: WeightFile,
  name: string,
  tensor: Tensor,
  stored: string,
  config: ModelConfig,
): Source | "misshapen" {
  const { dtype, shape } = file.tensors.get(stored)!;
  if (!/^B?F\d+$/.test(dtype))
    throw new CheckpointError(`${quoted(stored)} is ${dtype}; parameters are F64, F32, F16 or BF16`);
  const source = { name, tensor, stored, dtype, resize: undefined };
  if (same(shape, tensor.shape)) return source;
  const from = Math.round(Math.sqrt(shape[0] - 1));
  const fits = name === positions && shape.length === 2 && from >= 1 && from ** 2 + 1 === shape[0];
  if (!fits || shape[1] !== tensor.shape[1]) return "misshapen";
  return { ...source, resize: { from, to: gridOf(config.vision) } };
}

const same = (a: readonly number[], b: readonly number[]) =>
  a.length === b.length && a.every((size, i) => size === b[i]);

/** The constants of a checkpoint hold what they must: frame numbers 0, 1, …; one logit_scale under its two names. */
async function checkConstants(
  file: WeightFile,
  names: ReadonlyMap<string, string>,
  { head }: ModelConfig,
  strict: boolean,
): Promise<string[]> {
  const ids = names.get(frameNumbers);
  if (ids !== undefined) {
    const { shape } = file.tensors.get(ids)!;
    const values = shape.length === 1 && shape[0] === head.frames ? await file.floats(ids) : undefined;
    if (!values?.every((value, i) => value === i))
      throw new CheckpointError(`${quoted(ids)} is not 0 to ${head.frames - 1}, the numbers of the frames`);
  }
  const [a, b] = scales.map((name) => names.get(name));
  if (a === undefined || b === undefined) return [];
  const read = async (name: string) =>
    file.tensors.get(name)!.shape.length ? undefined : (await file.floats(name))[0];
  const [x, y] = [await read(a), await read(b)];
  if (x === y && x !== undefined) return [];
  const fault = `${quoted(a)} is ${x}, ${quoted(b)} is ${y}: one parameter under two names`;
  if (strict) throw new CheckpointError(fault);
  return [`${fault}; the first is taken`];
}

const shown = 12;

/** Throws one error that lists every fault, each name with the nearest of the other side. */
function refuse(
  file: WeightFile,
  faults: Pick<LoadReport, "missing" | "unexpected" | "misshapen">,
  parameters: ReadonlyMap<string, Tensor>,
  names: ReadonlyMap<string, string>,
  prefix: string,
): void {
  const { missing, unexpected, misshapen } = faults;
  const counts: [readonly string[], string][] = [
    [missing, "missing"],
    [unexpected, "unexpected"],
    [misshapen, "of another shape"],
  ];
  const summary = counts.filter(([{ length }]) => length).map(([{ length }, what]) => `${length} ${what}`);
  if (summary.length === 0) return;
  const near = (name: string, known: readonly string[]) => {
    const found = nearest(name, known.slice(0, 2000));
    return found ? ` (did you mean ${quoted(found)}?)` : "";
  };
  const known = [...parameters.keys()].map((name) => prefix + name);
  const lines = [
    ...listed("missing", missing, (name) => quoted(name) + near(prefix + name, unexpected)),
    ...listed("unexpected", unexpected, (name) => quoted(name) + near(name, known)),
    ...listed("shape", misshapen, (name) => {
      const { shape } = file.tensors.get(names.get(name)!)!;
      return `${name} is [${shape.slice(0, 8)}] in the file, [${parameters.get(name)!.shape}] in the model`;
    }),
  ];
  throw new CheckpointError(`names do not fit the model: ${summary.join(", ")}\n${lines.join("\n")}`);
}

function listed(label: string, names: readonly string[], line: (name: string) => string): string[] {
  const lines = names.slice(0, shown).map((name) => `  ${label.padEnd(11)} ${line(name)}`);
  if (names.length > shown) lines.push(`  ${"".padEnd(11)} and ${names.length - shown} more`);
  return lines;
}
