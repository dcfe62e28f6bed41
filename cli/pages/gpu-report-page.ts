// The report on a GPU as a page: a table for each part, shares as bars, faults and what was left out in words.
import type { ReportCell, ReportColumn, ReportRow } from "../../bench/gpu-report/part.ts";
import { faultsOf, type GpuReport, type PartOutcome } from "../../bench/gpu-report/run.ts";
import { amount } from "../../bench/table.ts";
import { type Html, html } from "./html.ts";
import { pageHtml } from "./page.ts";

/** The page as text. */
export function gpuReportPage(report: GpuReport): string {
  const { adapter, tiny, software, date, commit, seconds, budgetSeconds, parts, remarks } = report;
  const faults = faultsOf(report);
  const checked = parts.flatMap(({ rows }) => rows).filter(({ right }) => right !== null);
  const dry = tiny && "A dry run at sizes that say nothing of a device. ";
  return pageHtml({
    title: "EmotionCLIP on one GPU",
    summary: `${dry || ""}${software ? "The adapter is a rasteriser on the CPU, no GPU. " : ""}What the device can do, what the kernels and a training step take of it, and whether every result is right.`,
    scores: false,
    facts: [
      ["Adapter", adapter],
      ["Date", date.slice(0, 16).replace("T", " ")],
      ["Commit", commit],
      ["Time", `${seconds.toFixed(0)} of ${budgetSeconds.toFixed(0)} s`],
      ["Checked", `${checked.length} results, ${checked.filter(({ right }) => right === false).length} wrong`],
    ],
    sections: [
      goalSection(report),
      faults.length > 0 && listed("What went wrong", faults),
      remarks.length > 0 && listed("Remarks", remarks),
      ...parts.map(partSection),
    ].map((section) => section || undefined),
  });
}

const listed = (title: string, lines: readonly string[]): Html =>
  html`<section><h2>${title}</h2><ul class="plain">${lines.map((line) => html`<li>${line}</li>`)}</ul></section>`;

/** The figures to look at first. */
function goalSection({ goals, tiny }: GpuReport): Html {
  const figure = (value: number | null) => (value === null ? "" : value.toFixed(value < 10 ? 3 : 1));
  const verdict = (reached: boolean | null) =>
    reached === null ? (tiny ? "a dry run" : "not measured") : reached ? "reached" : "missed";
  return html`<section><h2>Goals</h2><div class="scroll"><table class="figures"><thead><tr><th></th><th>found</th><th>goal</th><th class="text"></th></tr></thead>
<tbody>${goals.map(({ name, least, most, found, reached }) => html`<tr><th scope="row">${name}</th><td>${figure(found)}</td><td>${least === undefined ? `≤ ${most}` : `≥ ${least}`}</td><td class="text">${verdict(reached)}</td></tr>`)}</tbody></table></div></section>`;
}

const states: Record<PartOutcome["state"], string> = {
  done: "",
  wrong: "Not every result is right.",
  failed: "This part failed:",
  cut: "This part was stopped, its time was over.",
  skipped: "",
};

function partSection({ title, about, columns, state, seconds, error, skipped, rows }: PartOutcome): Html {
  const isChecked = rows.some(({ right }) => right !== null);
  return html`<section><h2>${title}</h2><p>${about}${seconds > 0 && ` ${seconds.toFixed(1)} s.`}</p>${
    (states[state] || error) && html`<p class="note"><b>${states[state]}</b> ${error}</p>`
  }${
    rows.length > 0 &&
    html`<div class="scroll"><table class="figures"><thead><tr><th></th>${columns.map(({ title, as }) => html`<th class="${as === "text" ? "text" : ""}">${title}</th>`)}${isChecked && html`<th>right</th>`}<th class="text"></th></tr></thead>
<tbody>${rows.map((row) => rowOf(row, columns, isChecked))}</tbody></table></div>`
  }${skipped.length > 0 && html`<h3>Left out</h3><ul class="plain">${skipped.map((each) => html`<li>${each}</li>`)}</ul>`}</section>`;
}

function rowOf({ name, right, note, cells }: ReportRow, columns: readonly ReportColumn[], isChecked: boolean): Html {
  const verdict = right === null ? "" : right ? "yes" : "WRONG";
  return html`<tr class="${right === false ? "ours" : ""}"><th scope="row">${name}</th>${columns.map((column) => cellOf(cells[column.key] ?? null, column))}${isChecked && html`<td>${verdict}</td>`}<td class="text">${note ?? ""}</td></tr>`;
}

function cellOf(value: ReportCell, { as }: ReportColumn): Html {
  if (value === null) return html`<td class="na"></td>`;
  if (as === "text") return html`<td class="text">${value}</td>`;
  if (typeof value === "string") return html`<td>${value}</td>`;
  if (as === "share") return html`<td>${(100 * value).toFixed(value < 0.1 ? 1 : 0)} %</td>`;
  return html`<td>${as === "whole" || Number.isInteger(value) ? value.toLocaleString("en") : amount(value)}</td>`;
}
