// report.html: what a run did, on one page that needs no network. Captions and settings are text from elsewhere: all escaped.
import { replaceFile, type Written } from "../../data/formats/disk.ts";
import {
  type Curve,
  curveCard,
  largest,
  latest,
  average,
  percentOf,
  plotting,
  smoothed,
  spanOf,
  thinned,
  thinning,
  type Values,
} from "./curves.ts";
import { type Html, html } from "./html.ts";
import { attentionFigure, heatLegend, type ReportClip } from "./report-attention.ts";
import { pageHtml } from "./page.ts";
import type { Series } from "./series.ts";

/** A figure of merit before and after training, on the held-out split. */
export interface Result {
  /** As in "mAP". */
  readonly name: string;
  /** What it measures, in a few words. */
  readonly about: string;
  readonly before: number;
  readonly after: number;
  /** What guessing gives, where that is known. */
  readonly chance?: number;
  /** Range of the plot; default 0 to 1. */
  readonly range?: readonly [number, number];
}

export interface Report {
  readonly title: string;
  /** One or two sentences under the title. */
  readonly summary: string;
  /** Machine, adapter, commit, duration, parameters …: label and value, in order. */
  readonly facts: readonly (readonly [string, string])[];
  readonly settings: Readonly<Record<string, unknown>>;
  readonly results: readonly Result[];
  /** Figures of merit without a before, as fractions or null, and the step that they are of. */
  readonly figures?: { readonly step: number; readonly rows: readonly (readonly [string, number | null])[] };
  readonly series: Series;
  /** Loss of a model that tells no pair from another, as a dashed line. */
  readonly chanceLoss?: number;
  readonly attention: readonly ReportClip[];
  /** Seconds after which an open page loads itself anew: while the run goes on. */
  readonly refresh?: number;
}

/** Writes the page at once or not at all. */
export async function writeReport(path: string, report: Report): Promise<Written> {
  return replaceFile(path, await reportHtml(report));
}

/** The page as text. */
export async function reportHtml(report: Report): Promise<string> {
  const { title, summary, facts, refresh } = report;
  return pageHtml({
    title,
    summary,
    facts,
    refresh,
    sections: [
      resultSection(report.results),
      figureSection(report.figures),
      curveSection(report.series, report.settings.beta === 0 ? "InfoNCE" : "SNCE"),
      attentionSection(report.attention),
      settingsSection(report.settings),
    ],
    script: await plotting(curvesOf(report)),
  });
}

function resultSection(results: readonly Result[]): Html | undefined {
  if (results.length === 0) return undefined;
  const key = html`<div class="key plot"><span><svg viewBox="0 0 26 12"><circle class="dot was" cx="13" cy="6" r="4.5"/></svg>untrained</span>
<span><svg viewBox="0 0 26 12"><circle class="dot" cx="13" cy="6" r="5.5"/></svg>trained</span>${
    results.some(({ chance }) => chance !== undefined) &&
    html`<span><svg viewBox="0 0 26 12"><line class="chance" x1="13" x2="13" y1="0" y2="12"/></svg>chance</span>`
  }</div>`;
  return html`<section><h2>Before and after training</h2>
<p>Linear probes on the frozen features, and retrieval between clips and captions; all on clips that training has not seen.</p>
<div class="scroll"><table class="results"><thead><tr><th scope="col">measure</th><th scope="col">untrained</th><th scope="col">trained</th><th scope="col">change</th><th class="plot"></th></tr></thead>
<tbody>${results.map(resultRow)}</tbody></table></div>${key}</section>`;
}

function figureSection(figures: Report["figures"]): Html | undefined {
  if (!figures || figures.rows.length === 0) return undefined;
  const row = ([name, value]: readonly [string, number | null]) =>
    html`<tr><th scope="row"><b>${name}</b></th><td class="now">${figure(value ?? Number.NaN)}</td></tr>`;
  return html`<section><h2>Figures</h2><p>As measured at step ${figures.step}, on clips that training has not seen.</p>
<div class="scroll"><table class="results"><thead><tr><th scope="col">measure</th><th scope="col">value</th></tr></thead><tbody>${figures.rows.map(row)}</tbody></table></div></section>`;
}

function resultRow(result: Result): Html {
  const { name, about, before, after } = result;
  if (!Number.isFinite(before) || !Number.isFinite(after))
    return html`<tr><th scope="row"><b>${name}</b><small>${about}</small></th><td class="before">${figure(before)}</td>
<td class="now">${figure(after)}</td><td></td><td class="plot"></td></tr>`;
  const change = after - before;
  const direction = change > 0 ? "up" : change < 0 ? "down" : "";
  const sign = change > 0 ? "+" : change < 0 ? "−" : "±";
  return html`<tr><th scope="row"><b>${name}</b><small>${about}</small></th><td class="before">${figure(before)}</td>
<td class="now">${figure(after)}</td><td class="${direction}">${sign}${figure(Math.abs(change))}</td><td class="plot">${dumbbell(result)}</td></tr>`;
}

/** Two dots on a track: where it was, where it is. */
function dumbbell({ before, after, chance, range = [0, 1] }: Result): Html {
  const [low, high] = [Math.min(range[0], before, after), Math.max(range[1], before, after)];
  const at = (value: number) => `${Math.round(1000 * ((value - low) / (high - low || 1))) / 10}%`;
  return html`<svg role="img" aria-label="from ${figure(before)} to ${figure(after)}"><line class="track" x1="0" x2="100%" y1="13" y2="13"/>${
    chance !== undefined && html`<line class="chance" x1="${at(chance)}" x2="${at(chance)}" y1="3" y2="23"/>`
  }<line class="gain${after < before && " loss"}" x1="${at(before)}" x2="${at(after)}" y1="13" y2="13"/><circle class="dot was" cx="${at(before)}" cy="13" r="5"/><circle class="dot" cx="${at(after)}" cy="13" r="6.5"/></svg>`;
}

