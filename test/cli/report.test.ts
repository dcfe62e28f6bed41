// report.html: opens no connection, shows what it was given, and treats captions and settings as text.
import { readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { FormatError } from "../../engine/errors.ts";
import { escapeText, html, inlineJson } from "../../cli/pages/html.ts";
import { smoothed } from "../../cli/pages/curves.ts";
import { type Report, reportHtml, writeReport } from "../../cli/pages/report.ts";
import { shareInside } from "../../eval/attention/maps.ts";
import { heat } from "../../cli/pages/report-attention.ts";

const hostile = `</script><script>alert(1)</script><img src=x onerror="alert(2)">'&\u0000\u001b[2J`;

function report(text: string): Report {
  return {
    title: text,
    summary: text,
    facts: [[text, text]],
    settings: { [text]: { [text]: text }, batch: 64, lr: { rest: 1e-8 } },
    results: [{ name: text, about: text, before: -0.043, after: 0.436, chance: 0 }],
    series: { step: [1, 2], loss: [4, 2], learningRate: [0, 1e-3], clipsPerSecond: [null, 200] },
    chanceLoss: Math.log(64),
    attention: [
      {
        caption: text,
        frames: [0, 1].map(() => ({ jpeg: Uint8Array.of(0xff, 0xd8, 0xff, 0xd9), box: [0, 0, 0.5, 1] as const })),
        maps: {
          layers: 2,
          frames: 2,
          grid: 2,
          covered: 1,
          weights: Float32Array.from({ length: 16 }, (_, i) => i / 64),
        },
      },
    ],
  };
}

/** What is left of the page when the code we put there ourselves is taken out. */
const markup = (page: string) =>
  page.replace(/<script>[\s\S]*?<\/script>/g, "").replace(/<style>[\s\S]*?<\/style>/g, "");

test("the page loads nothing: no address in it, and a policy that forbids connections", async () => {
  const page = await reportHtml(report("a plain caption"));
  assert.not.match(page, /(?:src|href|action|data|poster)\s*=\s*["']?\s*(?:https?:)?\/\//i);
  assert.not.match(page, /@import|url\(\s*["']?(?!#|data:)/i);
  assert.not.match(page, /<(?:link|iframe|object|embed|base|form)\b/i);
  assert.match(page, /Content-Security-Policy" content="default-src &#39;none&#39;/);
  const references = [...markup(page).matchAll(/(?:src|href)="([^"]{0,40})/g)].map(([, to]) => to);
  assert.ok(references.length > 4);
  for (const to of references) assert.ok(to.startsWith("data:image/jpeg;base64,") || to.startsWith("#"), to);
});

test("a hostile caption, title, setting or result name stays text", async () => {
  const plain = markup(await reportHtml(report("plain")));
  const page = await reportHtml(report(hostile));
  const tags = (text: string) => [...text.matchAll(/<[a-z!/][^\s>]*/gi)].map(([tag]) => tag);
  assert.equal(tags(markup(page)), tags(plain)); // the same elements, one for one
  assert.ok(page.includes("&#60;/script&#62;&#60;script&#62;alert(1)"));
  assert.not.match(page, /onerror="/);
  assert.not.match(page.replace(/<script>[\s\S]*?<\/script>/g, ""), /[^\P{Cc}\n\t]/u);
});

test("escaped text has no character of markup, and only those are changed", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (text) => {
      const escaped = escapeText(text);
      assert.not.match(escaped, /[<>"']|&(?!#\d+;)/);
      const back = escaped.replace(/&#(\d+);/g, (_, code) => String.fromCharCode(code));
      assert.is(back, text.replace(/[^\P{Cc}\t\n]/gu, "\ufffd"));
    }),
    { numRuns: 2000, seed: 2022, includeErrorInReport: true },
  );
});

test("inline JSON cannot close its element and parses to what it was", () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      const { source } = inlineJson({ value, hostile });
      assert.not.match(source, /[<>&\u2028\u2029]/);
      assert.equal(JSON.parse(source), JSON.parse(JSON.stringify({ value, hostile })));
    }),
    { numRuns: 1000, seed: 2022, includeErrorInReport: true },
  );
});

test("markup made by html is not escaped again, text in it is", () => {
  const bold = html`<b>${"<"}</b>`;
  assert.is(html`<p>${[bold, bold]}${false}${undefined}${0}</p>`.source, "<p><b>&#60;</b><b>&#60;</b>0</p>");
});

test("numbers, curves and settings are all there", async () => {
  const page = await reportHtml(report("name"));
  for (const wanted of ["−0.043", "0.436", "+0.479", "lr.rest", "1e-8", "Scores are not facts about a person"]) {
    assert.ok(page.includes(wanted), wanted);
  }
  const curves = JSON.parse(/id="curves">(.*?)<\/script>/s.exec(page)![1]);
  assert.equal(
    curves.map(({ id }: { id: string }) => id),
    ["loss", "rate", "speed"],
  );
  assert.equal(curves[0].lines[0].values, [4, 2]);
  assert.equal(curves[2].lines[0].values, [null, 200]);
  assert.is([...page.matchAll(/<figure/g)].length, 1, "the frames of a clip are one figure");
});

test("a run without results and attention has a page too", async () => {
  const page = await reportHtml({ ...report("x"), results: [], attention: [], chanceLoss: undefined });
  assert.not.match(page, /Before and after|What the subject token/);
  assert.match(page, /<h2>Training/);
});

test("a hundred thousand steps are thinned to a page of a few hundred kilobytes", async () => {
  const step = Array.from({ length: 100_000 }, (_, i) => i + 1);
  const values = step.map((i) => 1 / i);
  const series = { step, loss: values, learningRate: values, clipsPerSecond: values };
  const page = await reportHtml({ ...report("x"), series });
  const curves = JSON.parse(/id="curves">(.*?)<\/script>/s.exec(page)![1]);
  for (const { steps, lines } of curves) {
    assert.ok(steps.length <= 3000 && steps.length > 2000);
    for (const line of lines) assert.is(line.values.length, steps.length);
  }
  assert.ok(page.length < 800_000, `${page.length} characters`);
});

test("the moving average is the mean of the neighbours, and steps over gaps", () => {
  assert.equal(smoothed([1, 2, 6, null, 4], 3), [1.5, 3, 4, 5, 4]);
  assert.equal(smoothed([1, 2], 1), [1, 2]);
  assert.equal(smoothed([null], 3), [null]);
});

test("the share of the attention in the box counts patches by the part that is inside", () => {
  const even = [0.25, 0.25, 0.25, 0.25];
  assert.is(shareInside(even, [0, 0, 1, 1]), 1);
  assert.is(shareInside(even, [0, 0, 0.5, 1]), 0.5);
  assert.is(shareInside(even, [0.25, 0.25, 0.75, 0.75]), 0.25);
  assert.is(shareInside([1, 0, 0, 0], [0, 0, 0.25, 0.5]), 0.5);
  assert.is(shareInside([0, 0, 0, 0], [0, 0, 1, 1]), 0);
});

test("the colour scale runs from black to light yellow and gets lighter all the way", () => {
  assert.is(heat(0), "#000004");
  assert.is(heat(1), "#fcffa4");
  const light = (hex: string) =>
    [1, 3, 5].reduce((sum, at, i) => sum + Number.parseInt(hex.slice(at, at + 2), 16) * [0.21, 0.72, 0.07][i], 0);
  for (let i = 1; i <= 20; i++) assert.ok(light(heat(i / 20)) > light(heat((i - 1) / 20)));
});

test("maps of other frames, or of another number of patches, are refused", async () => {
  const [clip] = report("x").attention;
  const refusal = (attention: Report["attention"]) =>
    reportHtml({ ...report("x"), attention }).then(
      () => undefined,
      (reason) => reason,
    );
  assert.is(await refusal([clip]), undefined);
  assert.instance(await refusal([{ ...clip, frames: clip.frames.slice(1) }]), FormatError);
  assert.instance(await refusal([{ ...clip, maps: { ...clip.maps, grid: 3 } }]), FormatError);
});

test("the page is written whole", async () => {
  const path = join(tmpdir(), `emotionclip-report-${process.pid}.html`);
  const { bytes } = await writeReport(path, report("x"));
  const page = await readFile(path);
  assert.is(page.length, bytes);
  assert.ok(page.toString().trimEnd().endsWith("</html>"));
  await rm(path);
});

test.run();
