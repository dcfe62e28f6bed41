// The frame of all pages: title, facts, sections, one style sheet, and a policy that forbids every connection.
import { stat } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { UsageError } from "../../engine/errors.ts";
import { Html, html } from "./html.ts";
import { style } from "./report-page.ts";

export interface Page {
  readonly title: string;
  readonly summary: string;
  readonly facts?: readonly (readonly [string, string])[];
  /** Whether it shows scores of a model, and so says first what these are not; unless given, it does. */
  readonly scores?: boolean;
  /** Seconds after which an open page loads itself anew. */
  readonly refresh?: number;
  readonly sections: readonly (Html | undefined)[];
  /** What a page that draws in the browser brings along; without it there is no script at all. */
  readonly script?: { readonly style: string; readonly body: Html; readonly note: string };
}

/** The page as text. */
export function pageHtml({ title, summary, facts = [], scores = true, refresh, sections, script }: Page): string {
  const policy = `default-src 'none'; style-src 'unsafe-inline';${script ? " script-src 'unsafe-inline';" : ""} img-src data:`;
  return html`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="${policy}"><meta name="color-scheme" content="light dark">${refresh !== undefined && html`<meta http-equiv="refresh" content="${refresh}">`}
<title>${title}</title><style>${new Html((script?.style ?? "") + style + more)}</style></head>
<body><main>
<header><h1>${title}</h1><p>${summary}</p>
${facts.length > 0 && html`<dl class="facts">${facts.map(([label, value]) => html`<div><dt>${label}</dt><dd>${value}</dd></div>`)}</dl>`}
${scores && html`<p class="note"><b>Scores are not facts about a person.</b> ${caution}</p>`}</header>
${sections}
<footer>${script?.note ?? "This page opens no connection and runs no script."}</footer>
</main>${script?.body}</body></html>
`.source;
}

/** Refuses a place for a page that is not there, before the work. */
export async function checkPlace(path: string | undefined): Promise<void> {
  if (path === undefined) return;
  const folder = await stat(dirname(resolve(path))).catch(() => undefined);
  if (!folder?.isDirectory()) throw new UsageError(`--html: there is no folder ${dirname(path)}`);
}

/** What every page of scores says first. */
const caution =
  "They say how well a model sorts the clips of one data set, as its annotators or its grammar labelled them. What a " +
  "face or a posture shows is not what someone feels. In the European Union, inferring emotions of people at work or in " +
  "education is prohibited (Regulation 2024/1689, Article 5).";

/** Tables of numbers, plots inside cells, heat maps of counts; colours are those of the report. */
const more = `
table.figures { border-collapse: collapse; width: 100%; font-size: .95rem; }
.figures th, .figures td { padding: .42rem .7rem; border-bottom: 1px solid var(--hair); text-align: right; font-weight: 400; white-space: nowrap; }
.figures thead th { font-size: .78rem; color: var(--soft); border-bottom: 1px solid var(--line); vertical-align: bottom; }
.figures th:first-child, .figures .text { text-align: left; } .figures th:first-child { padding-left: 0; }
.figures .text { white-space: normal; color: var(--soft); font-size: .86rem; min-width: 11rem; }
.figures tr.ours th, .figures tr.ours td { font-weight: 600; color: var(--accent); }
.figures tr.group th { padding-top: 1.1rem; font-size: .78rem; color: var(--soft); border-bottom: 1px solid var(--line); }
.figures td.bar { width: 34%; min-width: 9rem; padding-right: 0; } .figures .na { color: var(--soft); }
.figures svg { display: block; width: 100%; height: 18px; overflow: visible; }
.figures caption { text-align: left; font-weight: 600; padding: 0 0 .5rem; } .figures + .figures { margin-top: 1.6rem; }
.bar-back { fill: var(--hair); } .bar-fill { fill: var(--accent); } .bar-fill.soft { fill: var(--before); } .bar-fill.other { fill: var(--warm); }
.whisker { stroke: var(--ink); stroke-width: 1.5; opacity: .65; }
.plot-box { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 1rem; margin: 1rem 0 0; overflow-x: auto; }
.plot-box svg { display: block; width: 100%; height: auto; min-width: 30rem; font: 13px ui-sans-serif, system-ui, -apple-system, "Segoe UI", Roboto, Arial, sans-serif; }
.grid { stroke: var(--hair); stroke-width: 1; } .axis { stroke: var(--line); stroke-width: 1; }
.plot-text { fill: var(--ink); } .plot-text.soft { fill: var(--soft); } .plot-text.end { text-anchor: end; } .plot-text.middle { text-anchor: middle; }
.series { fill: none; stroke: var(--accent); stroke-width: 2.2; stroke-linejoin: round; } .series.other { stroke: var(--warm); }
.mark { fill: var(--accent); } .mark.other { fill: var(--warm); } .mark.was { fill: var(--paper); stroke: var(--before); stroke-width: 2; }
.shift { stroke: var(--accent); stroke-width: 2; opacity: .5; } .shift.far { stroke: var(--warm); }
.counts td { min-width: 2.6rem; } .counts td.hot { color: var(--ink); } .two .plot-box svg { min-width: 0; } .plot-box + .key { margin: .7rem 0 1.2rem; } .two { margin-bottom: 1.2rem; display: grid; grid-template-columns: 1fr 1fr; gap: 1.4rem; } @media (max-width: 48rem) { .two { grid-template-columns: 1fr; } }
ul.plain .why { list-style: none; margin-left: -1.1rem; } .figures thead .text { font-size: .78rem; }
ul.plain { margin: .8rem 0 0; padding-left: 1.1rem; color: var(--soft); } ul.plain li { margin: .25rem 0; } ul.plain b { color: var(--ink); font-weight: 600; }
h3 { font-size: 1rem; margin: 1.6rem 0 .5rem; }
`;

/** A horizontal bar over a track from 0 to 1, with the ends of an interval where there is one. */
export function barCell(share: number, kind: "" | "soft" | "other" = "", interval?: readonly [number, number]): Html {
  const at = (v: number) => `${(100 * Math.min(1, Math.max(0, v))).toFixed(2)}%`;
  return html`<td class="bar"><svg role="img" aria-label="${share.toFixed(3)}"><rect class="bar-back" width="100%" height="10" y="4" rx="3"/>${
    share > 0 && html`<rect class="bar-fill ${kind}" width="${at(share)}" height="10" y="4" rx="3"/>`
  }${interval && html`<line class="whisker" x1="${at(interval[0])}" x2="${at(interval[1])}" y1="9" y2="9"/><line class="whisker" x1="${at(interval[0])}" x2="${at(interval[0])}" y1="4" y2="14"/><line class="whisker" x1="${at(interval[1])}" x2="${at(interval[1])}" y1="4" y2="14"/>`}</svg></td>`;
}
