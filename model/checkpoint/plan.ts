// How a file fills a model: every parameter's place in the file, what is missing, unexpected or of another shape. Pure but for
// reading a few small tensors, so that a bad file is refused before a GPU is opened.
import { basename } from "node:path";
import { quoted } from "../../data/formats/json.ts";
import { CheckpointError, FormatError, nearest } from "../../engine/errors.ts";
import type { GpuOptions, Tensor } from "../../engine/index.ts";
import type { FileDtype } from "../../data/formats/dtypes.ts";
import { Init, named } from "../params.ts";
import type { Side } from "../../data/pixels/side.ts";
import { withMade } from "../../data/formats/made.ts";
import type { WeightFile } from "../../data/formats/weights.ts";
import { describe, familiesText, type Known, type Usual } from "../families.ts";
import type { Description, Family, Resize, VideoText } from "../family.ts";

export interface PlanOptions {
  /** The family of the model that is wanted, where a file could begin several: weights of CLIP alone. */
  readonly family?: Family;
  /** Parts of the configuration that the file does not tell, or that are to differ: heads, activation, image, head, subject. */
  readonly config?: object;
  /** Side of the frames in pixels, or [height, width], where it is to differ: positions are resized to its grid. */
  readonly image?: Side;
  /** Refuse missing and unexpected names and other shapes (default); otherwise they are listed, and start fresh. */
  readonly strict?: boolean;
  /** Of the parameters that the file does not have. */
  readonly seed?: number;
}

/** What loading a file came to. */
export interface LoadReport {
  readonly kind: Description["kind"];
  /** The grids between which the frame tower's positions were resized. */
  readonly resized: Resize | undefined;
  /** Parameters with seeded initial values: a head on a backbone, SAAM's, and what is missing when not strict. */
  readonly fresh: readonly string[];
  /** Parameters of the model that the file does not have, and names of the file that are no parameters. */
  readonly missing: readonly string[];
  readonly unexpected: readonly string[];
  /** Names whose shape does not fit, when not strict. */
  readonly misshapen: readonly string[];
  /** Remarks for a person, in sentences. */
  readonly notes: readonly string[];
}

/** Where a parameter comes from. */
export interface ParameterSource {
  readonly name: string;
  readonly tensor: Tensor;
  readonly stored: string;
  readonly dtype: FileDtype;
  /** The grids between which it is resized. */
  readonly resize: Resize | undefined;
}

/** A file that fits a model that has no memory yet. */
export interface LoadPlan<M extends VideoText = Usual> {
  readonly file: WeightFile;
  readonly family: Family;
  readonly config: M["config"];
  readonly model: M;
  /** By official name. */
  readonly parameters: ReadonlyMap<string, Tensor>;
  readonly init: Init;
  /** In file order. */
  readonly sources: readonly ParameterSource[];
  readonly report: LoadReport;
  /** How the GPU is opened that it goes to, where a command opens one for it (open-model.ts). */
  readonly gpu?: GpuOptions;
}

/** Plans how an open file fills a model; `stored` is a configuration that lies beside the file. Errors begin with its name. */
export async function planLoad<M extends VideoText = Usual>(
  file: WeightFile,
  options: PlanOptions = {},
  stored?: Known,
): Promise<LoadPlan<M>> {
  try {
    return await plan<M>(file, options, stored);
  } catch (error) {
    const { message } = error as Error;
    const name = basename(file.path);
    if (error instanceof CheckpointError && !message.startsWith(name))
      throw new CheckpointError(`${name}: ${message}`, { cause: error });
    throw error;
  }
}

async function plan<M extends VideoText>(
  opened: WeightFile,
  { strict = true, seed = 0, config: override, image, family: asked }: PlanOptions,
  beside?: Known,
): Promise<LoadPlan<M>> {
  const { stored, known } = asked ? ofFamily(asked, beside, override) : { stored: beside, known: override };
  const description = describe(opened, stored, asked && [asked]);
  if (description.kind === "unknown")
    throw new FormatError(
      `${basename(opened.path)}: not a model of ${familiesText(asked && [asked])}: ${description.reason}`,
    );
  const { family, layout } = description;
  const file = withMade(opened, layout.made);
  const config = family.decide(description, known, image);
  const init = new Init(seed);
  const model = family.build(config, init);
  const parameters = new Map(named(model));
  const notes = [...description.notes, ...(await family.filling.check(file, layout.names, config, strict))];
  const { sources, fresh, faults } = matched(file, description, config, parameters);
  if (strict) refuse(file, faults, parameters, layout.names, layout.prefix);
  const resized = sources.find(({ resize }) => resize)?.resize;
  const report = { kind: description.kind, resized, fresh, ...faults, notes };
  return { file, family, config, model: model as M, parameters, init, sources, report };
}

