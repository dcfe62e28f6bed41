// The plots of the tables' page, as SVG that takes its colours from the page.
import type { BetaPoint } from "../../eval/paper/ablation.ts";
import { type Html, html } from "./html.ts";
import { short } from "./tables-text.ts";

interface Shift {
  readonly text: string;
  readonly role: string;
  readonly before: number;
  readonly after: number;
}

/** Linear near zero, logarithmic beyond ten, so that 13 and −697 fit on one axis. */
const bend = (v: number) => Math.sign(v) * (Math.abs(v) <= 10 ? Math.abs(v) / 10 : 1 + Math.log10(Math.abs(v) / 10));

/** A line per text: a ring where its logit was, a dot where it is. */
export function logitPlot(texts: readonly Shift[]): Html {
  const [width, left, right, row] = [900, 330, 40, 34];
  const height = 46 + row * texts.length;
  const values = texts.flatMap(({ before, after }) => [before, after]);
  const ticks = [-1e6, -1e5, -1e4, -1000, -100, -10, 0, 10, 100].filter(
    (t) => t >= Math.min(-10, decade(Math.min(...values))) && t <= 100,
  );
  const [low, high] = [Math.min(bend(ticks[0]), ...values.map(bend)), Math.max(bend(20), ...values.map(bend))];
  const x = (v: number) => left + ((bend(v) - low) / (high - low)) * (width - left - right);
  const shown = ticks.filter((t) => x(t) <= width - 8);
  return html`<svg viewBox="0 0 ${width} ${height}" role="img" aria-label="logits before and after reweighting">${shown.map(
    (t) =>
      html`<line class="grid" x1="${x(t)}" x2="${x(t)}" y1="8" y2="${height - 30}"/><text class="plot-text soft middle" x="${x(t)}" y="${height - 10}">${t <= -1000 ? `−10${superscript(Math.log10(-t))}` : String(t).replace("-", "−")}</text>`,
  )}${texts.map(({ text, role, before, after }, i) => {
    const y = 26 + row * i;
    const far = role === "false negative" ? "far" : "";
    const label = text.length > 44 ? `${text.slice(0, 43)}…` : text;
    return html`<text class="plot-text end" x="${left - 18}" y="${y + 4}">${label}</text><line class="shift ${far}" x1="${x(before)}" x2="${x(after)}" y1="${y}" y2="${y}"/><circle class="mark was" cx="${x(before)}" cy="${y}" r="5"/><circle class="mark${far && " other"}" cx="${x(after)}" cy="${y}" r="4.5"><title>${role}: ${short(before)} to ${short(after)}</title></circle>`;
  })}</svg>`;
}

/** What the marks of `logitPlot` mean. */
export const logitKey = html`<div class="key"><span><svg viewBox="0 0 26 12"><circle class="mark was" cx="13" cy="6" r="4.5"/></svg>before</span><span><svg viewBox="0 0 26 12"><circle class="mark" cx="13" cy="6" r="4.5"/></svg>after</span><span><svg viewBox="0 0 26 12"><circle class="mark other" cx="13" cy="6" r="4.5"/></svg>after, a false negative</span></div>`;

/** The power of ten below a negative number. */
const decade = (v: number) => (v > -10 ? -10 : -(10 ** Math.ceil(Math.log10(-v))));
const superscript = (n: number) => [...String(Math.round(n))].map((digit) => "⁰¹²³⁴⁵⁶⁷⁸⁹"[Number(digit)]).join("");

