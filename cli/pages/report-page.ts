// What report.html looks like and how its curves are drawn: one style sheet, one script. No request leaves the page.

/** Light is warm paper and ink, dark is the same at night; one accent, numbers in columns. */
export const style = `
:root { color-scheme: light dark;
  --paper: #fbfaf7; --card: #ffffff; --ink: #1d1c1a; --soft: #6b6760; --line: #e4e0d8; --hair: #efece5;
  --accent: #0b6e69; --accent-soft: #0b6e6922; --before: #a59f94; --warm: #b45309; --up: #0b6e69; --down: #b42318;
  --run0: #0b6e69; --run1: #b45309; --run2: #4f46c8; --run3: #b3306f; --run4: #5f7d1c; --run5: #1d1c1a; }
@media (prefers-color-scheme: dark) { :root {
  --paper: #141516; --card: #1b1c1e; --ink: #ebe8e2; --soft: #9c978d; --line: #34343680; --hair: #26272a;
  --accent: #5ccabf; --accent-soft: #5ccabf26; --before: #77736b; --warm: #f0a35e; --up: #5ccabf; --down: #f08a80;
  --run0: #5ccabf; --run1: #f0a35e; --run2: #a5a0ff; --run3: #f08fc0; --run4: #b5d268; --run5: #ebe8e2; } }
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.55 ui-sans-serif, system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif;
  font-variant-numeric: tabular-nums; -webkit-font-smoothing: antialiased; }
main { max-width: 62rem; margin: 0 auto; padding: clamp(1.5rem, 5vw, 4rem) clamp(1rem, 4vw, 2.5rem) 4rem; }
h1 { font: 600 clamp(1.9rem, 4.6vw, 2.9rem)/1.12 "Iowan Old Style", "Palatino Linotype", Palatino, "Book Antiqua", Georgia, serif; letter-spacing: -.015em; margin: 0; text-wrap: balance; overflow-wrap: anywhere; }
h2 { font: 600 1.35rem/1.3 "Iowan Old Style", "Palatino Linotype", Palatino, "Book Antiqua", Georgia, serif; margin: 0 0 .35rem; letter-spacing: -.005em; }
header p { color: var(--soft); font-size: 1.06rem; margin: .8rem 0 0; max-width: 46rem; }
section { margin-top: clamp(2.4rem, 5vw, 3.6rem); }
section > p { color: var(--soft); margin: 0 0 1.1rem; max-width: 44rem; }
small { font-size: .8rem; color: var(--soft); }
.facts { display: grid; grid-template-columns: repeat(auto-fit, minmax(10.5rem, 1fr)); gap: 1.1rem 1.8rem; margin: 1.8rem 0 0; padding: 1.3rem 0 0; border-top: 1px solid var(--line); }
.facts dt { font-size: .78rem; color: var(--soft); } .facts dd { margin: .1rem 0 0; font-weight: 500; overflow-wrap: anywhere; }
.note { margin: 1.8rem 0 0; padding: .85rem 1.1rem; border-left: 3px solid var(--warm); background: color-mix(in srgb, var(--warm) 7%, transparent); border-radius: 0 6px 6px 0; font-size: .93rem; }
.note b { color: var(--warm); font-weight: 600; }
.scroll { overflow-x: auto; }
table.results { border-collapse: collapse; width: 100%; }
.results th, .results td { padding: .8rem .9rem; border-bottom: 1px solid var(--hair); text-align: right; font-weight: 400; vertical-align: middle; white-space: nowrap; }
.results thead th { font-size: .78rem; color: var(--soft); border-bottom: 1px solid var(--line); padding-block: .45rem; }
.results th:first-child { text-align: left; padding-left: 0; white-space: normal; } .results th b { font-weight: 600; display: block; }
.results td.now { font-size: 1.22rem; font-weight: 600; } .results td.plot { width: 38%; padding-right: 0; min-width: 11rem; }
.results .before { color: var(--soft); } .up { color: var(--up); } .down { color: var(--down); }
@media (max-width: 40rem) { .plot { display: none !important; } .results th, .results td { padding-inline: .45rem; } .results td:nth-child(4) { padding-right: 0; } }
.results svg { display: block; width: 100%; height: 26px; overflow: visible; }
.track { stroke: var(--line); stroke-width: 2; } .gain { stroke: var(--accent); stroke-width: 4; stroke-linecap: round; opacity: .45; } .gain.loss { stroke: var(--down); }
.dot { fill: var(--accent); } .dot.was { fill: var(--paper); stroke: var(--before); stroke-width: 2.5; } .chance { stroke: var(--soft); stroke-width: 1.5; stroke-dasharray: 2 2.5; }
.key { display: inline-flex; gap: 1.1rem; flex-wrap: wrap; font-size: .82rem; color: var(--soft); margin-top: .7rem; }
.key span { display: inline-flex; align-items: center; gap: .4rem; } .key svg { width: 26px; height: 12px; }
.curves { display: grid; grid-template-columns: 1fr 1fr; gap: 1.4rem; } .curves > :first-child { grid-column: 1 / -1; }
@media (max-width: 44rem) { .curves { grid-template-columns: 1fr; } }
.curve { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: .9rem 1rem .4rem; min-width: 0; }
.curve h3 { font-size: .92rem; font-weight: 600; margin: 0; display: flow-root; } .curve h3 small { font-weight: 400; margin-left: .4rem; } .curve output { float: right; font-size: .85rem; color: var(--soft); }
.curve > div { height: 210px; } .curve:first-child > div { height: 290px; }
.uplot { font: inherit; } .u-cursor-x { border-right: 1px solid var(--soft) !important; opacity: .6; } .u-cursor-y { display: none; } .u-legend { display: none; }
.clip { margin: 0 0 2.2rem; } .clip figcaption { font: italic 1.12rem/1.4 "Iowan Old Style", "Palatino Linotype", Palatino, Georgia, serif; margin-bottom: .6rem; overflow-wrap: anywhere; unicode-bidi: isolate; }
table.frames { border-collapse: separate; border-spacing: 6px 8px; margin-left: -6px; width: 100%; min-width: calc(var(--frames) * 6.2rem + 4rem); max-width: calc(var(--frames) * 13rem + 5rem); table-layout: fixed; }
.frames th { width: 4.6rem; text-align: left; font-size: .82rem; font-weight: 500; vertical-align: middle; } .frames th span, .frames th small { display: block; } .frames th small { font-weight: 400; font-size: .74rem; }
.frames td { padding: 0; vertical-align: top; } .frames svg { display: block; width: 100%; border-radius: 6px; background: var(--hair); }
.frames td small { display: block; margin-top: .15rem; font-size: .74rem; text-align: center; line-height: 1.35; } .frames td small b, .frames td small span { white-space: nowrap; } .frames td small b { color: var(--ink); font-weight: 600; }
.under { filter: grayscale(.75); } .patches { opacity: .58; shape-rendering: crispEdges; }
.halo { fill: none; stroke: #000; stroke-opacity: .45; stroke-width: 2.4; } .box { fill: none; stroke: #fff; stroke-width: 1.1; }
.heat { display: inline-block; width: 7rem; height: .65rem; border-radius: 3px; vertical-align: baseline; margin: 0 .35rem; }
details { border-top: 1px solid var(--line); } details:last-of-type { border-bottom: 1px solid var(--line); }
summary { cursor: pointer; padding: .8rem 0; font-weight: 500; } summary small { margin-left: .5rem; font-weight: 400; }
.settings { columns: 2 20rem; column-gap: 2.5rem; margin: 0 0 1.2rem; font: .84rem/1.5 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; }
.settings div { display: flex; justify-content: space-between; gap: 1rem; border-bottom: 1px solid var(--hair); padding: .22rem 0; break-inside: avoid; }
.settings dt { color: var(--soft); } .settings dd { margin: 0; text-align: right; overflow-wrap: anywhere; }
footer { margin-top: 3rem; color: var(--soft); font-size: .85rem; }
@media print { body { background: #fff; } .curve { break-inside: avoid; } }
`;

