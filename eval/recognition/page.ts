// What `emotionclip recognise` found, with every choice that was made, and the published figures beside it.
import type { ClassRecall } from "./figures.ts";
import type { OverFolds, RecognitionResult } from "./protocol.ts";
import published from "./published-tables.json";

/** What `--json` prints. Shares from 0 to 1. */
export interface RecognitionPage {
  readonly set: string;
  readonly split: string;
  readonly model: string;
  /** Everything that was chosen: folds, texts, averaging, frames, window. */
  readonly choices: Readonly<Record<string, string | number | readonly string[]>>;
  readonly classes: readonly { readonly name: string; readonly texts: readonly string[] }[];
  readonly war: OverFolds;
  readonly uar: OverFolds;
  readonly folds: readonly {
    readonly fold: number;
    readonly clips: number;
    readonly told: RecognitionResult["folds"][number]["told"];
    readonly war: number;
    readonly uar: number;
    readonly uarOfLabels: number;
    readonly classes: readonly ClassRecall[];
    readonly confusion: readonly (readonly number[])[];
  }[];
  /** Clips of the lists without frames, and those that could not be read: left out. */
  readonly missing: number;
  readonly bad: readonly string[];
  readonly notes: readonly string[];
  /** UAR and WAR of others on this set, in percent, where there are any, and where they are from. */
  readonly published?: { readonly source: string; readonly rows: readonly PublishedFigures[] };
}

/** Figures of another model, in percent. */
export interface PublishedFigures {
  readonly name: string;
  readonly uar: number;
  readonly war: number;
}

/** The published figures of a set; undefined where there are none. */
export function publishedOn(set: string): RecognitionPage["published"] {
  const column = published.sets.indexOf(set);
  if (column < 0) return undefined;
  const rows = Object.entries(published.rows).map(([name, cells]) => {
    const [uar, war] = cells[column];
    return { name, uar, war };
  });
  return { source: published.source, rows };
}

/** The folds as a page has them. */
export const foldRows = ({ folds }: RecognitionResult): RecognitionPage["folds"] =>
  folds.map(({ confusion: { data, shape }, ...rest }) => ({
    ...rest,
    confusion: Array.from({ length: shape[0] }, (_, c) => Array.from(data.subarray(c * shape[0], (c + 1) * shape[0]))),
  }));

/** The page as text. */
export function recognitionText(page: RecognitionPage): string {
  const { set, split, model, choices, folds, war, uar, notes, bad, published: others } = page;
  const clips = folds.reduce((sum, { clips }) => sum + clips, 0);
  const blocks = [
    `${set} ${split}, ${clips} clips, ${model}`,
    Object.entries(choices)
      .map(([name, value]) => `  ${name.padEnd(10)} ${Array.isArray(value) ? value.join(", ") : value}`)
      .join("\n"),
    `  WAR ${overFolds(war)}   UAR ${overFolds(uar)}`,
    ...folds.map((fold) => foldText(page, fold)),
    ...(others ? [publishedText(page, others)] : []),
    [...notes, ...bad.slice(0, 10).map((reason) => `left out: ${reason}`)].join("\n"),
  ];
  return `${blocks.filter((block) => block !== "").join("\n\n")}\n`;
}

const percent = (share: number): string => (Number.isNaN(share) ? "-" : `${(100 * share).toFixed(2)} %`);

const overFolds = ({ mean, deviation }: OverFolds): string =>
  deviation === undefined ? percent(mean) : `${percent(mean)} ± ${(100 * deviation).toFixed(2)}`;

/** Recall of each class, and what its clips were told to be. */
function foldText({ classes, folds }: RecognitionPage, fold: RecognitionPage["folds"][number]): string {
  const width = Math.max(...classes.map(({ name }) => name.length));
  const head = folds.length > 1 ? `fold ${fold.fold}: WAR ${percent(fold.war)}  UAR ${percent(fold.uar)}` : "";
  const rows = classes.map(({ name }, c) => {
    const told = fold.confusion[c].map((count) => String(count).padStart(6)).join("");
    return `  ${name.padEnd(width)}${percent(fold.classes[c].recall).padStart(10)}${told}`;
  });
  const columns = `  ${"true".padEnd(width)}${"recall".padStart(10)}   told as each, in this order`;
  return [...(head ? [head] : []), columns, ...rows].join("\n");
}

function publishedText(
  { uar, war }: RecognitionPage,
  { source, rows }: NonNullable<RecognitionPage["published"]>,
): string {
  const width = Math.max(...rows.map(({ name }) => name.length));
  const line = (name: string, u: number, w: number) =>
    `  ${name.padEnd(width)}${u.toFixed(2).padStart(8)}${w.toFixed(2).padStart(8)}`;
  return [
    `  ${"".padEnd(width)}${"UAR".padStart(8)}${"WAR".padStart(8)}`,
    line("this", 100 * uar.mean, 100 * war.mean),
    ...rows.map(({ name, uar: u, war: w }) => line(name, u, w)),
    `  ${source}. Published windows are drawn at random, and the checkpoints were chosen by the test split.`,
  ].join("\n");
}
