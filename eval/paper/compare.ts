// The paper's tables beside ours: published figures, those of finished runs at the reduced setting, those of evaluations, and for
// every gap the reason. Pure; what is read from disk comes in as summaries.

import { type BenchmarkName, benchmarkNames, type SetName } from "../../data/sets/switches.ts";
import type { RunSummary } from "../../train/runs/runs.ts";
import paper from "./paper-tables.json";
import { type Ablation, ablationOf, type ComparedRow, type ComparedTable, runWords } from "./ablation.ts";
import { figureFor, publishedOf, type TaskFigures } from "./published.ts";
import type { Reweighting } from "./reweighting.ts";
import { takes } from "../../engine/takes.ts";

/** One evaluation, as far as Table 4 needs it. */
export interface Scored {
  readonly benchmark: SetName;
  readonly source: string;
  readonly tasks: readonly TaskFigures[];
}

/** Everything that `emotionclip tables` shows. */
export interface Comparison extends Ablation {
  readonly table2: {
    readonly published: readonly PublishedText[];
    readonly ours?: Reweighting;
    readonly source?: string;
  };
  readonly table4: readonly ComparedTable[];
  /** Runs and evaluations on other data than the paper's rows are of, by themselves: nothing published stands beside them. */
  readonly others: readonly OtherTable[];
}

/** Figures on one data set, a row for each run or evaluation of it. */
export interface OtherTable {
  readonly title: string;
  readonly columns: readonly string[];
  /** As fractions; absent where a figure is not there or not defined. */
  readonly rows: readonly { readonly name: string; readonly values: readonly (number | undefined)[] }[];
  /** Why figures are not defined, or what they leave out. */
  readonly remarks: readonly string[];
}

export interface PublishedText {
  readonly text: string;
  readonly role: string;
  readonly before: number;
  readonly after: number;
}

/** The paper's tables and figure with our results in them, from finished runs and evaluations. Runs at another setting than most are left out, by name. */
export function compare(
  given: readonly RunSummary[],
  results: readonly Scored[],
  reweighting?: { readonly ours: Reweighting; readonly source: string },
): Comparison {
  takes(
    "compare(runs: { folder: text, figures: any, ... }[], results: { benchmark: text, source: text, " +
      "tasks: object[], ... }[], reweighting?: object, ...)",
    arguments,
  );
  const own = given.filter((run) => run.own !== undefined);
  const runs = given.filter((run) => run.own === undefined);
  return {
    ...ablationOf(runs),
    table2: { published: paper.table2_reweighting_example.rows, ...reweighting },
    table4: benchmarkNames.flatMap((name) => table4(name, results)),
    others: [...ownRuns(own), ...otherResults(results)],
  };
}

type Row = OtherTable["rows"][number];

function ownRuns(runs: readonly RunSummary[]): OtherTable[] {
  const sets = [...new Set(runs.map(({ own }) => own!))];
  return sets.map((set) => {
    const here = runs.filter(({ own }) => own === set);
    const columns = [...new Set(here.flatMap(({ figures }) => figures.map(([name]) => name)))];
    const rows = here.map((run): Row => {
      const values = columns.map((column) => defined(run.figures.find(([name]) => name === column)?.[1]));
      return { name: `${run.folder} (${runWords(run)}, seed ${run.seed}; ${run.setting})`, values };
    });
    const notes = here.flatMap(({ figures }) =>
      figures.flatMap(([name, , note]) => (note ? [`${name}: ${note}`] : [])),
    );
    return { title: `Own data, ${set}`, columns, rows, remarks: [...new Set(notes)] };
  });
}

/** Evaluations of data sets that Table 4 does not have: the embedded one, and anybody's own. */
function otherResults(results: readonly Scored[]): OtherTable[] {
  return results
    .filter(({ benchmark }) => !publishedOf(benchmark))
    .flatMap(({ benchmark, source, tasks }) =>
      tasks.map(({ task, split, figures }): OtherTable => {
        const title = `${benchmark === "own" ? "Own data" : benchmark}, evaluated: ${task}, ${split}`;
        const notes = figures.flatMap(({ name, reason }) => (reason ? [`${name}: ${reason}`] : []));
        const values = figures.map(({ value }) => defined(value));
        return { title, columns: figures.map(({ name }) => name), rows: [{ name: source, values }], remarks: notes };
      }),
    );
}

const defined = (value: number | undefined) => (value === undefined || Number.isNaN(value) ? undefined : value);

const others = "another model; its features can be probed by the same protocol with emotionclip eval --features";

function table4(name: BenchmarkName, results: readonly Scored[]): ComparedTable[] {
  const table = publishedOf(name);
  if (!table) return [];
  const { columns } = table;
  const rows = table.rows.map(({ name, group, values }): ComparedRow => {
    const why = group === "supervised" ? "supervised on this data set" : name === "EmotionCLIP" ? undefined : others;
    return { name: name.startsWith("*") ? `${name.slice(1)} *` : name, published: values, ...(why && { why }) };
  });
  const own = results
    .filter(({ benchmark }) => benchmark === name)
    .map(({ source, tasks }): ComparedRow => {
      const ours = columns.map(({ ours, scale }) => {
        const figure = figureFor(tasks, ours);
        return { mean: figure === undefined ? Number.NaN : figure * scale, deviation: Number.NaN };
      });
      return { name: source, published: columns.map(() => null), ours, runs: 1, isOurs: true };
    });
  const missing: ComparedRow = {
    name: "ours",
    published: columns.map(() => null),
    isOurs: true,
    why: `no result; emotionclip eval ${name} --checkpoint … --data … --json > ${name}.json, then emotionclip tables --results ${name}.json`,
  };
  return [
    {
      id: `table4-${name}`,
      title: table.title,
      columns: columns.map(({ name, scale }) => ({ name, digits: scale === 100 ? 2 : 3 })),
      rows: [...rows, ...(own.length > 0 ? own : [missing])],
      remarks: [
        ...(rows.some(({ name }) => name.endsWith("*")) ? ["* also uses sound or text."] : []),
        ...(name === "bold" ? ["R2 as a fraction; the paper prints VideoCLIP's and X-CLIP's as they stand here."] : []),
        ...(name === "liris" ? ["EmotionCLIP's published figures are missing from the transcript of the paper."] : []),
        ...(name === "emotic" || name === "meld"
          ? ["The split of the published figures is not stated; ours are of test."]
          : []),
      ],
    },
  ];
}
