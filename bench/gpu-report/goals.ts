// What a GPU should come to, held against a report: the figures to look at first.
import type { ReportRow } from "./part.ts";

/** A goal, what was found, and whether it is reached; null where nothing was measured. */
export interface ReportGoal {
  readonly name: string;
  /** `found` must be at least this, or at most. */
  readonly least?: number;
  readonly most?: number;
  readonly found: number | null;
  readonly reached: boolean | null;
}

/** A part's rows. */
interface Named {
  readonly name: string;
  readonly rows: readonly ReportRow[];
}

/** Rows of a part by their beginning. */
type Rows = (part: string, begins: string) => readonly ReportRow[];

const cell = (row: ReportRow | undefined, key: string): number | null => {
  const value = row?.cells[key];
  return typeof value === "number" ? value : null;
};

const largest = (rows: readonly ReportRow[], key: string): number | null =>
  rows.reduce<number | null>((most, row) => {
    const value = row.right === false ? null : cell(row, key);
    return value !== null && (most === null || value > most) ? value : most;
  }, null);

/** Share of a step that its launches would take if none of them did anything. */
function launchShare(rows: Rows, part: string, step: string): number | null {
  const ms = cell(rows(part, step).at(0), "ms");
  const us = cell(rows("ceilings", "an empty launch").at(0), "rate");
  const calls = rows(part, `${step}: `).reduce((sum, row) => sum + (cell(row, "calls") ?? 0), 0);
  return ms === null || us === null || calls === 0 ? null : (calls * us) / 1000 / ms;
}

/** The goals, for a batch of so many clips of so many frames each. */
export function goalsOf(parts: readonly Named[], clips: readonly number[], frames: number): ReportGoal[] {
  const rows: Rows = (name, begins) =>
    parts.find((part) => part.name === name)?.rows.filter((row) => row.name.startsWith(begins)) ?? [];
  const few = clips.at(-1)!;
  const layer = (T: string) => rows("products", `${T}, ${few} clips, frames: MLP in, forward`);
  const isMatrix = ({ cells }: ReportRow) => `${cells.tile}`.startsWith("mx");
  const halves = layer("f16");
  const [matrices, others] = [halves.filter(isMatrix), halves.filter((row) => !isMatrix(row))];
  const [withMatrices, without] = [matrices, others].map((some) => largest(some, "gflops"));
  const goals: [name: string, found: number | null, bound: { least?: number; most?: number }][] = [
    [
      `f32 product of the MLP, ${few} clips, in the tile that is taken, of the arithmetic of f32`,
      largest(
        layer("f32").filter(({ cells }) => cells.taken === "taken"),
        "share",
      ),
      { least: 0.8 },
    ],
    [
      "the same of halves on matrix units, times as fast as in the best other tile",
      withMatrices !== null && without ? withMatrices / without : null,
      { least: 1.6 },
    ],
    ["the same, of what matrix units can do", largest(matrices, "share"), { least: 0.1 }],
  ];
  for (const count of clips)
    goals.push([
      `training step in mixed precision, ${count} clips, times as fast as PyTorch's`,
      cell(rows("pytorch", `amp, ${count} clips`).at(0), "ratio"),
      { least: 0.3 },
    ]);
  for (const precision of ["f32", "amp"]) {
    const step = `${precision}, ${few} clips x ${frames} frames`;
    goals.push([
      `launches of the step, ${step}, of its time`,
      launchShare(rows, `step-${precision}`, step),
      { most: 0.1 },
    ]);
  }
  return goals.map(([name, found, { least, most }]) => {
    const reached = found === null ? null : least === undefined ? found <= most! : found >= least;
    return { name, least, most, found, reached };
  });
}
