// What a file of weights is and which model it holds: names, shapes, and what the file says of itself.
import { basename } from "node:path";
import { CheckpointError, EngineError } from "../../engine/errors.ts";
import type { Content } from "../../data/formats/content.ts";
import { faultOf, type ModelConfig } from "../emotionclip/config.ts";
import { configOf, headsGuessed, type Sizes, sizesOf } from "./infer.ts";
import { type Kind, type Layout, layoutOf, type Stored } from "./layout.ts";
import { parseStoredConfig } from "./stored-config.ts";

/** Parts of a configuration that are known better than the file knows them. */
export type ConfigOverride = {
  readonly [K in keyof ModelConfig]?: K extends "vision" | "text" | "head" ? Partial<ModelConfig[K]> : ModelConfig[K];
};

export interface Description {
  readonly kind: Kind;
  readonly layout: Layout;
  /** What the shapes fix; undefined where they cannot be read. */
  readonly sizes: Sizes | undefined;
  /** The model that the file holds; undefined where shapes do not tell it, and then `reason` says why. */
  readonly config: ModelConfig | undefined;
  readonly reason: string;
  /** What was taken from elsewhere than names and shapes, in sentences. */
  readonly notes: readonly string[];
}

/** Describes a file by its header alone; never fails. `stored` is a configuration that lies beside the file. */
export function describe(file: Stored, stored?: ModelConfig): Description {
  const layout = layoutOf(file);
  const unknown = { kind: layout.kind, layout, sizes: undefined, config: undefined, notes: [] };
  if (layout.kind === "unknown") return { ...unknown, reason: layout.reason };
  try {
    const sizes = sizesOf(
      new Map([...layout.names].map(([to, from]) => [to, file.tensors.get(from)!])),
      layout.backboneOnly,
    );
    const own = stored ?? storedIn(file);
    const kind = layout.backboneOnly ? layout.kind : "EmotionCLIP of this program";
    if (own) return { kind, layout, sizes, config: own, reason: "", notes: [] };
    const { activation, note } = activationOf(file, layout.kind);
    const config = configOf(sizes, { activation, ...headsGuessed(sizes) });
    const notes = note ? [note] : [];
    const reason = faultOf(config);
    if (!reason) return { kind: layout.kind, layout, sizes, config, reason: "", notes };
    return { kind: layout.kind, layout, sizes, config, reason: openQuestion(config) ?? reason, notes };
  } catch (error) {
    if (!(error instanceof EngineError)) throw error;
    return { ...unknown, reason: error.message };
  }
}

/** What only a person can answer: towers whose heads follow no rule. */
function openQuestion({ vision, text }: ModelConfig): string | undefined {
  const open = Object.entries({ vision, text }).filter(([, { heads }]) => heads === 0);
  if (open.length === 0) return undefined;
  const list = open.map(([name, { width }]) => `${name}.heads (width ${width} is no multiple of 64)`);
  return `shapes do not tell ${list.join(" and ")}; give the model's configuration`;
}

/** The configuration in the metadata of our own files; undefined where there is none. */
export function storedIn({ content, path }: Stored): ModelConfig | undefined {
  const text = at(content, "__metadata__", "config");
  return typeof text === "string" ? parseStoredConfig(text, `${basename(path)}: metadata config`) : undefined;
}

/** An entry of nested dicts. */
export function at(content: Content, ...keys: (string | number)[]): Content | undefined {
  let inner: Content | undefined = content;
  for (const key of keys) inner = inner instanceof Map ? inner.get(key) : undefined;
  return inner;
}

/** No tensor shows it: OpenAI's models have QuickGELU; others say it in the name of configuration or file, if at all. */
function activationOf(file: Stored, kind: Kind): { activation: ModelConfig["activation"]; note?: string } {
  if (kind === "OpenAI CLIP") return { activation: "quickGelu" };
  const named = at(file.content, "args", "backbone_config");
  if (typeof named === "string" && /quickgelu/i.test(named))
    return { activation: "quickGelu", note: "QuickGELU, as the checkpoint's backbone_config says" };
  if (/quickgelu/i.test(basename(file.path)))
    return { activation: "quickGelu", note: "QuickGELU, as the file's name says" };
  return { activation: "gelu" };
}

/** The configuration to load a described file with: its own, with what is known better. */
export function decide({ sizes, config, reason }: Description, override: ConfigOverride = {}): ModelConfig {
  if (!sizes || !config) throw new CheckpointError(reason);
  const merged = merge(config, override);
  const differing = differences(sizes, merged);
  if (differing.length)
    throw new CheckpointError(
      `a model of other sizes than the configuration's\n  ${differing.slice(0, 12).join("\n  ")}`,
    );
  const fault = openQuestion(merged) ?? faultOf(merged);
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
function differences({ embed, vision, text, head, saam }: Sizes, config: ModelConfig): string[] {
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