/** A configuration of another family beside a file tells of the towers alone. */
function ofFamily(family: Family, stored: Known | undefined, override: object = {}) {
  if (!stored || stored.family === family) return { stored, known: override };
  const known: Record<string, unknown> = { ...stored.family.towers?.(stored.config) };
  for (const [name, value] of Object.entries(override))
    known[name] = value && typeof value === "object" ? { ...(known[name] as object), ...value } : value;
  return { stored: undefined, known };
}

/** Each parameter with its place in the file, in file order, and what does not fit. */
function matched(
  file: WeightFile,
  { family, layout, held }: Description,
  config: object,
  parameters: ReadonlyMap<string, Tensor>,
) {
  const { alias, constants, isAdded } = family.filling;
  const { names, backboneOnly } = layout;
  const faults = { missing: [] as string[], unexpected: [] as string[], misshapen: [] as string[] };
  const sources: ParameterSource[] = [];
  const fresh: string[] = [];
  for (const [name, tensor] of parameters) {
    const from = names.get(name) ?? names.get(alias.get(name) ?? "");
    const found =
      from === undefined
        ? "absent"
        : sourceOf(file, name, tensor, from, (shape) => family.filling.resize(name, shape, tensor.shape, config, held));
    if (typeof found === "object") sources.push(found);
    else fresh.push(name);
    if (found === "absent" && !(backboneOnly && isAdded(name))) faults.missing.push(name);
    if (found === "misshapen") faults.misshapen.push(name);
  }
  const second = new Set(alias.values());
  for (const [name, from] of names)
    if (!parameters.has(name) && !constants.has(name) && !second.has(name)) faults.unexpected.push(from);
  const order = new Map([...file.tensors.keys()].map((name, i) => [name, i]));
  sources.sort((a, b) => order.get(a.stored)! - order.get(b.stored)!);
  return { sources, fresh, faults };
}

function sourceOf(
  file: WeightFile,
  name: string,
  tensor: Tensor,
  stored: string,
  resized: (shape: readonly number[]) => Resize | undefined,
): ParameterSource | "misshapen" {
  const { dtype, shape } = file.tensors.get(stored)!;
  if (!/^B?F\d+$/.test(dtype))
    throw new CheckpointError(`${quoted(stored)} is ${dtype}; parameters are F64, F32, F16 or BF16`);
  const source = { name, tensor, stored, dtype, resize: undefined };
  const resize = resized(shape);
  if (resize) return { ...source, resize };
  return same(longer(shape), longer(tensor.shape)) ? source : "misshapen";
}

/** The axes that matter: [1, D] has the numbers of [D] in the same order, and one number is one, whether [] or [1]. */
const longer = (shape: readonly number[]) => shape.filter((size) => size !== 1);

const same = (a: readonly number[], b: readonly number[]) =>
  a.length === b.length && a.every((size, i) => size === b[i]);

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
    ...linesUnder("missing", missing, (name) => quoted(name) + near(prefix + name, unexpected)),
    ...linesUnder("unexpected", unexpected, (name) => quoted(name) + near(name, known)),
    ...linesUnder("shape", misshapen, (name) => {
      const { shape } = file.tensors.get(names.get(name)!)!;
      return `${name} is [${shape.slice(0, 8)}] in the file, [${parameters.get(name)!.shape}] in the model`;
    }),
  ];
  throw new CheckpointError(`names do not fit the model: ${summary.join(", ")}\n${lines.join("\n")}`);
}

/** The first names under a label, a line each, and how many more there are. */
export function linesUnder(label: string, names: readonly string[], line: (name: string) => string): string[] {
  const lines = names.slice(0, shown).map((name) => `  ${label.padEnd(11)} ${line(name)}`);
  if (names.length > shown) lines.push(`  ${"".padEnd(11)} and ${names.length - shown} more`);
  return lines;
}
