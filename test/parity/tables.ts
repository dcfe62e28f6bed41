// Tables of the official project: its model configurations, and the state dict of the published model.
import { basename, posix } from "node:path";
import type { Json } from "../../data/json.ts";
import { configFromValue, EmotionClip, groupsOf, Init, named, preset, presetNames, vitB32 } from "../../model/index.ts";
import type { Check } from "./check.ts";

/** Every ViT configuration is the preset of its name; ResNet towers are refused. */
export const modelConfigs: Check = {
  takes: (file) => basename(file) === "model_configs.json",
  run: (verdict) => {
    for (const [name, json] of Object.entries(verdict.folder.json<Record<string, Json>>(verdict.file))) {
      if (presetNames.includes(name)) verdict.same(name, configFromValue(json, name), preset(name));
      else
        verdict.same(
          name,
          refusal(() => configFromValue(json, name)),
          true,
        );
    }
  },
};

function refusal(read: () => unknown): boolean {
  try {
    read();
    return false;
  } catch (error) {
    return /ResNet/.test((error as Error).message);
  }
}

interface StateDict {
  readonly parameters: number;
  readonly parameters_per_group: Record<string, number>;
  readonly tensors_per_group: Record<string, number>;
  readonly optimizer_order: string[];
  readonly tensors: { name: string; shape: number[]; dtype: string; group: string | null }[];
}

/** Names, shapes, groups and the optimiser's order of the published ViT-B/32, on no device. */
export const stateDict: Check = {
  takes: (file, folder) =>
    /state_dict\.json$/.test(posix.basename(file)) && Array.isArray(folder.json<StateDict>(file).tensors),
  run: (verdict) => {
    const want = verdict.folder.json<StateDict>(verdict.file);
    const groups = groupsOf(named(new EmotionClip(vitB32, new Init(0))));
    const count = (of: (members: (typeof groups)[number]["members"]) => number) =>
      Object.fromEntries(groups.map(({ name, members }) => [name, of(members)]));
    const values = count((members) => members.reduce((sum, [, { numel }]) => sum + numel, 0));
    verdict.same(
      "parameters",
      Object.values(values).reduce((a, b) => a + b, 0),
      want.parameters,
    );
    verdict.same("parameters_per_group", values, want.parameters_per_group);
    verdict.same(
      "tensors_per_group",
      count(({ length }) => length),
      want.tensors_per_group,
    );
    verdict.same(
      "optimizer_order",
      groups.flatMap(({ members }) => members.map(([name]) => name)),
      want.optimizer_order,
    );
    const ours = new Map(
      groups.flatMap(({ name: group, members }) => members.map(([name, t]) => [name, { shape: t.shape, group }])),
    );
    for (const { name, shape, group } of want.tensors) if (group) verdict.same(name, ours.get(name), { shape, group });
  },
};
