// The paper's numbers, as a data file, and which of our figures stands beside each column. Percent where the paper has percent.

import type { BenchmarkName, SetName } from "../../data/sets/switches.ts";
import paper from "./paper-tables.json";
import type { Figure } from "../probes/outcome.ts";

/** The figure of ours that belongs into a column. */
export interface FigureName {
  readonly task: string;
  readonly split: string;
  readonly figure: string;
}

/** A column of a published table; `scale` turns a fraction into the paper's unit. */
export interface PublishedColumn {
  readonly name: string;
  readonly ours: FigureName;
  readonly scale: number;
}

export interface PublishedRow {
  readonly name: string;
  /** Trained on the data set, with labels; or a linear probe on frozen features. */
  readonly group: "supervised" | "linear";
  readonly values: readonly (number | null)[];
}

/** A part of Table 4. */
export interface PublishedTable {
  readonly title: string;
  readonly columns: readonly PublishedColumn[];
  readonly rows: readonly PublishedRow[];
}

const percent = (name: string, task: string, split: string, figure = name): PublishedColumn => ({
  name,
  ours: { task, split, figure },
  scale: 100,
});
const plain = (name: string, task: string, split: string, figure = name): PublishedColumn => ({
  ...percent(name, task, split, figure),
  scale: 1,
});

type Rows = readonly (readonly (string | number | null)[])[];

const table = (
  title: string,
  { supervised, linear_eval }: { supervised: Rows; linear_eval: Rows },
  columns: readonly PublishedColumn[],
): PublishedTable => ({
  title,
  columns,
  rows: [
    ...supervised.map((row) => published(row, "supervised")),
    ...linear_eval.map((row) => published(row, "linear")),
  ],
});

const published = ([name, ...values]: Rows[number], group: PublishedRow["group"]): PublishedRow => ({
  name: String(name),
  group,
  values: values.map((v) => (typeof v === "number" ? v : null)),
});

/** Columns of Table 1 and of BoLD's part of Table 4. */
export const boldColumns = [
  percent("mAP", "emotions", "val"),
  percent("AUC", "emotions", "val"),
  plain("R2", "VAD", "val"),
] as const;

/** Table 4 by data set. The paper does not say which split its Emotic and MELD numbers are of; the test split stands beside them. */
const published4: Readonly<Partial<Record<BenchmarkName, PublishedTable>>> = {
  bold: table("Table 4, BoLD", paper.table4a_bold, boldColumns),
  moviegraphs: table("Table 4, MovieGraphs", paper.table4b_moviegraphs, [
    percent("val acc", "emotions", "val", "accuracy"),
    percent("test acc", "emotions", "test", "accuracy"),
  ]),
  emotic: table("Table 4, Emotic", paper.table4c_emotic, [
    percent("mAP", "emotions", "test"),
    percent("AUC", "emotions", "test"),
  ]),
  meld: table("Table 4, MELD", paper.table4d_meld, [
    percent("acc", "emotion", "test", "accuracy"),
    percent("weighted F1", "emotion", "test"),
  ]),
  liris: table("Table 4, LIRIS-ACCEDE", paper.table4e_liris_accede, [
    plain("valence MSE", "valence and arousal", "test", "MSE valence"),
    plain("arousal MSE", "valence and arousal", "test", "MSE arousal"),
  ]),
};

/** What the paper prints of a data set; nothing of the embedded one and of anybody's own. */
export const publishedOf = (name: SetName): PublishedTable | undefined =>
  name === "own" ? undefined : published4[name];

/** The figures of a task on a split, as far as a table needs them. */
export interface TaskFigures {
  readonly task: string;
  readonly split: string;
  readonly figures: readonly Pick<Figure, "name" | "value" | "reason">[];
}

/** Our figure for a column, if the results have it. */
export function figureFor(results: readonly TaskFigures[], { task, split, figure }: FigureName): number | undefined {
  const found = results.find((result) => result.task === task && result.split === split);
  return found?.figures.find(({ name }) => name === figure)?.value;
}