/** Softmax of each row over the corner: where the loss sees competition. With weights, after reweighting. */
export function cornerPlot(
  logits: readonly (readonly number[])[],
  weights: readonly (readonly number[])[] | undefined,
  title: string,
): Html {
  const n = logits.length;
  const cell = 360 / n;
  const shares = logits.map((row, i) => {
    const lowered = row.map((v, j) => v - (weights?.[i][j] ?? 0));
    const top = Math.max(...lowered);
    const powers = lowered.map((v) => Math.exp(v - top));
    const sum = powers.reduce((a, b) => a + b, 0);
    return powers.map((p) => p / sum);
  });
  return html`<svg viewBox="0 0 400 410" role="img" aria-label="share of each text in its row, ${title}"><text class="plot-text" x="20" y="18">${title}: share of each text in its row</text>${shares.map(
    (row, i) =>
      row.map(
        (p, j) =>
          html`<rect class="bar-back" x="${round(20 + j * cell)}" y="${round(32 + i * cell)}" width="${round(cell - 1.5)}" height="${round(cell - 1.5)}" rx="2"/>${p > 0.004 && html`<rect class="${i === j ? "mark" : "mark other"}" opacity="${p.toFixed(3)}" x="${round(20 + j * cell)}" y="${round(32 + i * cell)}" width="${round(cell - 1.5)}" height="${round(cell - 1.5)}" rx="2"/>`}`,
      ),
  )}</svg>`;
}

const round = (v: number) => Math.round(v * 100) / 100;

/** One figure over β; 0 has its own place at the left of the logarithmic axis. */
export function betaPlot(points: readonly BetaPoint[], figure: number, name: string, kind = ""): Html {
  const [width, height, left, right, top, bottom] = [430, 300, 56, 22, 34, 44];
  const ends = points.flatMap(({ figures }) => {
    const { mean, deviation } = figures[figure];
    const d = Number.isFinite(deviation) ? deviation : 0;
    return [mean - d, mean + d];
  });
  const span = Math.max(1, Math.max(...ends) - Math.min(...ends));
  const [low, high] = [Math.min(...ends) - 0.15 * span, Math.max(...ends) + 0.15 * span];
  const positive = points.filter(({ beta }) => beta > 0).map(({ beta }) => Math.log10(beta));
  const first = (positive.length > 0 ? Math.min(...positive) : 0) - 1;
  const place = (beta: number) => (beta > 0 ? Math.log10(beta) : first);
  const last = Math.max(first + 1, ...positive);
  const x = (beta: number) => round(left + ((place(beta) - first) / (last - first)) * (width - left - right));
  const y = (v: number) => round(top + ((high - v) / (high - low)) * (height - top - bottom));
  const ticks = niceTicks(low, high);
  const path = points.map(({ beta, figures }, i) => `${i ? "L" : "M"}${x(beta)} ${y(figures[figure].mean)}`).join("");
  return html`<svg viewBox="0 0 ${width} ${height}" role="img" aria-label="${name} against beta"><text class="plot-text" x="${left}" y="18">${name}</text>${ticks.map(
    (t) =>
      html`<line class="grid" x1="${left}" x2="${width - right}" y1="${y(t)}" y2="${y(t)}"/><text class="plot-text soft end" x="${left - 8}" y="${y(t) + 4}">${String(t).replace("-", "−")}</text>`,
  )}${points.map(({ beta }) => html`<text class="plot-text soft middle" x="${x(beta)}" y="${height - 22}">${beta}</text>`)}<text class="plot-text soft middle" x="${(left + width - right) / 2}" y="${height - 4}">β (0 is InfoNCE)</text><path class="series ${kind}" d="${path}"/>${points.map(
    ({ beta, figures }) => {
      const { mean, deviation } = figures[figure];
      return html`${Number.isFinite(deviation) && html`<line class="whisker" x1="${x(beta)}" x2="${x(beta)}" y1="${y(mean - deviation)}" y2="${y(mean + deviation)}"/>`}<circle class="mark ${kind}" cx="${x(beta)}" cy="${y(mean)}" r="4.5"/>`;
    },
  )}</svg>`;
}

/** Some four round numbers between two. */
function niceTicks(low: number, high: number): number[] {
  const raw = (high - low) / 4;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((k) => k * power).find((s) => s >= raw)!;
  const start = Math.ceil(low / step);
  return Array.from({ length: Math.floor(high / step) - start + 1 }, (_, i) =>
    Number(((start + i) * step).toPrecision(12)),
  );
}
