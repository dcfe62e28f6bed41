// The grid behind Table 1, Table 3 and Figure 6: what each training differs in from a common recipe. A setting that several of them
// want is there once.
import { headKinds } from "../../model/emotionclip/config.ts";
import type { Recipe } from "../../train/recipe.ts";
import type { RunSummary, TowerState } from "../../train/runs/runs.ts";
import paper from "./paper-tables.json";

/** What a row or a point is trained with. */
export type CellSetting = Pick<RunSummary, "subject" | "beta" | "text" | "frames"> & {
  readonly head: (typeof headKinds)[number];
};

/** A variant by the name that flags and folders have for it. */
export interface Cell extends CellSetting {
  readonly name: string;
}

/** What all cells have in common as far as the grid needs it. */
export interface GridSetting {
  /** β of the full method. */
  readonly beta: number;
  /** Those of Figure 6. */
  readonly betas: readonly number[];
  /** Towers of Table 1 and Figure 6: what a file of weights gives, as in the paper, or random ones. */
  readonly towers: "random" | "pretrained";
}

/** The reduced setting's; the published code has β = 10. */
export const reducedGrid: GridSetting = { beta: 1, betas: [0, 0.1, 1, 10], towers: "random" };

export const isSame = (a: CellSetting, b: Pick<RunSummary, keyof CellSetting>): boolean =>
  a.subject === b.subject && a.beta === b.beta && a.head === b.head && a.text === b.text && a.frames === b.frames;

/** The full method, and what differs from it. */
const full = ({ beta, towers }: GridSetting, other: Partial<CellSetting> = {}): CellSetting => ({
  subject: "sap",
  beta,
  head: "transformer",
  text: towers,
  frames: towers,
  ...other,
});

/** The rows of Table 1. */
export const table1Variants = (setting: GridSetting): CellSetting[] => [
  full(setting, { subject: "none", beta: 0 }),
  full(setting, { subject: "saam", beta: 0 }),
  full(setting, { beta: 0 }),
  full(setting),
];

/** The points of Figure 6. */
export const figure6Variants = (setting: GridSetting): CellSetting[] =>
  [...new Set([0, setting.beta, ...setting.betas])].sort((a, b) => a - b).map((beta) => full(setting, { beta }));

/** The rows of Table 3 as the paper has them. */
export const table3Variants = (setting: GridSetting): CellSetting[] =>
  paper.table3_implementation_bold.rows.map(([text, frames, temporal]) =>
    full(setting, {
      text: text as TowerState,
      frames: frames as TowerState,
      head: temporal === "none" ? "mean" : "transformer",
    }),
  );

/** Temporal heads on the towers of Table 1, beside the one that is there. */
export const headVariants = (setting: GridSetting): CellSetting[] =>
  headKinds.filter((head) => head !== "transformer").map((head) => full(setting, { head }));

/** Every cell once, in the order in which they are trained. */
export function ablationGrid(setting: GridSetting): Cell[] {
  const wanted = [
    ...table1Variants(setting),
    ...figure6Variants(setting),
    ...headVariants(setting),
    ...table3Variants(setting),
  ];
  const once = wanted.filter((variant, i) => wanted.findIndex((each) => isSame(each, variant)) === i);
  return once.map((variant) => ({ name: cellName(variant, setting), ...variant }));
}

/**
 * The cells that are trained unless others are named: Table 1, Figure 6 and the head of Table 3, and where there are pretrained towers
 * all of that table.
 */
export const isUsual = ({ head, text, frames }: Cell, { towers }: GridSetting): boolean =>
  head !== "conv1d" && (towers === "pretrained" || (text === "random" && frames === "random"));

/** vanilla, saam, sap, snce; beta-10; mean; frozen-pretrained, text before frames. */
function cellName({ subject, beta, head, text, frames }: CellSetting, setting: GridSetting): string {
  if (subject !== "sap") return subject === "none" ? "vanilla" : subject;
  const isBase = text === setting.towers && frames === setting.towers;
  const heads = head === "transformer" ? [] : [head];
  if (!isBase) return [text, frames, ...heads].join("-");
  if (heads.length > 0) return head;
  return beta === setting.beta ? "snce" : beta === 0 ? "sap" : `beta-${beta}`;
}

/** A cell as differences from the recipe; `weights` is the file that pretrained and frozen towers are of. */
export function differences(cell: CellSetting, weights: string | undefined): Partial<Recipe> {
  const { subject, beta, head, text, frames } = cell;
  if (weights === undefined) return { subject, beta, head };
  return {
    subject,
    beta,
    head,
    pretrained: weights,
    freshText: text === "random",
    freshImage: frames === "random",
    freshHead: true,
    lockText: text === "frozen",
    lockImage: frames === "frozen",
  };
}
