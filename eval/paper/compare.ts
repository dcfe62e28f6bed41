// The paper's tables beside ours: published figures, those of finished runs at the reduced setting, those of evaluations, and for
// every gap the reason. Pure; what is read from disk comes in as summaries.

import { type BenchmarkName, benchmarkNames, type SetName } from "../../data/sets/switches.ts";
import type { RunSummary } from "../../train/runs/runs.ts";
import paper from "./paper-tables.json";
import { boldColumns, figureFor, publishedOf, type TaskFigures } from "./published.ts";
import type { Reweighting } from "./reweighting.ts";
import { takes } from "../../engine/takes.ts";

/** One evaluation, as far as Table 4 needs it. */
export interface Scored {
  readonly benchmark: SetName;
  readonly source: string;
  readonly tasks: readonly TaskFigures[];
}

/** Mean and sample standard deviation (NaN for one run) of a figure over runs. */
export interface Spread {
  readonly mean: number;
  readonly deviation: number;
}

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

/** Everything that `emotionclip tables` shows. */
export interface Comparison {
  readonly table1: ComparedTable;
  readonly table2: {
    readonly published: readonly PublishedText[];
    readonly ours?: Reweighting;
    readonly source?: string;
  };
  readonly table3: ComparedTable;
  readonly table4: readonly ComparedTable[];
  readonly figure6: {
    readonly columns: readonly string[];
    readonly points: readonly BetaPoint[];
    readonly remarks: readonly string[];
  };
  readonly setting: string | undefined;
  readonly leftOut: readonly string[];
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

/** What a variant of Table 1, Table 3 or Figure 6 is trained with. */
export interface TrainedVariant {
  readonly subject: RunSummary["subject"];
  readonly beta: number;
  readonly head: "transformer" | "mean";
}

/** β of the full method at the reduced setting; the published code has 10. */
const beta = 1;
const betas = [0, 0.1, 1, 10];
const sap = (b: number, head: TrainedVariant["head"] = "transformer"): TrainedVariant => ({
  subject: "sap",
  beta: b,
  head,
});

/** The rows of Table 1 as they are trained here. */
const components: readonly TrainedVariant[] = [
  { subject: "none", beta: 0, head: "transformer" },
  { subject: "saam", beta: 0, head: "transformer" },
  sap(0),
  sap(beta),
];

/** All trainings that the tables want, each once. */
export const variants: readonly TrainedVariant[] = [
  ...components,
  ...betas.filter((b) => b !== 0 && b !== beta).map((b) => sap(b)),
  sap(beta, "mean"),
];

const isOf = (v: TrainedVariant) => (run: RunSummary) =>
  run.subject === v.subject && run.beta === v.beta && run.head === v.head;

const onBold = { columns: boldColumns.map(({ name }, i) => ({ name, digits: i < 2 ? 2 : 3 })), scales: [100, 100, 1] };
const reduced =
  "Published: BoLD, a ViT-B/32 trained on about a million clips. Ours: a 64-pixel model on drawn clips, probed on their held-out split. Levels cannot be compared; the order of the rows may be.";

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
  const setting = commonest(runs);
  // Of two runs with one seed, the later folder counts: tables/ comes after the main job's own.
  const alike = runs.filter((run) => run.setting === setting);
  const used = [...new Map(alike.map((run) => [`${words(run)}, seed ${run.seed}`, run])).values()];
  return {
    table1: table1(used),
    table2: { published: paper.table2_reweighting_example.rows, ...reweighting },
    table3: table3(used),
    table4: benchmarkNames.flatMap((name) => table4(name, results)),
    figure6: figure6(used),
    setting,
    leftOut: runs.filter((run) => run.setting !== setting).map(({ folder, setting }) => `${folder}: ${setting}`),
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
      return { name: `${run.folder} (${words(run)}, seed ${run.seed}; ${run.setting})`, values };
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

/** The setting under which most of the wanted variants were trained. */
function commonest(runs: readonly RunSummary[]): string | undefined {
  const settings = [...new Set(runs.map(({ setting }) => setting))];
  const worth = (setting: string) => {
    const own = runs.filter((run) => run.setting === setting);
    return variants.filter((variant) => own.some(isOf(variant))).length + own.length / 1000;
  };
  return settings.sort((a, b) => worth(b) - worth(a) || (a < b ? -1 : 1))[0];
}

/** The figures named, over the runs of a variant. */
function spreads(runs: readonly RunSummary[], names: readonly string[], scales: readonly number[]): Spread[] {
  return names.map((name, i) => {
    const values = runs.map(({ figures }) => scales[i] * (figures.find(([each]) => each === name)?.[1] ?? Number.NaN));
    const mean = values.reduce((a, b) => a + b, 0) / values.length;
    const squares = values.reduce((sum, v) => sum + (v - mean) ** 2, 0);
    return { mean, deviation: values.length > 1 ? Math.sqrt(squares / (values.length - 1)) : Number.NaN };
  });
}

const names = boldColumns.map(({ name }) => name);

function ourFigures(variant: TrainedVariant, runs: readonly RunSummary[]): Pick<ComparedRow, "ours" | "runs" | "why"> {
  const own = runs.filter(isOf(variant));
  if (own.length > 0) return { ours: spreads(own, names, onBold.scales), runs: own.length };
  return { why: `no run with ${words(variant)}; emotionclip tables --train makes it` };
}

const words = ({ subject, beta, head }: Omit<TrainedVariant, "head"> & { readonly head: string }) =>
  `subject ${subject}, beta ${beta}${head === "transformer" ? "" : `, head ${head}`}`;

function table1(runs: readonly RunSummary[]): ComparedTable {
  const { rows } = paper.table1_components_bold;
  const compared = rows.map(
    ([name, ...published], i): ComparedRow => ({
      name: String(name),
      published: published as number[],
      ...ourFigures(components[i], runs),
    }),
  );
  const [vanilla] = compared;
  const changes = compared.slice(1).map(({ name, published, ours }): ComparedRow => {
    const change = published.map((v, i) => v! - vanilla.published[i]!);
    if (!ours || !vanilla.ours) return { name: `change by ${name}`, published: change, why: "needs both rows of ours" };
    const own = ours.map(({ mean, deviation }, i) => ({
      mean: mean - vanilla.ours![i].mean,
      deviation: Math.hypot(deviation, vanilla.ours![i].deviation),
    }));
    return { name: `change by ${name}`, published: change, ours: own };
  });
  return {
    id: "table1",
    title: "Table 1: what subject and sentiment add",
    columns: onBold.columns,
    rows: [...compared, ...changes],
    remarks: [reduced, `SNCE of ours has beta ${beta}; the published code has 10.`],
  };
}

function table3(runs: readonly RunSummary[]): ComparedTable {
  const { rows } = paper.table3_implementation_bold;
  const short = (row: readonly unknown[]) => row.slice(0, 3).join(" / ");
  const compared = rows.map((row): ComparedRow => {
    const published = [...(row.slice(3, 5) as number[]), null];
    const name = short(row);
    if (name === "random / random / random") return { name, published, ...ourFigures(sap(beta), runs) };
    return {
      name,
      published,
      why: "needs towers pre-trained on pictures and texts; the reduced model starts from random ones",
    };
  });
  return {
    id: "table3",
    title: "Table 3: text / frame / temporal encoder",
    columns: onBold.columns,
    rows: [
      ...compared,
      {
        name: "random / random / none",
        published: [null, null, null],
        isOurs: true,
        ...ourFigures(sap(beta, "mean"), runs),
      },
    ],
    remarks: [
      reduced,
      "The last row is not in the paper: it is the mean over frames where all is random, to set beside the third.",
    ],
  };
}

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

function figure6(runs: readonly RunSummary[]): Comparison["figure6"] {
  const own = runs.filter(({ subject, head }) => subject === "sap" && head === "transformer");
  const known = [...new Set(own.map(({ beta }) => beta))].sort((a, b) => a - b);
  const points = known.map((b) => {
    const at = own.filter(isOf(sap(b)));
    return { beta: b, figures: spreads(at, names, onBold.scales), runs: at.length };
  });
  const missing = betas.filter((b) => !known.includes(b));
  return {
    columns: names,
    points,
    remarks: [
      "The paper's plotted values are not in its text: a moderate beta helps, too large a one hurts; beta 0 is InfoNCE.",
      ...(missing.length > 0
        ? [`No run of ours with beta ${missing.join(", ")}; emotionclip tables --train makes them.`]
        : []),
    ],
  };
}
