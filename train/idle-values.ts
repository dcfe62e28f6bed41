// Values of a recipe that were given on purpose and that nothing reads: they are told, for whoever gave them expects something of them.
import { type Named, readValues } from "./rates.ts";
import { isGiven, givenBy, type Recipe, type RecipeName, type Resolved } from "./recipe.ts";

/** What reads the values of a recipe besides the recipe's own choices. */
export interface ReadBy {
  /** Kinds of the clips that are trained on. */
  readonly kinds: readonly string[];
  /** Whether clips of faces are measured. */
  readonly measuresFaces?: boolean;
  /** The model's parameter groups that train; unless they are known, there are all. */
  readonly groups?: readonly Named[];
}

/** Whether something reads a value, and what would. */
interface Reader {
  readonly names: readonly RecipeName[];
  readonly reads: (recipe: Recipe, by: ReadBy) => boolean;
  readonly when: string;
}

const faces = "clips of faces";
const trainsOnFaces = ({ kinds }: ReadBy) => kinds.includes(faces);
const measures = ({ measuresFaces = false }: ReadBy) => measuresFaces;

/** A rate or a decay that is one of some parameter groups. */
const ofGroups = (name: RecipeName, when: string): Reader => ({
  names: [name],
  reads: (_, { groups }) => groups === undefined || readValues(groups).has(name),
  when,
});

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
  ofGroups("lrBackboneGb", "gains and biases of a tower that train as a group of their own"),
  ofGroups("lrBackboneRest", "a tower that trains, or a logit scale with a rate of its own"),
  ofGroups("lrHeadGb", "gains and biases of a temporal head that train as a group of their own"),
  ofGroups("lrHeadRest", "matrices of a temporal head that train"),
  ofGroups("wdBackbone", "a tower whose matrices train"),
  ofGroups("wdHead", "matrices of a temporal head that train"),
  {
    names: ["fold", "every", "window", "augment", "texts", "classes", "leaveOut", "resample"],
    reads: (_, by) => trainsOnFaces(by) || measures(by),
    when: faces,
  },
  {
    names: ["window", "augment", "texts", "resample"],
    reads: (_, by) => trainsOnFaces(by) || !measures(by),
    when: `${faces} that are trained on`,
  },
  {
    names: ["classes"],
    reads: ({ texts }, by) => texts === "classes" || measures(by) || !trainsOnFaces(by),
    when: `texts classes, or ${faces} that are measured`,
  },
  {
    names: ["sampling", "crop"],
    reads: (_, { kinds }) => kinds.some((kind) => kind !== faces),
    when: "shards or the official layout",
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
    reads: (_, { kinds }) => kinds.includes("official layout"),
    when: "the official layout",
  },
];

/** A sentence for each such value. */
export function idleValues(resolved: Resolved, by: ReadBy): string[] {
  const { recipe, from } = resolved;
  return readers
    .filter(({ reads }) => !reads(recipe, by))
    .flatMap(({ names, when }) =>
      names
        .filter((name) => isGiven(name, resolved))
        .map((name) => `${givenBy(name, from[name])} has no effect here; it goes with ${when}`),
    );
}
