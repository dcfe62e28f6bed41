// What a file of weights with CLIP's towers holds: its sizes by names and shapes, and what it says of itself.
import { EngineError, CheckpointError } from "../../engine/errors.ts";
import { at, type Stored } from "../../data/formats/content.ts";
import { madeTensors } from "../../data/formats/made.ts";
import type { Description } from "../family.ts";
import type { TowerActivation, TowersConfig } from "./config.ts";
import { layoutOf, type OwnFiles } from "./layout.ts";
import { openQuestion, type Tensors, type TowerSizes } from "./sizes.ts";

/** What a family says of the files of its models. */
export interface FileRules<C extends TowersConfig, S extends TowerSizes> {
  readonly files: OwnFiles;
  /** Reads the sizes off the shapes. Errors: CheckpointError. */
  sizesOf(tensors: Tensors, backboneOnly: boolean): S;
  /** The configuration of such sizes; heads that nobody can guess are 0. */
  configOf(sizes: S, activation: TowerActivation): C;
  /** Why there can be no such model. */
  faultOf(config: C): string | undefined;
  /** Sizes of the family's own parts that a configuration must agree with, below a label of messages. */
  ownSizes(sizes: S, config: C): readonly (readonly [label: string, found: object, given: object | undefined])[];
}

/** Describes a file by its header alone; never fails. `stored` is the configuration that it carries, or that lies beside it. */
export function describeFile<C extends TowersConfig, S extends TowerSizes>(
  file: Stored,
  rules: FileRules<C, S>,
  stored?: C,
): Omit<Description<C>, "family"> {
  const layout = layoutOf(file, rules.files);
  const { notes: dropped = [] } = layout;
  const unknown = { kind: layout.kind, layout, sizes: undefined, config: undefined, notes: dropped };
  if (layout.kind === "unknown") return { ...unknown, reason: layout.reason };
  try {
    const tensors = madeTensors(file.tensors, layout.made);
    const sizes = rules.sizesOf(
      new Map([...layout.names].map(([to, from]) => [to, tensors.get(from)!])),
      layout.backboneOnly,
    );
    const kind = layout.backboneOnly ? layout.kind : `${rules.files.family} of this program`;
    if (stored) return { kind, layout, sizes, held: stored, config: stored, reason: "", notes: dropped };
    const { activation, note } = activationOf(file, layout.kind, rules.files);
    const config = rules.configOf(sizes, activation);
    const notes = note ? [...dropped, note] : dropped;
    const reason = rules.faultOf(config);
    if (!reason) return { kind: layout.kind, layout, sizes, config, reason: "", notes };
    return { kind: layout.kind, layout, sizes, config, reason: openQuestion(config, sizes) ?? reason, notes };
  } catch (error) {
    if (!(error instanceof EngineError)) throw error;
    const whose = layout.kind === "Hugging Face CLIP" ? "names of Hugging Face's CLIP, but " : "";
    return { ...unknown, reason: whose + error.message };
  }
}

/** No tensor shows it: OpenAI's models have QuickGELU; others say it in the name of configuration or file, if at all. */
function activationOf(
  file: Stored,
  kind: string,
  { activation }: OwnFiles,
): { activation: TowerActivation; note?: string } {
  if (activation && kind.startsWith(activation.of)) return { activation: activation.is };
  if (kind === "OpenAI CLIP") return { activation: "quickGelu" };
  if (kind === "Hugging Face CLIP")
    return {
      activation: "quickGelu",
      note: "its tensors do not tell activation and heads, which config.json beside them or --config would: QuickGELU (LAION's have gelu) and width/64 unless given",
    };
  const named = at(file.content, "args", "backbone_config");
  if (typeof named === "string" && /quickgelu/i.test(named))
    return { activation: "quickGelu", note: "QuickGELU, as the checkpoint's backbone_config says" };
  if (/quickgelu/i.test(file.path.replace(/^.*[\\/]/, "")))
    return { activation: "quickGelu", note: "QuickGELU, as the file's name says" };
  return { activation: "gelu" };
}

/** The configuration to load a described file with, checked against the file. Errors: CheckpointError. */
export function checkedConfig<C extends TowersConfig, S extends TowerSizes>(
  { sizes, config, reason }: Description<C>,
  rules: FileRules<C, S>,
  merge: (config: C) => C,
): C {
  if (!sizes || !config) throw new CheckpointError(reason);
  const merged = merge(config);
  const differing = differences(sizes as S, merged, rules);
  if (differing.length)
    throw new CheckpointError(
      `a model of other sizes than the configuration's\n  ${differing.slice(0, 12).join("\n  ")}`,
    );
  const fault = openQuestion(merged, sizes as S) ?? rules.faultOf(merged);
  if (fault) throw new CheckpointError(fault);
  return merged;
}

/** Where the configuration is not what the shapes say. The image's size may differ: positions can be resized. */
function differences<C extends TowersConfig, S extends TowerSizes>(
  sizes: S,
  config: C,
  rules: FileRules<C, S>,
): string[] {
  const { embed, vision, text } = sizes;
  const { image: _, ...fixed } = vision;
  const parts = [
    ["", { embed }, config],
    ["vision.", fixed, config.vision],
    ["text.", text, config.text],
    ...rules.ownSizes(sizes, config),
  ] as const;
  return parts.flatMap(([part, found, given]) =>
    given === undefined
      ? []
      : Object.entries(found).flatMap(([name, value]) => {
          const wanted = (given as unknown as Record<string, unknown>)[name];
          return wanted === value ? [] : [`${part}${name} is ${value} in the file, ${wanted} in the configuration`];
        }),
  );
}
