// An evaluation as a page: figures with intervals, the published table, every class, confusion, and the switches in force.
import type { Protocol } from "../../eval/probes/protocol.ts";
import { figureFor, publishedOf } from "../../eval/paper/published.ts";
import { type EvaluationResult, number, probeWords } from "../../eval/paper/result.ts";
import type { ClassTable, Figure, TaskResult } from "../../eval/probes/outcome.ts";
import { type Html, html } from "./html.ts";
import { barCell, pageHtml } from "./page.ts";

/** The page as text. */
export function evaluationPage(result: EvaluationResult, protocol: Protocol): string {
  const { benchmark, source, splits, tasks } = result;
  return pageHtml({
    title: `Linear evaluation on ${benchmark}`,
    summary: `Probes fitted on frozen, L2-normalised features of the ${protocol.fit} split and read on ${protocol.on.join(" and ")}, ${benchmark === "own" ? "as docs/EVALUATION.md says of own data" : "by the official protocol"}.`,
    facts: [
      ["Features", source],
      ["Width", String(splits[0].width)],
      ...splits.map(({ name, samples }) => [`Samples, ${name}`, samples.toLocaleString("en")] as const),
    ],
    sections: [
      figureSection(tasks, protocol),
      ...publishedSection(result),
      ...tasks.map(classSection),
      conditions(result),
    ],
  });
}

const shown = ({ unit }: Figure, value: number) => (unit === "percent" ? number(100 * value, 2) : number(value, 5));

function figureSection(tasks: readonly TaskResult[], protocol: Protocol): Html {
  const withInterval = tasks.some(({ figures }) => figures.some(({ interval }) => interval));
  const rows = tasks.flatMap(({ task, split, figures }) =>
    figures.map((figure) => {
      const { name, value, unit, interval } = figure;
      const range = interval && Number.isFinite(interval.low) ? ([interval.low, interval.high] as const) : undefined;
      return html`<tr><th scope="row">${task}</th><td class="text">${split}</td><td class="text">${name}${unit === "percent" && " × 100"}</td><td>${shown(figure, value)}</td>${
        withInterval && html`<td>${range ? `${shown(figure, range[0])} – ${shown(figure, range[1])}` : "n/a"}</td>`
      }${unit === "percent" ? barCell(value, "", range) : html`<td class="bar"></td>`}</tr>`;
    }),
  );
  const words = protocol.tasks.map((task) => html`<li><b>${task.name}</b>: ${probeWords(task)}</li>`);
  return html`<section><h2>Figures</h2><p>${withInterval ? "Intervals hold the middle 95 % of resampled test sets." : ""}</p>
<div class="scroll"><table class="figures"><thead><tr><th>probe</th><th class="text">split</th><th class="text">figure</th><th>value</th>${withInterval && html`<th>95 %</th>`}<th></th></tr></thead><tbody>${rows}</tbody></table></div>
<ul class="plain">${words}</ul></section>`;
}

function publishedSection({ benchmark, tasks }: EvaluationResult): Html[] {
  const table = publishedOf(benchmark);
  if (!table) return [];
  const digits = (scale: number) => (scale === 100 ? 2 : 3);
  const cell = (v: number | null | undefined, scale: number) =>
    v == null || !Number.isFinite(v) ? html`<td class="na">n/a</td>` : html`<td>${number(v, digits(scale))}</td>`;
  const rows = table.rows.map(
    ({ name, group, values }) =>
      html`<tr><th scope="row">${name}</th><td class="text">${group === "supervised" ? "supervised" : "linear probe"}</td>${values.map((v, i) => cell(v, table.columns[i].scale))}</tr>`,
  );
  const ours = table.columns.map(({ ours, scale }) => {
    const figure = figureFor(tasks, ours);
    return cell(figure === undefined ? undefined : figure * scale, scale);
  });
  return [
    html`<section><h2>${table.title} as published</h2><p>A star marks methods that also use sound or text.</p>
<div class="scroll"><table class="figures"><thead><tr><th>method</th><th class="text"></th>${table.columns.map(({ name }) => html`<th>${name}</th>`)}</tr></thead>
<tbody>${rows}<tr class="ours"><th scope="row">this result</th><td class="text">linear probe</td>${ours}</tr></tbody></table></div></section>`,
  ];
}

function classSection({ task, split, perClass, confusion }: TaskResult): Html {
  return html`<section><h2>${task}, ${split}</h2><p>By class.</p><div class="scroll">${classTable(perClass)}</div>${confusion && confusionTable(confusion)}</section>`;
}

/** The first column that is a share is drawn as a bar too. */
function classTable({ columns, rows }: ClassTable): Html {
  const whole = columns.map((_, j) => rows.every((row) => Number.isInteger(row[j + 1])));
  const drawn = columns.findIndex((name) => name === "AP" || name === "F1");
  const body = rows.map(([name, ...values]) => {
    const cells = values.map((v, j) =>
      Number.isFinite(v) ? html`<td>${whole[j] ? String(v) : number(v, 4)}</td>` : html`<td class="na">n/a</td>`,
    );
    const bar =
      drawn >= 0 && (Number.isFinite(values[drawn]) ? barCell(values[drawn], "soft") : html`<td class="bar"></td>`);
    return html`<tr><th scope="row">${name}</th>${cells}${bar}</tr>`;
  });
  return html`<table class="figures"><thead><tr><th></th>${columns.map((name) => html`<th>${name}</th>`)}${drawn >= 0 && html`<th>${columns[drawn]}</th>`}</tr></thead><tbody>${body}</tbody></table>`;
}

/** Counts; the darker a cell, the larger its share of the row. */
function confusionTable({ classes, counts }: NonNullable<TaskResult["confusion"]>): Html {
  const rows = counts.map((row, c) => {
    const total = row.reduce((sum, v) => sum + v, 0) || 1;
    const cells = row.map(
      (v) =>
        html`<td class="hot" style="background: color-mix(in srgb, var(--accent) ${Math.round((70 * v) / total)}%, transparent)">${v}</td>`,
    );
    return html`<tr><th scope="row">${classes[c]}</th>${cells}</tr>`;
  });
  return html`<h3>Confusion: true classes in rows, chosen ones in columns</h3><div class="scroll"><table class="figures counts"><thead><tr><th></th>${classes.map((name) => html`<th>${name}</th>`)}</tr></thead><tbody>${rows}</tbody></table></div>`;
}

function conditions({ decisions, notes, seconds }: EvaluationResult): Html {
  return html`<section><h2>Conditions</h2><ul class="plain">${decisions.map(
    ({ name, value, about, isOfficial }) =>
      html`<li><b>${name} = ${value}</b> (${isOfficial ? "as the official code" : "corrected"}): ${about}</li>`,
  )}${notes.map((note) => html`<li>${note}</li>`)}<li>features ${seconds.features.toFixed(1)} s, probes ${seconds.probes.toFixed(1)} s</li></ul></section>`;
}
