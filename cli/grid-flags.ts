// Which trainings an ablation makes, as flags say it: the recipe that all have in common, the betas, the cells.
import { UsageError } from "../engine/errors.ts";
import { ablationGrid, type Cell, type GridSetting, isUsual } from "../eval/paper/grid.ts";
import { dashed, type Layer, type Recipe, type RecipeName, recipeSchema } from "../train/recipe.ts";
import { pretraining } from "./ablation.ts";
import { oneOf, real } from "./flags.ts";
import { warn } from "./terminal/streams.ts";

/** Values that the cells say, or that have no place in an ablation, and what a person does instead. */
const taken: Partial<Record<RecipeName, string>> = {
  subject: "--cells chooses among them",
  head: "--cells chooses among them",
  lockImage: "--cells chooses among them",
  lockText: "--cells chooses among them",
  freshImage: "--cells chooses among them",
  freshText: "--cells chooses among them",
  freshHead: "--cells chooses among them",
  resume: "each of them begins anew, with --pretrained if that is given",
  valData: "what is measured are the probes of --probe-data",
};

/** The layers of the recipe that the cells differ from. Errors: UsageError for values that are the cells'. */
export function baseLayers(layers: Layer[]): Layer[] {
  for (const { values, from } of layers.slice(1))
    for (const [name, instead] of Object.entries(taken) as [RecipeName, string][])
      if (values[name] !== undefined && values[name] !== recipeSchema[name].value)
        throw new UsageError(`${from(name)}: ${dashed(name)} is the cells' own; ${instead}`);
  return layers;
}

/** The grid of a recipe, with the betas of Figure 6 as a flag lists them. */
export function gridFor(betas: string, { beta, pretrained }: Recipe): GridSetting {
  if (beta === 0) throw new UsageError("--beta: 0 is the cell sap; the full method needs more");
  const list = betas.split(",").map((word) => real("betas", word.trim(), 0, 1e6));
  return { beta, betas: list, towers: pretrained === null ? "random" : "pretrained" };
}

/** The cells that a flag names, the usual ones without it. */
export function chosenCells(names: string | undefined, grid: GridSetting): Cell[] {
  const all = ablationGrid(grid);
  if (names === undefined) return all.filter((cell) => isUsual(cell, grid));
  if (names === "all") return all;
  const known = all.map(({ name }) => name);
  const wanted = names.split(",").map((word) => oneOf("cell", word.trim(), known));
  const isWanted = ({ name }: Cell) => wanted.includes(name);
  const needy = all.find((cell) => isWanted(cell) && (cell.text !== "random" || cell.frames !== "random"));
  if (grid.towers === "pretrained" || !needy || wanted.includes(pretraining)) return all.filter(isWanted);
  warn([`${pretraining} too: ${needy.name} begins with its model (--pretrained gives other weights)`]);
  return all.filter((cell) => cell.name === pretraining || isWanted(cell));
}

/** What a person may miss. */
export function leftOutText(cells: readonly Cell[], grid: GridSetting): string[] {
  const others = ablationGrid(grid).filter(({ name }) => !cells.some((each) => each.name === name));
  const why =
    grid.towers === "random" ? " (pretrained towers would be those of vanilla; --pretrained gives others)" : "";
  return others.length === 0
    ? []
    : [`not among them${why}: ${others.map(({ name }) => name).join(", ")}; --cells names them`];
}
