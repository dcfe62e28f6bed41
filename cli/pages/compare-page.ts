// Runs side by side as a page: their curves over one another, the settings that differ, the figures.
import type { ComparedValues, RunComparison } from "../../train/runs/run-comparison.ts";
import type { RunRecord } from "../../train/runs/run-state.ts";
import type { LoggedStep } from "../../train/runs/run-log.ts";
import {
  type Curve,
  curveCard,
  latest,
  lineColours,
  percentOf,
  plotting,
  smoothed,
  spanOf,
  thinned,
  thinning,
  type Values,
} from "./curves.ts";
import { type Html, html } from "./html.ts";
import { pageHtml } from "./page.ts";
import { lossesText, lossText, percentOrNone, stateText } from "./runs-text.ts";

/** A curve of every run. */
interface Plot {
  readonly id: string;
  readonly title: string;
  readonly unit: string;
  readonly of: (row: LoggedStep) => number | null | undefined;
  readonly zero?: boolean;
  /** It jumps from step to step: an average is drawn over it. */
  readonly isNoisy?: boolean;
}

const plots: readonly Plot[] = [
  { id: "loss", title: "Loss", unit: "nats", of: ({ loss }) => loss, isNoisy: true },
  { id: "rate", title: "Learning rate", unit: "largest group", of: ({ lr }) => lr, zero: true },
  { id: "norm", title: "Gradient", unit: "global norm before clipping", of: ({ norm }) => norm, isNoisy: true },
  { id: "scale", title: "Temperature", unit: "logit_scale, ln(1/τ)", of: ({ logitScale }) => logitScale },
  {
    id: "speed",
    title: "Throughput",
    unit: "clips per second",
    of: (row) => row.clipsPerSecond,
    zero: true,
    isNoisy: true,
  },
];

/** The page as text. */
export async function runComparisonPage(comparison: RunComparison, records: readonly RunRecord[]): Promise<string> {
  const { runs, settings, figures, losses } = comparison;
  const names = runs.map(({ folder }) => folder);
  const drawn = [...plots, ...measuredPlots(records)].filter(({ of }) =>
    records.some(({ rows }) => rows.some((row) => of(row) != null)),
  );
  const at = losses.at.map(({ step, values }) => ({ name: `step ${step}`, values }));
  return pageHtml({
    title: `${names.length} runs side by side`,
    summary: names.join(", "),
    facts: runs.map((run) => [run.folder, stateText(run)] as const),
    sections: [
      html`<section><h2>Training</h2><p>Every logged step, and as bold lines moving averages. Point at a curve to read it.</p>${keyOf(names)}
<div class="curves">${drawn.map(({ id, title, unit }) => curveCard(id, title, unit))}</div></section>`,
      tableSection("Figures", "Percent, as last measured.", names, figures, percentOrNone),
      tableSection("Settings that differ", "As in config.json.", names, settings, (value) => value ?? "unset"),
      tableSection("Losses", `${lossesText(losses)}.`, names, at, lossText),
    ],
    script: await plotting(drawn.map((plot) => curveOf(plot, records))),
  });
}

/** A plot for each figure that was measured on the way. */
function measuredPlots(records: readonly RunRecord[]): Plot[] {
  const names = new Set(records.flatMap(({ rows }) => rows.flatMap(({ probes = {} }) => Object.keys(probes))));
  return [...names].map((name, i) => ({
    id: `figure${i}`,
    title: name,
    unit: "percent",
    of: ({ probes }) => (probes ? percentOf(probes[name]) : undefined),
  }));
}

/** The runs' lines over the steps that any of them has. */
function curveOf({ id, of, zero, isNoisy }: Plot, records: readonly RunRecord[]): Curve {
  const all = records.map(({ rows }) => pointsOf(rows, of));
  const steps = [...new Set(all.flatMap((points) => points.steps))].sort((a, b) => a - b);
  const placed = (own: readonly number[], values: Values) => {
    const found = new Map(own.map((step, i) => [step, values[i]]));
    return steps.map((step) => found.get(step) ?? null);
  };
  const lines = all.flatMap((points, run) => {
    const label = records[run].state.folder;
    const bold = isNoisy ? smoothed(points.values, spanOf(points.steps.length)) : points.values;
    const raw = { kind: "faint", label, run, quiet: true, values: placed(points.steps, points.values) } as const;
    return [...(isNoisy ? [raw] : []), { kind: "bold", label, run, values: placed(points.steps, bold) } as const];
  });
  const now = all.map(({ values }, run) => latest(records[run].state.folder, values)).filter(Boolean);
  return { id, steps, lines, now: now.length > 3 ? "" : now.join(" · "), zero };
}

function pointsOf(rows: readonly LoggedStep[], of: Plot["of"]): { steps: readonly number[]; values: Values } {
  const known = rows.filter((row) => of(row) !== undefined);
  const every = thinning(known.length);
  const steps = known.map(({ step }) => step).filter((_, i) => i % every === 0);
  return {
    steps,
    values: thinned(
      known.map((row) => of(row) ?? null),
      every,
    ),
  };
}

const keyOf = (names: readonly string[]): Html =>
  html`<div class="key">${names.map((name, run) => html`<span><svg viewBox="0 0 26 12"><line x1="1" x2="25" y1="6" y2="6" stroke="var(${lineColours[run % lineColours.length]})" stroke-width="3"${run >= 6 && html` stroke-dasharray="6 4"`}/></svg>${name}</span>`)}</div>`;

function tableSection<T>(
  title: string,
  about: string,
  names: readonly string[],
  rows: readonly ComparedValues<T>[],
  shown: (value: T | null) => string,
): Html | undefined {
  if (rows.length === 0) return undefined;
  return html`<section><h2>${title}</h2><p>${about}</p><div class="scroll"><table class="figures"><thead><tr><th></th>${names.map((name) => html`<th>${name}</th>`)}</tr></thead>
<tbody>${rows.map(({ name, values }) => html`<tr><th scope="row">${name}</th>${values.map((value) => html`<td>${shown(value)}</td>`)}</tr>`)}</tbody></table></div></section>`;
}
