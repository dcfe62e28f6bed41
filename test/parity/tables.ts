// Tables: the official model configurations, the state dict of the published model, position tables, the paper's numbers.
import { basename, posix } from "node:path";
import type { Json } from "../../data/formats/json.ts";
import { configFromValue, EmotionClip, groupsOf, Init, named, preset, presetNames, vitB32 } from "../../model/index.ts";
import paper from "../../eval/paper/paper-tables.json";
import { type Grid, resizePositions } from "../../model/clip/positions.ts";
import { type Check, isTensors } from "./check.ts";

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

/** Position tables of another grid; `in.4x4_to_3x5` names both. */
export const positions: Check = {
  takes: (file, folder) => isTensors(file) && folder.tensors(file).names.some((name) => resized.test(name)),
  run: async (verdict) => {
    const tensors = verdict.folder.tensors(verdict.file);
    for (const name of tensors.names) {
      const [, grids, ...sides] = resized.exec(name) ?? [];
      if (!grids) continue;
      const [h0, w0, h1, w1] = sides.map(Number);
      const table = tensors.tensor(name).data as Float32Array;
      verdict.input(name);
      await verdict.tensor(`out.${grids}`, resizePositions(table, [h0, w0] as Grid, [h1, w1] as Grid));
    }
  },
};

const resized = /^in\.((\d+)x(\d+)_to_(\d+)x(\d+))$/;

/** What the paper reports, to which our results are compared. */
export const paperTables: Check = {
  takes: (file) => basename(file) === "paper_tables.json",
  run: (verdict) => {
    for (const [name, table] of Object.entries(verdict.folder.json<Record<string, unknown>>(verdict.file)))
      verdict.same(name, (paper as Record<string, unknown>)[name], table);
  },
};
