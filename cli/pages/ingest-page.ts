// What came of films, as a page: each film, sentences kept and dropped by reason, how long clips last, how many people a frame
// shows, and some clips as they are stored.
import { type Ingested, totalsOf } from "../../ingest/report.ts";
import { type Html, html } from "./html.ts";
import { barCell, pageHtml } from "./page.ts";

/** The page as text; `sheet` is a PNG of some clips. */
export function ingestPage(made: Ingested, notes: readonly string[], sheet: Uint8Array): string {
  const { films, leftOut, splits, sentiment } = made;
  const { seconds, sentences, kept } = totalsOf(films);
  return pageHtml({
    title: "Films to training data",
    summary: `${count(films.length, "film")} of ${hours(seconds)}, ${count(kept, "clip")} of ${count(sentences, "sentence")}.`,
    facts: [
      ...splits.map(({ split, samples }) => [`Clips, ${split}`, samples.toLocaleString("en")] as const),
      ["Sentences an hour", ((3600 * sentences) / seconds).toFixed(0)],
      ["Clips an hour", ((3600 * kept) / seconds).toFixed(0)],
      ["Films left out", String(leftOut.length)],
      ["Sentiment", sentiment],
    ],
    sections: [
      notes.length > 0
        ? html`<section><h2>To be known</h2><ul class="plain">${notes.map((note) => html`<li>${note}</li>`)}</ul></section>`
        : undefined,
      outcomes(made),
      durations(made),
      people(made),
      perFilm(made),
      faults(made),
      pictures(sheet),
    ],
  });
}

const count = (n: number, what: string): string => `${n.toLocaleString("en")} ${what}${n === 1 ? "" : "s"}`;

function hours(seconds: number): string {
  const minutes = seconds / 60;
  return minutes < 120 ? `${minutes.toFixed(1)} minutes` : `${(minutes / 60).toFixed(1)} hours`;
}

/** Rows of a name, a count and its share of all as a bar. */
function bars(
  heads: readonly [string, string],
  rows: readonly (readonly [string, number])[],
  kind: "" | "soft" = "",
): Html {
  const all = rows.reduce((sum, [, n]) => sum + n, 0) || 1;
  return html`<div class="scroll"><table class="figures"><thead><tr><th>${heads[0]}</th><th>${heads[1]}</th><th>share</th><th></th></tr></thead><tbody>${rows.map(
    ([name, n]) =>
      html`<tr><th scope="row">${name}</th><td>${n.toLocaleString("en")}</td><td>${((100 * n) / all).toFixed(1)} %</td>${barCell(n / all, name === "kept" ? "" : kind)}</tr>`,
  )}</tbody></table></div>`;
}

function outcomes({ films }: Ingested): Html {
  const { kept, dropped } = totalsOf(films);
  const reasons = Object.entries(dropped).sort(([, a], [, b]) => b - a);
  return html`<section><h2>Sentences</h2><p>Kept, and dropped by reason; the first reason counts.</p>${bars(["sentences", "number"], [["kept", kept], ...reasons], "soft")}</section>`;
}

/** Seconds, binned by one. */
function durations({ films }: Ingested): Html {
  const counts: number[] = [];
  for (const { durations } of films)
    for (const seconds of durations) counts[Math.floor(seconds)] = (counts[Math.floor(seconds)] ?? 0) + 1;
  const rows = Array.from(counts, (n, from) => [`${from} to ${from + 1} s`, n ?? 0] as const);
  const first = rows.findIndex(([, n]) => n > 0);
  return html`<section><h2>How long clips last</h2>${bars(["seconds", "clips"], rows.slice(first))}</section>`;
}

function people({ films }: Ingested): Html | undefined {
  const seen = films.flatMap((film) => film.people ?? []);
  if (seen.length === 0) return undefined;
  const most = seen.reduce((most, { boxes }) => Math.max(most, boxes.length), 0);
  const rows = Array.from({ length: most }, (_, n) => {
    const frames = seen.reduce((sum, { boxes }) => sum + (boxes[n] ?? 0), 0);
    return [n === 0 ? "nobody" : count(n, "box").replace(/boxs$/, "boxes"), frames] as const;
  });
  return html`<section><h2>People in a frame</h2><p>Of the frames of all sentences that were looked at, as ${[...new Set(seen.map(({ source }) => source))].slice(0, 3).join(", ")} tells.</p>${bars(["boxes", "frames"], rows)}</section>`;
}

function perFilm({ films, splits }: Ingested): Html {
  const rows = films.map(({ film, words, seconds, sentences, kept, cuts, people, shards }) => {
    const file = shards[0]?.file;
    const split = splits.find((each) => each.shards.some((shard) => shard.file === file))?.split ?? "none";
    const minutes = seconds / 60;
    return html`<tr><th scope="row">${film}</th><td class="text">${words}</td><td>${split}</td><td>${minutes.toFixed(1)}</td><td>${sentences}</td><td>${((60 * sentences) / minutes).toFixed(0)}</td><td>${kept}</td><td>${(cuts / minutes).toFixed(1)}</td><td>${people ? String(people.tracks) : "n/a"}</td></tr>`;
  });
  return html`<section><h2>Films</h2><div class="scroll"><table class="figures"><thead><tr><th>film</th><th class="text">words from</th><th>split</th><th>minutes</th><th>sentences</th><th>an hour</th><th>clips</th><th>cuts a minute</th><th>tracks</th></tr></thead><tbody>${rows}</tbody></table></div></section>`;
}

/** What was left out, dropped or guessed, film by film. */
function faults({ films, leftOut, passedOver }: Ingested): Html | undefined {
  const lines = [
    ...leftOut.map(({ why }) => `left out: ${why}`),
    ...films.flatMap(({ film, notes }) => notes.map((note) => `${film}: ${note}`)),
    ...films.flatMap(({ words, faults }) =>
      Object.entries(faults).map(([kind, { count, first }]) => `${words}: ${count} cues ${kind}; the first: ${first}`),
    ),
    ...films.flatMap(({ people }) =>
      people?.renumbered === undefined
        ? []
        : [`${people.source}: ${people.renumbered} boxes say whose they are and others do not: told apart by overlap`],
    ),
    ...films.flatMap(({ people }) =>
      people && people.unknown > 0 ? [`${people.source}: tells nothing of ${people.unknown} frames`] : [],
    ),
    ...films.flatMap(({ unfit }) => unfit.map((message) => `dropped: ${message}`)),
    ...(passedOver > 0 ? [`${passedOver} files belong to no film: passed over`] : []),
  ];
  if (lines.length === 0) return undefined;
  return html`<section><h2>What was found on the way</h2><ul class="plain">${lines.map((line) => html`<li>${line}</li>`)}</ul></section>`;
}

function pictures(sheet: Uint8Array): Html {
  const source = `data:image/png;base64,${Buffer.from(sheet).toString("base64")}`;
  return html`<section><h2>Some clips, as they are stored</h2><div class="plot-box"><img alt="frames of some clips with the subject's boxes and the caption" src="${source}" style="max-width:100%"></div></section>`;
}
