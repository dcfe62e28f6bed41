// Values of a recipe that were given on purpose and that nothing reads: they are told, for whoever gave them expects something of them.
import { dashed, type Recipe, type RecipeName, recipeSchema, type Resolved } from "./recipe.ts";

/** Whether something reads a value, and what would. */
interface Reader {
  readonly names: readonly RecipeName[];
  readonly reads: (recipe: Recipe, kinds: readonly string[]) => boolean;
  readonly when: string;
}

const readers: readonly Reader[] = [
  { names: ["momentum"], reads: ({ optimizer }) => optimizer === "sgd", when: "optimizer sgd" },
  { names: ["beta1", "beta2", "eps"], reads: ({ optimizer }) => optimizer !== "sgd", when: "optimizer adamw or adam" },
  { names: ["form"], reads: ({ beta }) => beta > 0, when: "beta above 0" },
  {
    names: ["stepGamma"],
    reads: ({ schedule }) => schedule === "step" || schedule === "milestones",
    when: "schedule step or milestones",
  },
  {
    names: ["lrEnd"],
    reads: ({ schedule }) => !["constant", "step", "milestones"].includes(schedule),
    when: "a schedule that comes to an end",
  },
  {
    names: ["fold", "every", "window", "augment", "texts", "classes", "leaveOut", "resample"],
    reads: (_, kinds) => kinds.includes("clips of faces"),
    when: "clips of faces",
  },
  {
    names: [
      "videos",
      "index",
      "sentiment",
      "boxes",
      "longerThan",
      "shorterThan",
      "minCharacters",
      "maxNeutral",
      "minPerson",
    ],
    reads: (_, kinds) => kinds.includes("official layout"),
    when: "the official layout",
  },
];

/** A sentence for each such value; `kinds` are those of the clips. Of a recipe file, which may say all, what is no default. */
export function idleValues({ recipe, from }: Resolved, kinds: readonly string[]): string[] {
  const isGiven = (name: RecipeName) =>
    from[name].startsWith("--") || (/\.(ya?ml|json)$/.test(from[name]) && recipe[name] !== recipeSchema[name].value);
  return readers
    .filter(({ reads }) => !reads(recipe, kinds))
    .flatMap(({ names, when }) =>
      names.filter(isGiven).map((name) => `${told(name, from[name])} has no effect here; it goes with ${when}`),
    );
}

const told = (name: RecipeName, from: string): string => (from.startsWith("--") ? from : `${from}: ${dashed(name)}`);
