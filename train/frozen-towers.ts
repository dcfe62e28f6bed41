// Which towers of a model no step changes: what they make of a clip or a text is the same in every epoch.
import type { Family } from "../model/family.ts";
import { Init, named } from "../model/params.ts";

/** Whether a tower is frozen as a whole: it has parameters, and none of them trains. */
export interface FrozenTowers {
  readonly image: boolean;
  readonly text: boolean;
}

/** Those of a family's model, by the names of its parameters; none of a family that does not tell its towers apart. */
export function frozenTowers({ place, trains }: Family, names: Iterable<string>): FrozenTowers {
  const all = [...names];
  const isFrozen = (tower: "image" | "text") => {
    const own = all.filter((name) => place?.(name).tower === tower);
    return own.length > 0 && !own.some(trains);
  };
  return { image: isFrozen("image"), text: isFrozen("text") };
}

/** The same of a model that is not made yet. */
export const frozenTowersOf = (family: Family, config: object): FrozenTowers =>
  frozenTowers(
    family,
    Array.from(named(family.build(config, new Init(0))), ([name]) => name),
  );
