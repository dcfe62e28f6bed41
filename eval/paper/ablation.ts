// Table 1, Table 3 and Figure 6 from finished runs: published figures, ours with their deviations over seeds, and for every gap the
// reason. Pure; what is read from disk comes in as summaries.
import type { RunSummary } from "../../train/runs/runs.ts";
import { type Statement, statementsOf, figureOf } from "./statements.ts";
import {
  figure6Variants,
  ablationGrid,
  type GridSetting,
  headVariants,
  isSame,
  reducedGrid,
  table1Variants,
  table3Variants,
  type CellSetting,
} from "./grid.ts";
import paper from "./paper-tables.json";
import { boldColumns } from "./published.ts";
import { type Spread, spread } from "./spread.ts";

export interface ComparedRow {
  readonly name: string;
  readonly published: readonly (number | null)[];
  /** In the paper's units; absent where there is nothing of ours. */
  readonly ours?: readonly Spread[];
  readonly runs?: number;
  /** Why there is nothing of ours, or why it cannot stand beside the published figure. */
  readonly why?: string;
  readonly isOurs?: boolean;
}

export interface ComparedTable {
  readonly id: string;
  readonly title: string;
  readonly columns: readonly { readonly name: string; readonly digits: number }[];
  readonly rows: readonly ComparedRow[];
  readonly remarks: readonly string[];
}

export interface BetaPoint {
  readonly beta: number;
  readonly figures: readonly Spread[];
  readonly runs: number;
}

/** Everything that the grid's runs come to. */
export interface Ablation {
  readonly table1: ComparedTable;
  readonly table3: ComparedTable;
  readonly figure6: {
    readonly columns: readonly string[];
    readonly points: readonly BetaPoint[];
    readonly remarks: readonly string[];
  };
  readonly statements: readonly Statement[];
  /** What the runs have in common. */
  readonly setting: string | undefined;
  /** Runs of another setting than most. */
  readonly leftOut: readonly string[];
}

/** On clips of one's own the levels may compare or not; who made them knows. */
type Measured = "stage" | "own";

/** The tables from runs. Those at another setting than most are left out, by name; of two with one seed the later folder counts. */
export function ablationOf(
  runs: readonly RunSummary[],
  grid: GridSetting = gridIn(runs),
  measured: Measured = "stage",
): Ablation {
  const setting = commonest(runs, grid);
  const alike = runs.filter((run) => run.setting === setting);
  const used = [...new Map(alike.map((run) => [`${runWords(run)}, seed ${run.seed}`, run])).values()];
  return {
    table1: table1(used, grid, measured),
    table3: table3(used, grid, measured),
    figure6: figure6(used, grid),
    statements: statementsOf(used, grid),
    setting,
    leftOut: runs.filter((run) => run.setting !== setting).map(({ folder, setting }) => `${folder}: ${setting}`),
  };
}

/** The grid that runs are of: the β that most of them have, and what those without SNCE begin with. */
function gridIn(runs: readonly RunSummary[]): GridSetting {
  const betas = runs.filter(({ subject, beta }) => subject === "sap" && beta > 0).map(({ beta }) => beta);
  const count = (beta: number) => betas.filter((each) => each === beta).length;
  const [beta = reducedGrid.beta] = betas.toSorted((a, b) => count(b) - count(a));
  const towers = runs.find((run) => run.beta === 0)?.text === "pretrained" ? "pretrained" : "random";
  return { ...reducedGrid, beta: count(reducedGrid.beta) === count(beta) ? reducedGrid.beta : beta, towers };
}

/** The setting under which most of the wanted variants were trained. */
function commonest(runs: readonly RunSummary[], grid: GridSetting): string | undefined {
  const settings = [...new Set(runs.map(({ setting }) => setting))];
  const wanted = ablationGrid(grid);
  const worth = (setting: string) => {
    const own = runs.filter((run) => run.setting === setting);
    return wanted.filter((variant) => own.some((run) => isSame(variant, run))).length + own.length / 1000;
  };
  return settings.sort((a, b) => worth(b) - worth(a) || (a < b ? -1 : 1))[0];
}

/** A run in words. */
export const runWords = ({ subject, beta, head, text, frames }: Pick<RunSummary, keyof CellSetting>): string =>
  [
    `subject ${subject}, beta ${beta}`,
    ...(head === "transformer" ? [] : [`head ${head}`]),
    ...(text === "random" && frames === "random" ? [] : [`text ${text}, frames ${frames}`]),
  ].join(", ");

const columns = boldColumns.map(({ name, scale }) => ({ name, digits: scale === 100 ? 2 : 3 }));
const names = boldColumns.map(({ name }) => name);

