// What the paper's Tables 1 and 3 and Figure 6 say of its parts, as differences of two settings, and whether runs with several seeds
// say the same.
import type { RunSummary } from "../../train/runs/runs.ts";
import { type GridSetting, isSame, table1Variants, table3Variants, type CellSetting } from "./grid.ts";
import paper from "./paper-tables.json";
import { boldColumns } from "./published.ts";
import { type Difference, seedDifference } from "./spread.ts";

/** "not told apart": within noise, or one seed only. "not run": a setting that it needs has no finished run. */
export type StatementVerdict = "confirmed" | "contradicted" | "not told apart" | "not run";

/** One statement of the paper. */
export interface Statement {
  /** "+ SAP is better than vanilla". */
  readonly claim: string;
  readonly figure: string;
  /** What the paper's figures differ by, in its units; null where it tells the sign alone, by a plot. */
  readonly published: number | null;
  /** The same of ours. */
  readonly ours?: Difference;
  readonly verdict: StatementVerdict;
}

/** A statement: the first setting is better than the second by `published`, figure by figure; null: better by what is not told. */
interface Claim {
  readonly claim: string;
  readonly pair: readonly [CellSetting, CellSetting];
  readonly published: readonly (number | null)[];
}

/** Figures that are compared; R2 of the paper's rows differs by thousandths. */
const figures = boldColumns.slice(0, 2);

/** Every statement, with its verdict on each figure. */
export function statementsOf(runs: readonly RunSummary[], setting: GridSetting): Statement[] {
  return [...table1Claims(setting), ...betaClaims(runs, setting), ...table3Claims(setting)].flatMap((claim) =>
    figures.map(({ name, scale }, i) => statementOf(runs, claim, name, scale, claim.published[i])),
  );
}

function statementOf(
  runs: readonly RunSummary[],
  { claim, pair: [better, worse] }: Claim,
  figure: string,
  scale: number,
  published: number | null,
): Statement {
  const stated = { claim, figure, published };
  const pairs = runs
    .filter((run) => isSame(better, run))
    .flatMap((run) => {
      const other = runs.find((each) => isSame(worse, each) && each.seed === run.seed);
      return other ? [scale * (figureOf(run, figure) - figureOf(other, figure))] : [];
    });
  if (pairs.length === 0 || pairs.some(Number.isNaN)) return { ...stated, verdict: "not run" };
  const ours = seedDifference(pairs);
  return { ...stated, ours, verdict: verdictOf(ours, published ?? 1) };
}

const verdictOf = ({ mean, isClear }: Difference, published: number): StatementVerdict =>
  !isClear ? "not told apart" : mean > 0 === published > 0 ? "confirmed" : "contradicted";

/** A figure of a run as a fraction, by the table's name for it: of the shards' probes, or of BoLD's. */
export const figureOf = ({ figures }: RunSummary, name: string): number =>
  figures.find(([each]) => each === name || each === `bold val ${name}`)?.[1] ?? Number.NaN;

function table1Claims(setting: GridSetting): Claim[] {
  const variants = table1Variants(setting);
  const { rows } = paper.table1_components_bold;
  const between = (a: number, b: number, claim: string): Claim => ({
    claim,
    pair: [variants[a], variants[b]],
    published: figures.map((_, i) => (rows[a][i + 1] as number) - (rows[b][i + 1] as number)),
  });
  return [
    between(1, 0, "+ SAAM is worse than vanilla"),
    between(2, 0, "+ SAP is better than vanilla"),
    between(2, 1, "+ SAP is better than + SAAM"),
    between(3, 2, "+ SAP & SNCE is better than + SAP"),
    between(3, 0, "+ SAP & SNCE is better than vanilla"),
  ];
}

/** The paper tells by its plot alone that too large a β hurts; here the largest one that was run. */
function betaClaims(runs: readonly RunSummary[], setting: GridSetting): Claim[] {
  const full = table1Variants(setting)[3];
  const known = runs.filter((run) => isSame({ ...full, beta: run.beta }, run)).map(({ beta }) => beta);
  const largest = Math.max(...known, ...setting.betas);
  if (!(largest > setting.beta)) return [];
  return [
    {
      claim: `beta ${setting.beta} is better than ${largest}`,
      pair: [full, { ...full, beta: largest }],
      published: [null, null],
    },
  ];
}

function table3Claims(setting: GridSetting): Claim[] {
  const variants = table3Variants(setting);
  const { rows } = paper.table3_implementation_bold;
  const to = (b: number, claim: string): Claim => ({
    claim,
    pair: [variants[0], variants[b]],
    published: figures.map((_, i) => (rows[0][i + 3] as number) - (rows[b][i + 3] as number)),
  });
  const heads = to(5, "a temporal transformer beats the mean");
  const base = table1Variants(setting)[3];
  const own = setting.towers === "random";
  return [
    ...(own
      ? [{ ...heads, claim: `${heads.claim} (random towers)`, pair: [base, { ...base, head: "mean" }] as const }]
      : []),
    own ? { ...heads, claim: `${heads.claim} (pretrained)` } : heads,
    to(1, "a pretrained text tower is better than a random one"),
    to(2, "pretrained towers are better than random ones"),
    to(3, "a text tower in training is better than a frozen one"),
    to(4, "towers in training are better than frozen ones"),
  ];
}
