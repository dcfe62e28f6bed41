// What a file of weights holds of an EmotionCLIP: its sizes by names and shapes, and what it says of itself.
import { CheckpointError, EngineError } from "../../engine/errors.ts";
import { at, type Stored } from "../../data/formats/content.ts";
import { madeTensors } from "../../data/formats/made.ts";
import type { Description } from "../family.ts";
import { faultOf, type ModelConfig } from "./config.ts";
import { configOf, headsGuessed, type ModelSizes, sizesOf } from "./infer.ts";
import { layoutOf } from "./layout.ts";

/** Parts of a configuration that are known better than the file knows them. */
export type ConfigOverride = {
  readonly [K in keyof ModelConfig]?: K extends "vision" | "text" | "head" ? Partial<ModelConfig[K]> : ModelConfig[K];
};

/** Describes a file by its header alone; never fails. `stored` is the configuration that it carries, or that lies beside it. */
export function describeEmotionClip(file: Stored, stored?: ModelConfig): Omit<Description<ModelConfig>, "family"> {
  const layout = layoutOf(file);
  const { notes: dropped = [] } = layout;
  const unknown = { kind: layout.kind, layout, sizes: undefined, config: undefined, notes: dropped };
  if (layout.kind === "unknown") return { ...unknown, reason: layout.reason };
  try {
    const tensors = madeTensors(file.tensors, layout.made);
    const sizes = sizesOf(
      new Map([...layout.names].map(([to, from]) => [to, tensors.get(from)!])),
      layout.backboneOnly,
    );
    const kind = layout.backboneOnly ? layout.kind : "EmotionCLIP of this program";
    if (stored) return { kind, layout, sizes, held: stored, config: stored, reason: "", notes: dropped };
    const { activation, note } = activationOf(file, layout.kind);
    const config = configOf(sizes, { activation, ...headsGuessed(sizes) });
    const notes = note ? [...dropped, note] : dropped;
    const reason = faultOf(config);
    if (!reason) return { kind: layout.kind, layout, sizes, config, reason: "", notes };
    return { kind: layout.kind, layout, sizes, config, reason: openQuestion(config, sizes) ?? reason, notes };
  } catch (error) {
    if (!(error instanceof EngineError)) throw error;
    const whose = layout.kind === "Hugging Face CLIP" ? "names of Hugging Face's CLIP, but " : "";
    return { ...unknown, reason: whose + error.message };
  }
}

/** What only a person can answer: towers whose heads follow no rule. */
function openQuestion({ vision, text }: ModelConfig, { rows }: ModelSizes): string | undefined {
  if (vision.image === 0)
    return `backbone.visual.positional_embedding has ${rows} rows; a square grid has n² + 1, and of a rectangle the configuration must tell vision.image: [height, width]`;
  const open = Object.entries({ vision, text }).filter(([, { heads }]) => heads === 0);
  if (open.length === 0) return undefined;
  const list = open.map(([name, { width }]) => `${name}.heads (width ${width} is no multiple of 64)`);
  return `shapes do not tell ${list.join(" and ")}; give the model's configuration`;
}

/** No tensor shows it: OpenAI's models have QuickGELU; others say it in the name of configuration or file, if at all. */
function activationOf(file: Stored, kind: string): { activation: ModelConfig["activation"]; note?: string } {
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

/** The configuration to load a described file with: its own, with what is known better. */
export function decideConfig(
  { sizes, config, reason }: Description<ModelConfig>,
  override: ConfigOverride = {},
): ModelConfig {
  if (!sizes || !config) throw new CheckpointError(reason);
  const merged = merge(config, override);
  const differing = differences(sizes as ModelSizes, merged);
  if (differing.length)
    throw new CheckpointError(
      `a model of other sizes than the configuration's\n  ${differing.slice(0, 12).join("\n  ")}`,
    );
  const fault = openQuestion(merged, sizes as ModelSizes) ?? faultOf(merged);
  if (fault) throw new CheckpointError(fault);
  return merged;
}

function merge(config: ModelConfig, override: ConfigOverride): ModelConfig {
  const { saam: _, sapIndicator: __, ...rest } = { ...config, ...override };
  const merged = {
    ...rest,
    vision: { ...config.vision, ...override.vision },
    text: { ...config.text, ...override.text },
    head: { ...config.head, ...override.head },
  };
  const saam = override.saam ?? config.saam;
  const sapIndicator = override.sapIndicator ?? config.sapIndicator;
  return {
    ...merged,
    ...(saam && merged.subject === "saam" && { saam }),
    ...(sapIndicator && merged.subject === "sap" && { sapIndicator }),
  };
}

/** Where the configuration is not what the shapes say. The image's size may differ: positions can be resized. */
function differences({ embed, vision, text, head, saam }: ModelSizes, config: ModelConfig): string[] {
  const { image: _, ...fixed } = vision;
  const parts: [string, object, object | undefined][] = [
    ["", { embed }, config],
    ["vision.", fixed, config.vision],
    ["text.", text, config.text],
    ["head.", head, config.head],
    ["saam.", { layers: saam?.layers ?? 0 }, config.saam],
  ];
  return parts.flatMap(([part, found, given]) =>
    given === undefined
      ? []
      : Object.entries(found).flatMap(([name, value]) => {
          const wanted = (given as Record<string, unknown>)[name];
          return wanted === value ? [] : [`${part}${name} is ${value} in the file, ${wanted} in the configuration`];
        }),
  );
}