/** Draws each curve into its element, again when the width or the colour scheme changes. Runs in the reader's browser. */
export const script = `
(() => {
  const curves = JSON.parse(document.getElementById("curves").textContent);
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const short = (v) => v == null ? "–" : v === 0 ? "0" : Math.abs(v) < 1e-2 || Math.abs(v) >= 1e5 ? v.toExponential(2).replace(/\\.?0+e/, "e").replace("e+", "e") : String(+v.toPrecision(4));
  const sync = uPlot.sync("step");
  const plots = new Map();
  const draw = (place, curve) => {
    plots.get(place)?.destroy();
    const accent = colour("--accent"), soft = colour("--soft"), hair = colour("--hair"), before = colour("--before");
    const font = "12px " + getComputedStyle(document.body).fontFamily;
    const axis = { stroke: soft, font, grid: { stroke: hair, width: 1 }, ticks: { show: false }, gap: 6 };
    const output = place.parentNode.querySelector("output");
    const faint = { stroke: before, width: 1, alpha: .75, points: { show: false } };
    const bold = { stroke: accent, width: 2, points: { show: false }, fill: curve.fill ? colour("--accent-soft") : undefined };
    const dashed = { stroke: soft, width: 1, dash: [3, 4], points: { show: false } };
    const kinds = { faint, bold, dashed };
    const ofRun = ({ run, kind }) => run === undefined ? {} : { stroke: colour("--run" + run % 6), dash: run < 6 ? undefined : [6, 4], spanGaps: true, alpha: kind === "faint" ? .22 : 1 };
    const size = () => ({ width: place.clientWidth, height: place.clientHeight });
    plots.set(place, new uPlot({
      ...size(),
      series: [{ label: "step" }, ...curve.lines.map((line) => ({ ...kinds[line.kind], ...ofRun(line), label: line.label }))],
      scales: { x: { time: false }, y: { range: (u, min, max) => curve.zero ? [0, max * 1.08 || 1] : uPlot.rangeNum(min, max, .08, true) } },
      axes: [{ ...axis, size: 30, space: 70 }, { ...axis, size: 58, space: 42, values: (u, ticks) => ticks.map(short) }],
      cursor: { sync: { key: "step" }, y: false, points: { size: 7, fill: accent } },
      legend: { show: false },
      hooks: { setCursor: [(u) => {
        const i = u.cursor.idx;
        output.textContent = i == null ? curve.now : (curve.along ?? "step") + " " + u.data[0][i] + " · " + curve.lines.map((line, j) => line.kind === "dashed" || line.quiet ? null : line.label + " " + short(u.data[j + 1][i])).filter(Boolean).join(" · ");
      }] },
    }, [curve.steps, ...curve.lines.map((line) => line.values)], place));
    sync.sub(plots.get(place));
  };
  const all = () => curves.forEach((curve) => draw(document.getElementById(curve.id), curve));
  all();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", all);
  new ResizeObserver(() => plots.forEach((plot, place) => {
    if (plot.width !== place.clientWidth) plot.setSize({ width: place.clientWidth, height: place.clientHeight });
  })).observe(document.querySelector("main"));
})();
`;