function figure(value: number): string {
  return Number.isFinite(value) ? value.toFixed(3).replace("-", "−") : "not defined";
}

function curveSection({ norm, logitScale, probes }: Series, lossName: string): Html {
  return html`<section><h2>Training</h2><p>Every logged step; the bold line is a moving average. Point at a curve to read it.</p>
<div class="curves">${curveCard("loss", "Loss", lossName)}${curveCard("rate", "Learning rate", "largest group")}${norm && curveCard("norm", "Gradient", "global norm before clipping")}${logitScale && curveCard("scale", "Temperature", "logit_scale, ln(1/τ)")}${curveCard("speed", "Throughput", "clips per second")}${probes && curveCard("probes", "Probes", "percent")}</div></section>`;
}

function attentionSection(clips: readonly ReportClip[]): Html | undefined {
  if (clips.length === 0) return undefined;
  return html`<section><h2>What the subject token looks at</h2>
<p>Its attention to the patches of each frame, per layer, on one scale per row: none ${heatLegend()} the row's maximum. The outline is the subject's box. Under each frame: the share of its attention to patches that falls inside the box, and the share of the frame that the box covers.</p>
${attentionFigure(clips)}</section>`;
}

function settingsSection(settings: Report["settings"]): Html {
  const rows = [...flat(settings)].map(([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`);
  return html`<section><h2>Settings</h2><details><summary>All ${rows.length} values<small>as in config.json</small></summary><dl class="settings">${rows}</dl></details></section>`;
}

function* flat(value: unknown, prefix = ""): Generator<[string, string]> {
  if (value === null || typeof value !== "object" || Array.isArray(value)) {
    yield [prefix, typeof value === "string" ? value : JSON.stringify(value)];
    return;
  }
  for (const [key, inner] of Object.entries(value)) yield* flat(inner, prefix ? `${prefix}.${key}` : key);
}

/** The plots as the page's script expects them. */
function curvesOf({ series, chanceLoss }: Report): Curve[] {
  const every = thinning(series.step.length);
  const steps = series.step.filter((_, i) => i % every === 0);
  const [loss, rate, speed] = [series.loss, series.learningRate, series.clipsPerSecond].map((v) => thinned(v, every));
  const span = spanOf(steps.length);
  const lossLines: Curve["lines"][number][] = [
    { kind: "faint", label: "loss", values: loss },
    { kind: "bold", label: "average", values: smoothed(loss, span) },
  ];
  if (chanceLoss !== undefined)
    lossLines.push({ kind: "dashed", label: "chance", values: steps.map(() => chanceLoss) });
  const noisy = (label: string, values: Values): Curve["lines"] => [
    { kind: "faint", label, values },
    { kind: "bold", label: "average", values: smoothed(values, span) },
  ];
  const normLines = series.norm && noisy("norm", thinned(series.norm, every));
  const scale = series.logitScale && thinned(series.logitScale, every);
  return [
    { id: "loss", steps, lines: lossLines, now: latest("last", lossLines[1].values) },
    {
      id: "rate",
      steps,
      lines: [{ kind: "bold", label: "rate", values: rate }],
      now: latest("peak", [largest(rate)]),
      zero: true,
      fill: true,
    },
    ...(normLines
      ? [{ id: "norm", steps, lines: normLines, now: latest("last", normLines[1].values), zero: true }]
      : []),
    ...(scale
      ? [
          {
            id: "scale",
            steps,
            lines: [{ kind: "bold" as const, label: "ln(1/τ)", values: scale }],
            now: latest("last", scale),
          },
        ]
      : []),
    { id: "speed", steps, lines: noisy("clips/s", speed), now: latest("mean", [average(speed)]), zero: true },
    ...(series.probes ? [probeCurve(series.probes)] : []),
  ];
}

/** The first figure bold, the second faint, the third dashed: mAP, AUC and R² of the main job. With those of an average, see below. */
function probeCurve({ step, rows }: NonNullable<Series["probes"]>): Curve {
  const kinds = ["bold", "faint", "dashed"] as const;
  const shown = rows[0].slice(0, kinds.length).map(([label], i) => ({ kind: kinds[i], label }));
  const lines = (withAverages(rows[0]) ?? shown).map((line) => {
    const values = rows.map((row) => percentOf(row.find(([name]) => name === line.label)?.[1]));
    return { ...line, values };
  });
  const now = lines.map(({ label, values }) => latest(label, values)).filter(Boolean);
  return { id: "probes", steps: step, lines, now: now.length > 3 ? "" : now.join(" · ") };
}

/** Where an average of the weights is measured: up to three figures in colours, that of the average dashed in the same. */
function withAverages(
  row: readonly (readonly [string, unknown])[],
): Omit<Curve["lines"][number], "values">[] | undefined {
  const names = row.map(([name]) => name);
  const own = names.filter((name) => names.includes(`ema ${name}`)).slice(0, 3);
  if (own.length === 0) return undefined;
  return own.flatMap((label, run) => [
    { kind: "bold", label, run },
    { kind: "bold", label: `ema ${label}`, run: run + 6 },
  ]);
}
