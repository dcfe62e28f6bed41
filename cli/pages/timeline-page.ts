// A film over time as a page: curves of the classes, pictures of the film, the highest class along it.
import { type Curve, curveCard, lineColours, percentOf, plotting, thinned, thinning } from "./curves.ts";
import { filmTime } from "../film.ts";
import type { SeenWindow, SubjectWindows, Thumbnail } from "../film-classes.ts";
import { bestOf, type SpokenClass, type FilmTimeline } from "../timeline.ts";
import { type Html, html } from "./html.ts";
import { pageHtml } from "./page.ts";

/** Lines in one plot: more cannot be told apart. */
const TOGETHER = lineColours.length;

/** Lines of subtitles on the page; all are in timeline.json. */
const SAID = 2000;

export async function timelinePage(timeline: FilmTimeline, pictures: readonly Thumbnail[]): Promise<string> {
  const { film, checkpoint, classes, frames, subjects, words, notes } = timeline;
  const times = [...new Set(subjects.flatMap(({ windows }) => windows.map(middleOf)))].sort((a, b) => a - b);
  const plots = subjects.map((each, s) => plotsOf(each, s, classes, times));
  const { start, end } = subjects[0].windows[0] ?? { start: 0, end: 0 };
  const count = subjects.reduce((sum, { windows }) => sum + windows.length, 0);
  const facts: [string, string][] = [
    ["Checkpoint", checkpoint],
    ["Windows", `${count} of ${(end - start).toFixed(2)} s`],
    ["Frames looked at", String(frames)],
    ...(words ? [["Words", words.source] as [string, string]] : []),
  ];
  return pageHtml({
    title: film,
    summary: `How well each of ${classes.length} descriptions fits, window by window.`,
    facts,
    sections: [
      html`<section><h2>Over the film</h2><p>Shares of the classes in percent, at the middle of each window. They add up to 100 whatever is shown. Point at a curve to read it.</p>${strip(pictures)}</section>`,
      ...subjects.map((each, s) => subjectSection(each, plots[s], classes)),
      words && html`<section><h2>What is said</h2>${saidTable(words.lines, timeline)}</section>`,
      notes.length > 0
        ? html`<section><h2>Remarks</h2><ul class="plain">${notes.map((note) => html`<li>${note}</li>`)}</ul></section>`
        : undefined,
    ],
    script: await plotting(plots.flat().map(({ curve }) => curve)),
  });
}

interface Plot {
  readonly curve: Curve;
  readonly names: readonly string[];
}

/** Curves over all times that any subject has, so that those below one another can be compared; where it is not seen there are none. */
function plotsOf(
  { windows }: SubjectWindows,
  subject: number,
  classes: readonly string[],
  times: readonly number[],
): Plot[] {
  const every = thinning(times.length);
  const steps = times.filter((_, i) => i % every === 0);
  const shares = new Map(windows.map((window) => [middleOf(window), window.probabilities]));
  return Array.from({ length: Math.ceil(classes.length / TOGETHER) }, (_, p) => {
    const names = classes.slice(p * TOGETHER, (p + 1) * TOGETHER);
    const lines = names.map((label, i) => {
      const values = times.map((time) => percentOf(shares.get(time)?.[p * TOGETHER + i]));
      return { kind: "bold", label, run: i, values: thinned(values, every) } as const;
    });
    const curve: Curve = { id: `classes${subject}-${p}`, steps, lines, now: "", along: "second", zero: true };
    return { curve, names };
  });
}

const middleOf = ({ start, end }: SeenWindow): number => Number(((start + end) / 2).toFixed(3));

function subjectSection(
  { subject, windows, unseen }: SubjectWindows,
  plots: readonly Plot[],
  classes: readonly string[],
): Html {
  const without = windows.filter(({ seen }) => seen === 0).length;
  const told = without > 0 ? html`<p>In ${without} of these windows no frame shows them.</p>` : "";
  const more = unseen && without === 0 ? html`<p>${unseen} more windows do not show them.</p>` : "";
  return html`<section><h2>${subject[0].toUpperCase() + subject.slice(1)}</h2>${told}${more}
<div class="curves">${plots.map(({ curve, names }) => html`${curveCard(curve.id, plots.length > 1 ? names.join(", ") : "Classes", "percent over seconds")}`)}</div>${plots.map(({ names }) => keyOf(names))}
<div class="scroll"><table class="figures"><thead><tr><th>class</th><th>highest in windows</th><th>mean</th><th>largest</th><th>at</th></tr></thead><tbody>${classes.map((name, c) => classRow(name, c, windows))}</tbody></table></div></section>`;
}

const keyOf = (names: readonly string[]): Html =>
  html`<div class="key">${names.map((name, i) => html`<span><svg viewBox="0 0 26 12"><line x1="1" x2="25" y1="6" y2="6" stroke="var(${lineColours[i]})" stroke-width="3"/></svg>${name}</span>`)}</div>`;

/** Pictures beside one another, in their order. */
function strip(pictures: readonly Thumbnail[]): Html {
  const shown = pictures.map(
    ({ seconds, jpeg }) =>
      html`<figure style="margin:0;flex:1 0 3.2rem;max-width:7rem"><img alt="" style="display:block;width:100%;border-radius:4px" src="data:image/jpeg;base64,${Buffer.from(jpeg).toString("base64")}"><figcaption><small>${seconds.toFixed(1)} s</small></figcaption></figure>`,
  );
  return html`<div class="scroll" style="display:flex;gap:4px;margin-bottom:1.2rem">${shown}</div>`;
}

function classRow(name: string, c: number, windows: SubjectWindows["windows"]): Html {
  const values = windows.map(({ probabilities }) => probabilities[c]);
  const top = bestOf(values);
  const first = windows.filter(({ probabilities }) => bestOf(probabilities) === c).length;
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  return html`<tr><th>${name}</th><td>${first}</td><td>${(100 * mean).toFixed(1)} %</td><td>${(100 * values[top]).toFixed(1)} %</td><td>${windows[top].start.toFixed(1)} to ${windows[top].end.toFixed(1)} s</td></tr>`;
}

/** Lines of subtitles, with the highest class of each subject meanwhile. */
function saidTable(lines: readonly SpokenClass[], { classes, subjects }: FilmTimeline): Html {
  const highest = (probabilities: readonly number[]) => {
    const best = bestOf(probabilities);
    return probabilities.length > 0 ? `${classes[best]} ${(100 * probabilities[best]).toFixed(0)} %` : "";
  };
  const rows = lines
    .slice(0, SAID)
    .map(
      ({ start, text, probabilities }) =>
        html`<tr><th>${filmTime(start)}</th><td style="text-align:left">${text}</td>${probabilities.map((each) => html`<td>${highest(each)}</td>`)}</tr>`,
    );
  const more = lines.length > SAID ? html`<p>${lines.length - SAID} more lines are in timeline.json.</p>` : "";
  return html`<div class="scroll"><table class="figures"><thead><tr><th>at</th><th style="text-align:left">words</th>${subjects.map(({ subject }) => html`<th>${subject}</th>`)}</tr></thead><tbody>${rows}</tbody></table></div>${more}`;
}
