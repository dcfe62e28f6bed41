// An ablation as a page: what the paper says of its parts, Tables 1 and 3, scores against beta.
import type { Ablation, ComparedRow, ComparedTable } from "../../eval/paper/ablation.ts";
import { number } from "../../eval/paper/result.ts";
import type { Statement } from "../../eval/paper/statements.ts";
import { change, clearness, letter, publishedChange, shown } from "./ablation-text.ts";
import { type Html, html } from "./html.ts";
import { pageHtml } from "./page.ts";
import { betaPlot } from "./tables-plots.ts";

/** The tables of an ablation as a page of their own. */
export function ablationPage(ablation: Ablation, facts: readonly (readonly [string, string])[]): string {
  const { table1, table3, figure6, statements, setting, leftOut } = ablation;
  return pageHtml({
    title: "EmotionCLIP: ablations",
    summary:
      "What each part of the method adds: the paper's figures, and those of trainings with several seeds beside them.",
    facts: [["Ours", setting ?? "no finished run"], ...facts],
    sections: [
      statementSection(statements),
      tableSection(table1),
      tableSection(table3),
      figure6Section(figure6),
      leftOutSection(leftOut),
    ],
  });
}

export const leftOutSection = (leftOut: readonly string[]): Html | undefined =>
  leftOut.length === 0
    ? undefined
    : html`<section><h2>Left out</h2><p>Runs at another setting.</p><ul class="plain">${leftOut.map((line) => html`<li>${line}</li>`)}</ul></section>`;

export function statementSection(statements: readonly Statement[]): Html {
  const run = statements.filter(({ ours }) => ours);
  const others = new Set(statements.filter(({ ours }) => !ours).map(({ claim }) => claim));
  const row = ({ claim, figure, published, ours, verdict }: Statement, i: number) =>
    html`<tr class="${verdict === "contradicted" ? "ours" : ""}"><th scope="row">${claim !== run[i - 1]?.claim && claim}</th><td>${figure}</td><td>${publishedChange(published)}</td><td>${change(ours)}</td><td>${ours?.seeds}</td><td>${verdict}</td></tr>`;
  return html`<section><h2>What the paper says of its parts</h2><p>Differences in points; ours with the standard error over seeds. ${clearness}</p>
<div class="scroll"><table class="figures"><thead><tr><th></th><th></th><th>published</th><th>ours</th><th>seeds</th><th></th></tr></thead><tbody>${run.map(row)}</tbody></table></div>
<ul class="plain">${Array.from(others, (claim) => html`<li>${claim}: not run</li>`)}</ul></section>`;
}

export function tableSection(table: ComparedTable): Html {
  return html`<section><h2>${table.title}</h2>${tableOf(table)}</section>`;
}

export function tableOf({ columns, rows, remarks }: ComparedTable): Html {
  const reasons = [...new Set(rows.flatMap(({ why }) => (why ? [why] : [])))];
  const head = columns.map(({ name }) => html`<th>${name}</th>`);
  return html`<div class="scroll"><table class="figures"><thead><tr><th></th><th colspan="${columns.length}">published</th><th colspan="${columns.length}">ours</th><th></th></tr><tr><th></th>${head}${head}<th></th></tr></thead>
<tbody>${rows.map((row) => tableRow(row, columns, reasons))}</tbody></table></div><ul class="plain">${reasons.map((reason, i) => html`<li class="why"><b>${letter(i)}</b> ${reason}</li>`)}${remarks.map((remark) => html`<li>${remark}</li>`)}</ul>`;
}

function tableRow(
  { name, published, ours, runs, why, isOurs }: ComparedRow,
  columns: ComparedTable["columns"],
  reasons: readonly string[],
): Html {
  const cells = columns.map(({ digits }, i) => {
    const value = published[i];
    return value == null ? html`<td class="na">–</td>` : html`<td>${number(value, digits)}</td>`;
  });
  const own = columns.map(({ digits }, i) =>
    ours?.[i] && Number.isFinite(ours[i].mean) ? html`<td>${shown(ours[i], digits)}</td>` : html`<td class="na">–</td>`,
  );
  const notes = [runs && runs > 1 ? `${runs} runs` : "", why ? letter(reasons.indexOf(why)) : ""].filter(Boolean);
  return html`<tr class="${isOurs && ours ? "ours" : ""}"><th scope="row">${name}</th>${cells}${own}<td class="na">${notes.join(", ")}</td></tr>`;
}

export function figure6Section({ columns, points, remarks }: Ablation["figure6"]): Html {
  return html`<section><h2>Figure 6: scores against β</h2>${
    points.length > 0 &&
    html`<div class="two"><div class="plot-box">${betaPlot(points, 0, columns[0])}</div><div class="plot-box">${betaPlot(points, 1, columns[1], "other")}</div></div>
<div class="scroll"><table class="figures"><thead><tr><th>β</th>${columns.map((name) => html`<th>${name}</th>`)}<th class="text"></th></tr></thead><tbody>${points.map(
      ({ beta, figures, runs }) =>
        html`<tr><th scope="row">${beta}</th>${figures.map((spread, i) => html`<td>${shown(spread, i < 2 ? 2 : 3)}</td>`)}<td class="text">${runs > 1 ? `${runs} runs` : ""}</td></tr>`,
    )}</tbody></table></div>`
  }<ul class="plain">${remarks.map((remark) => html`<li>${remark}</li>`)}</ul></section>`;
}
