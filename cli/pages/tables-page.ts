// The comparison as a page: tables, the reweighting of a batch and the scores against beta as SVG plots.
import type { Ablation, ComparedRow, ComparedTable } from "../../eval/paper/ablation.ts";
import type { Comparison, OtherTable } from "../../eval/paper/compare.ts";
import type { Statement } from "../../eval/paper/statements.ts";
import { number } from "../../eval/paper/result.ts";
import { type Html, html } from "./html.ts";
import { pageHtml } from "./page.ts";
import { betaPlot, cornerPlot, logitKey, logitPlot } from "./tables-plots.ts";
import { change, clearness, figure, letter, publishedChange, short, shown } from "./tables-text.ts";

/** The page as text. */
export function tablesPage(comparison: Comparison): string {
  const { table1, table3, table4, setting, leftOut } = comparison;
  return pageHtml({
    title: "EmotionCLIP: the paper's tables",
    summary:
      "Published figures, and those of this program beside them. Where there is none of ours, or it cannot be compared, the row says why.",
    facts: [["Ours", setting ?? "no finished run"]],
    sections: [
      tableSection(table1),
      table2Section(comparison.table2),
      tableSection(table3),
      html`<section><h2>Table 4: linear probes on five data sets</h2>${table4.map((table) => html`<h3>${table.title.replace("Table 4, ", "")}</h3>${tableOf(table)}`)}</section>`,
      figure6Section(comparison.figure6),
      statementSection(comparison.statements),
      html`<section><h2>Figure 5: attention</h2><p><code>emotionclip attention</code> draws what the subject token of a checkpoint looks at, block by block; the report of a run has it for held-out clips.</p></section>`,
      ...comparison.others.map(otherSection),
      leftOutSection(leftOut),
    ],
  });
}

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

const leftOutSection = (leftOut: readonly string[]): Html | undefined =>
  leftOut.length === 0
    ? undefined
    : html`<section><h2>Left out</h2><p>Runs at another setting.</p><ul class="plain">${leftOut.map((line) => html`<li>${line}</li>`)}</ul></section>`;

function statementSection(statements: readonly Statement[]): Html {
  const run = statements.filter(({ ours }) => ours);
  const others = new Set(statements.filter(({ ours }) => !ours).map(({ claim }) => claim));
  const row = ({ claim, figure, published, ours, verdict }: Statement, i: number) =>
    html`<tr class="${verdict === "contradicted" ? "ours" : ""}"><th scope="row">${claim !== run[i - 1]?.claim && claim}</th><td>${figure}</td><td>${publishedChange(published)}</td><td>${change(ours)}</td><td>${ours?.seeds}</td><td>${verdict}</td></tr>`;
  return html`<section><h2>What the paper says of its parts</h2><p>Differences in points; ours with the standard error over seeds. ${clearness}</p>
<div class="scroll"><table class="figures"><thead><tr><th></th><th></th><th>published</th><th>ours</th><th>seeds</th><th></th></tr></thead><tbody>${run.map(row)}</tbody></table></div>
<ul class="plain">${Array.from(others, (claim) => html`<li>${claim}: not run</li>`)}</ul></section>`;
}

function otherSection({ title, columns, rows, remarks }: OtherTable): Html {
  return html`<section><h2>${title}</h2><p>Nothing published stands beside these figures.</p><div class="scroll"><table class="figures"><thead><tr><th></th>${columns.map((name) => html`<th>${name}</th>`)}</tr></thead>
<tbody>${rows.map(({ name, values }) => html`<tr class="ours"><th scope="row">${name}</th>${values.map((value) => html`<td>${figure(value)}</td>`)}</tr>`)}</tbody></table></div><ul class="plain">${remarks.map((remark) => html`<li>${remark}</li>`)}</ul></section>`;
}

function tableSection(table: ComparedTable): Html {
  return html`<section><h2>${table.title}</h2>${tableOf(table)}</section>`;
}

function tableOf({ columns, rows, remarks }: ComparedTable): Html {
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

function table2Section({ published, ours, source }: Comparison["table2"]): Html {
  const rows = (texts: readonly { text: string; role: string; before: number; after: number; kl?: number }[]) =>
    html`<div class="scroll"><table class="figures"><thead><tr><th>text</th><th class="text">role</th><th>before</th><th>after</th>${texts[0].kl !== undefined && html`<th>KL, nats</th>`}</tr></thead><tbody>${texts.map(
      ({ text, role, before, after, kl }) =>
        html`<tr><th scope="row">${text}</th><td class="text">${role}</td><td>${short(before)}</td><td>${short(after)}</td>${kl !== undefined && html`<td>${number(kl, 3)}</td>`}</tr>`,
    )}</tbody></table></div>`;
  return html`<section><h2>Table 2 and Figure 4: what sentiment takes from the logits</h2>
<p>Logits of one video against five texts of its batch. A negative is lowered by β over the KL divergence of the two texts' sentiments: those of like sentiment leave the denominator.</p>
<h3>Published</h3>${rows(published)}<div class="plot-box">${logitPlot(published)}</div>${logitKey}
<h3>Ours</h3>${
    ours
      ? html`<p>${source}; the first video of a batch of ${ours.batch}, β = ${ours.beta}. Of all negatives ${number(100 * ours.removed, 1)} % are lowered by more than 10 and no longer count.</p>${rows(ours.texts)}<div class="plot-box">${logitPlot(ours.texts)}</div>${logitKey}
<p>The first ${ours.corner.logits.length} videos (rows) and texts (columns) of the batch.</p><div class="two"><div class="plot-box">${cornerPlot(ours.corner.logits, undefined, "before")}</div><div class="plot-box">${cornerPlot(ours.corner.logits, ours.corner.weights, "after")}</div></div>`
      : html`<p>None yet; <code>emotionclip tables --checkpoint &lt;run folder&gt;</code> shows it for a batch.</p>`
  }</section>`;
}

function figure6Section({ columns, points, remarks }: Ablation["figure6"]): Html {
  return html`<section><h2>Figure 6: scores against β</h2>${
    points.length > 0 &&
    html`<div class="two"><div class="plot-box">${betaPlot(points, 0, columns[0])}</div><div class="plot-box">${betaPlot(points, 1, columns[1], "other")}</div></div>
<div class="scroll"><table class="figures"><thead><tr><th>β</th>${columns.map((name) => html`<th>${name}</th>`)}<th class="text"></th></tr></thead><tbody>${points.map(
      ({ beta, figures, runs }) =>
        html`<tr><th scope="row">${beta}</th>${figures.map((spread, i) => html`<td>${shown(spread, i < 2 ? 2 : 3)}</td>`)}<td class="text">${runs > 1 ? `${runs} runs` : ""}</td></tr>`,
    )}</tbody></table></div>`
  }<ul class="plain">${remarks.map((remark) => html`<li>${remark}</li>`)}</ul></section>`;
}
