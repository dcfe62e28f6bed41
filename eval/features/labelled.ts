// Features of somebody's own with labels of their own: rows of both matched, split, and what probes make of each column.
import { Random } from "../../data/philox.ts";
import { FormatError } from "../../engine/errors.ts";
import { type Matrix, matrix, takeRows } from "../matrix.ts";
import { labelsTask, labelTask, type Protocol, type Task, valuesTask } from "../probes/protocol.ts";
import { takeTargets } from "../probes/benchmark-targets.ts";
import type { SplitFeatures, Targets } from "../probes/outcome.ts";
import { rowsBySplit } from "./column-split.ts";
import { type LabelColumn, type LabelFile, readLabels } from "./labels-file.ts";
import { type Match, matchNotes, matchRows, readFeatureRows } from "./rows.ts";

/** What is scored together: a split has one kind of class, so each column of classes is a part of its own. */
export interface Part {
  readonly protocol: Protocol;
  readonly splits: readonly SplitFeatures[];
}

export interface Labelled {
  /** All tasks, as they are printed. */
  readonly protocol: Protocol;
  readonly parts: readonly Part[];
  readonly source: string;
  readonly notes: readonly string[];
}

/** Features as `emotionclip encode` writes them, and a CSV file of labels; without a column `split` one is drawn by the seed. */
export async function readLabelled(features: string, labels: string, seed: number): Promise<Labelled> {
  const rows = await readFeatureRows(features, "--labels");
  const table = readLabels(labels);
  const matched = matchRows(rows, table);
  const { splits, note } = splitsOf(table, matched, seed);
  const [fit, ...on] = splits.keys();
  const tasks = tasksOf(table.columns);
  const parts = tasks.map(({ task, targets }): Part => {
    const some = [...splits].map(([name, picked]): SplitFeatures => {
      const own = picked.map((i) => matched[i]);
      const x = takeRows(
        rows.features,
        own.map(({ feature }) => feature),
      );
      return {
        name,
        features: x,
        targets: takeTargets(
          targets,
          own.map(({ label }) => label),
        ),
      };
    });
    return { protocol: { input: "video", fit, on, tasks: [task] }, splits: some };
  });
  return {
    protocol: { input: "video", fit, on, tasks: tasks.map(({ task }) => task) },
    parts,
    source: `features from ${rows.file}, labels from ${table.file}`,
    notes: [...table.notes, ...matchNotes(rows, table, matched), note],
  };
}

/** Share of the rows that a drawn split holds out. */
const heldOut = 0.2;

/** Numbers of matched rows by split, train first. */
function splitsOf(table: LabelFile, matched: readonly Match[], seed: number) {
  const n = matched.length;
  if (table.splits) {
    const of = matched.map(({ label }) => table.splits![label]);
    const splits = rowsBySplit(of, table.file, "probes");
    return { splits, note: `splits by column split: ${[...splits.keys()].join(", ")}` };
  }
  if (n < 2) throw new FormatError(`${table.file}: ${n} row; probes need some to be fitted on and some to be read on`);
  const count = Math.max(1, Math.round(heldOut * n));
  const random = new Random(seed, "labels");
  const rest = Array.from({ length: n }, (_, i) => i);
  const test = Array.from({ length: count }, () => rest.splice(random.below(rest.length), 1)[0]).sort((a, b) => a - b);
  const note = `no column split: ${count} of ${n} rows, drawn by --seed ${seed}, are the split test`;
  return { splits: new Map([["train", rest] as const, ["test", test] as const]), note };
}

/** Flags are probed together, numbers together, classes column by column. */
function tasksOf(columns: readonly LabelColumn[]): { task: Task; targets: Targets }[] {
  const of = (kind: LabelColumn["kind"]) => columns.filter((column) => column.kind === kind);
  const [flags, numbers] = [of("flag"), of("number")];
  const names = (list: readonly LabelColumn[]) => list.map(({ name }) => name);
  return [
    ...(flags.length > 0 ? [{ task: labelsTask("flags", names(flags)), targets: { labels: sideBySide(flags) } }] : []),
    ...(numbers.length > 0
      ? [{ task: valuesTask("numbers", names(numbers)), targets: { values: sideBySide(numbers) } }]
      : []),
    ...of("class").map(({ name, of: classes, values }) => ({
      task: labelTask(name, classes),
      targets: { label: values },
    })),
  ];
}

function sideBySide(columns: readonly LabelColumn[]): Matrix {
  const [n, C] = [columns[0].values.length, columns.length];
  return matrix(
    n,
    C,
    Float64Array.from({ length: n * C }, (_, i) => columns[i % C].values[Math.floor(i / C)]),
  );
}
