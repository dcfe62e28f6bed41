// What an official checkpoint says of its recipe, so that a training goes on as it was: a layer of values, its schedule, and where it
// stands. What the recipe says on purpose comes before it.
import { FormatError } from "../engine/errors.ts";
import type { OfficialTraining } from "./official.ts";
import { isOwn, type Layer, type Recipe, type RecipeName, type Sources } from "./recipe.ts";
import type { OfficialSchedule } from "./schedule.ts";

/** The values of a checkpoint; `file` is its name. Errors: FormatError for rates that a recipe cannot say. */
export function officialLayer({ groups, schedule, beta1, beta2, eps }: OfficialTraining, file: string): Layer {
  const one = (of: "base" | "decay", names: readonly string[]): number | null => {
    const found = new Set(groups.filter(({ name }) => names.includes(name)).map((group) => group[of]));
    if (found.size > 1) throw new FormatError(`${file}: groups ${names.join(" and ")} differ in ${of}`);
    return [...found][0] ?? null;
  };
  return {
    values: {
      lrBackboneGb: one("base", ["frame_gb", "text_gb"]),
      lrBackboneRest: one("base", ["frame_rest", "text_rest", "logit_scale"]),
      lrHeadGb: one("base", ["temporal_gb"]),
      lrHeadRest: one("base", ["temporal_rest"]),
      wdBackbone: one("decay", ["frame_rest", "text_rest"]),
      wdHead: one("decay", ["temporal_rest"]),
      beta1,
      beta2,
      eps,
      schedule: "official",
      warmup: schedule.warmupBy === "iteration" ? schedule.warmup : undefined,
      lrEnd: schedule.floor,
      epochs: schedule.cosineBy === "epoch" ? schedule.length : undefined,
    },
    from: () => file,
  };
}

/** The checkpoint's schedule, with what the recipe has from elsewhere. */
export function continuedSchedule(
  schedule: OfficialSchedule,
  recipe: Recipe,
  from: Sources,
  file: string,
): OfficialSchedule {
  const own = (name: RecipeName) => from[name] !== file && isOwn(from[name]);
  return {
    ...schedule,
    ...(own("epochs") && schedule.cosineBy === "epoch" && { length: recipe.epochs }),
    ...(own("warmup") && { warmup: recipe.warmup, warmupBy: "iteration" as const }),
    ...(own("lrEnd") && { floor: recipe.lrEnd }),
  };
}
