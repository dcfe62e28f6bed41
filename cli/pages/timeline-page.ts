// A film over time as a page: curves of the classes, pictures of the film, the highest class along it.
import { type Curve, curveCard, lineColours, percentOf, plotting, thinned, thinning } from "./curves.ts";
import { type Html, html } from "./html.ts";
import { pageHtml } from "./page.ts";

/** What was seen in a film. `timeline.json` holds this. */
export interface Timeline {
  readonly film: string;
  readonly checkpoint: string;
  readonly classes: readonly string[];
  /** In their order; seconds from the first frame. `seen` are frames that show the subject. */
  readonly windows: readonly {
    readonly start: number;
    readonly end: number;
    readonly probabilities: readonly number[];
    readonly seen: number;
  }[];
  /** Frames that some window shows. */
  readonly frames: number;
  /** Windows without the subject in any frame; null where none was marked. */
  readonly unseen: number | null;
  readonly notes: readonly string[];
}

/** A picture of the film. */
interface Picture {
  readonly seconds: number;
  readonly jpeg: Uint8Array;
}

/** Lines in one plot: more cannot be told apart. */
const TOGETHER = lineColours.length;

export async function timelinePage(timeline: Timeline, pictures: readonly Picture[]): Promise<string> {
  const { film, checkpoint, classes, windows, frames, unseen } = timeline;
  const plots = plotsOf(timeline);
  const facts: [string, string][] = [
    ["Checkpoint", checkpoint],
    ["Windows", `${windows.length} of ${(windows[0].end - windows[0].start).toFixed(2)} s`],
    ["Frames looked at", String(frames)],
    ["Subject", unseen === null ? "not marked" : `in ${windows.length - unseen} of ${windows.length} windows`],
  ];
  return pageHtml({
    title: film,
    summary: `How well each of ${classes.length} descriptions fits, window by window.`,
    facts,
    sections: [
      html`<section><h2>Over the film</h2><p>Shares of the classes in percent, at the middle of each window. They add up to 100 whatever is shown. Point at a curve to read it.</p>${strip(pictures)}
<div class="curves">${plots.map(({ curve, names }) => html`${curveCard(curve.id, plots.length > 1 ? names.join(", ") : "Classes", "percent over seconds")}`)}</div>${plots.map(({ names }) => keyOf(names))}</section>`,
      html`<section><h2>Where each class is highest</h2><div class="scroll"><table class="figures"><thead><tr><th>class</th><th>windows</th><th>mean</th><th>highest</th><th>at</th></tr></thead><tbody>${classes.map((name, c) => classRow(name, c, timeline))}</tbody></table></div></section>`,
      timeline.notes.length > 0
        ? html`<section><h2>Remarks</h2><ul class="plain">${timeline.notes.map((note) => html`<li>${note}</li>`)}</ul></section>`
        : undefined,
    ],
    script: await plotting(plots.map(({ curve }) => curve)),
  });
}

function plotsOf({ classes, windows }: Timeline): { readonly curve: Curve; readonly names: readonly string[] }[] {
  const every = thinning(windows.length);
  const middles = windows.map(({ start, end }) => Number(((start + end) / 2).toFixed(3)));
  const steps = middles.filter((_, i) => i % every === 0);
  return Array.from({ length: Math.ceil(classes.length / TOGETHER) }, (_, p) => {
    const own = classes.slice(p * TOGETHER, (p + 1) * TOGETHER);
    const lines = own.map((label, i) => {
      const values = windows.map(({ probabilities }) => percentOf(probabilities[p * TOGETHER + i]));
      return { kind: "bold", label, run: i, values: thinned(values, every) } as const;
    });
    return { curve: { id: `classes${p}`, steps, lines, now: "", along: "second", zero: true }, names: own };
  });
}

const keyOf = (names: readonly string[]): Html =>
  html`<div class="key">${names.map((name, i) => html`<span><svg viewBox="0 0 26 12"><line x1="1" x2="25" y1="6" y2="6" stroke="var(${lineColours[i]})" stroke-width="3"/></svg>${name}</span>`)}</div>`;

/** Pictures beside one another, in their order. */
function strip(pictures: readonly Picture[]): Html {
  const shown = pictures.map(
    ({ seconds, jpeg }) =>
      html`<figure style="margin:0;flex:1 0 3.2rem;max-width:7rem"><img alt="" style="display:block;width:100%;border-radius:4px" src="data:image/jpeg;base64,${Buffer.from(jpeg).toString("base64")}"><figcaption><small>${seconds.toFixed(1)} s</small></figcaption></figure>`,
  );
  return html`<div class="scroll" style="display:flex;gap:4px;margin-bottom:1.2rem">${shown}</div>`;
}

function classRow(name: string, c: number, { windows }: Timeline): Html {
  const values = windows.map(({ probabilities }) => probabilities[c]);
  const top = values.indexOf(Math.max(...values));
  const first = windows.filter(({ probabilities }) => probabilities.indexOf(Math.max(...probabilities)) === c).length;
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  return html`<tr><th>${name}</th><td>${first}</td><td>${(100 * mean).toFixed(1)} %</td><td>${(100 * values[top]).toFixed(1)} %</td><td>${windows[top].start.toFixed(1)} to ${windows[top].end.toFixed(1)} s</td></tr>`;
}
