// The comparison as a page: tables, the reweighting of a batch and the scores against beta as SVG plots.
import type { Comparison, OtherTable } from "../../eval/paper/compare.ts";
import { number } from "../../eval/paper/result.ts";
import { figure6Section, leftOutSection, statementSection, tableOf, tableSection } from "./ablation-page.ts";
import { type Html, html } from "./html.ts";
import { pageHtml } from "./page.ts";
import { cornerPlot, logitKey, logitPlot } from "./tables-plots.ts";
import { figure, short } from "./tables-text.ts";

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

function otherSection({ title, columns, rows, remarks }: OtherTable): Html {
  return html`<section><h2>${title}</h2><p>Nothing published stands beside these figures.</p><div class="scroll"><table class="figures"><thead><tr><th></th>${columns.map((name) => html`<th>${name}</th>`)}</tr></thead>
<tbody>${rows.map(({ name, values }) => html`<tr class="ours"><th scope="row">${name}</th>${values.map((value) => html`<td>${figure(value)}</td>`)}</tr>`)}</tbody></table></div><ul class="plain">${remarks.map((remark) => html`<li>${remark}</li>`)}</ul></section>`;
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