const spreads = (runs: readonly RunSummary[]): Spread[] =>
  boldColumns.map(({ name, scale }) => spread(runs.map((run) => scale * figureOf(run, name))));

const runsOf = (variant: CellSetting, runs: readonly RunSummary[]) => runs.filter((run) => isSame(variant, run));

function ourFigures(
  variant: CellSetting,
  runs: readonly RunSummary[],
  grid: GridSetting,
): Pick<ComparedRow, "ours" | "runs" | "why"> {
  const own = runsOf(variant, runs);
  if (own.length > 0) return { ours: spreads(own), runs: own.length };
  const cell = ablationGrid(grid).find((each) => isSame(each, variant));
  return { why: `no run; emotionclip ablate --cells ${cell?.name} makes some` };
}

const levels: Record<Measured, string> = {
  stage:
    "Published: BoLD, a ViT-B/32 trained on about a million clips. Ours: a 64-pixel model on drawn clips, probed on their held-out split. Levels cannot be compared; the order of the rows may be.",
  own: "Published: BoLD, a ViT-B/32 trained on about a million clips. Ours: clips of your own; levels compare where data, model and training do.",
};

function table1(runs: readonly RunSummary[], grid: GridSetting, measured: Measured): ComparedTable {
  const { rows } = paper.table1_components_bold;
  const variants = table1Variants(grid);
  const compared = rows.map(
    ([name, ...published], i): ComparedRow => ({
      name: String(name),
      published: published as number[],
      ...ourFigures(variants[i], runs, grid),
    }),
  );
  return {
    id: "table1",
    title: "Table 1: what subject and sentiment add",
    columns,
    rows: compared,
    remarks: [levels[measured], `SNCE of ours has beta ${grid.beta}; the published code has 10.`, ...notesOf(runs)],
  };
}

/** Why figures are not defined, or what they leave out, each note once. */
function notesOf(runs: readonly RunSummary[]): string[] {
  const noted = runs.flatMap(({ figures }) => figures.flatMap(([name, , note]) => (note ? [`${name}: ${note}`] : [])));
  const isShown = (line: string) => names.some((name) => line.startsWith(`${name}:`) || line.includes(` ${name}:`));
  return [...new Set(noted)].filter(isShown);
}

function table3(runs: readonly RunSummary[], grid: GridSetting, measured: Measured): ComparedTable {
  const { rows } = paper.table3_implementation_bold;
  const variants = table3Variants(grid);
  const compared = rows.map(
    (row, i): ComparedRow => ({
      name: row.slice(0, 3).join(" / "),
      published: [...(row.slice(3, 5) as number[]), null],
      ...ourFigures(variants[i], runs, grid),
    }),
  );
  const towers = `${grid.towers} / ${grid.towers}`;
  const heads = headVariants(grid)
    .filter((variant) => !variants.some((each) => isSame(each, variant)))
    .map(
      (variant): ComparedRow => ({
        name: `${towers} / ${variant.head === "mean" ? "none" : variant.head}`,
        published: [null, null, null],
        isOurs: true,
        ...ourFigures(variant, runs, grid),
      }),
    );
  return {
    id: "table3",
    title: "Table 3: text / frame / temporal encoder",
    columns,
    rows: [...compared, ...heads],
    remarks: [
      levels[measured],
      ...(heads.length > 0
        ? ["The last rows are not in the paper: other temporal heads on the towers of Table 1."]
        : []),
      ...(grid.towers === "random"
        ? [
            "Pretrained and frozen towers of ours are those of vanilla with the same seed, whose updates they have behind them; --pretrained gives others.",
          ]
        : []),
    ],
  };
}

function figure6(runs: readonly RunSummary[], grid: GridSetting): Ablation["figure6"] {
  const [full] = table1Variants(grid).slice(-1);
  const known = runs.filter((run) => isSame({ ...full, beta: run.beta }, run)).map(({ beta }) => beta);
  const betas = [...new Set(known)].sort((a, b) => a - b);
  const points = betas.map((beta) => {
    const at = runsOf({ ...full, beta }, runs);
    return { beta, figures: spreads(at), runs: at.length };
  });
  const missing = figure6Variants(grid).filter(({ beta }) => !betas.includes(beta));
  return {
    columns: names,
    points,
    remarks: [
      "The paper's plotted values are not in its text: a moderate beta helps, too large a one hurts; beta 0 is InfoNCE.",
      ...(missing.length > 0
        ? [`No run of ours with beta ${missing.map(({ beta }) => beta).join(", ")}; emotionclip ablate makes them.`]
        : []),
    ],
  };
}
