// Curves on a page: what a plot is made of, its card, and uPlot with the script that draws them in the reader's browser.
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { Html, html, inlineJson } from "./html.ts";
import type { Page } from "./page.ts";
import { script } from "./report-page.ts";

/** Lines over the same steps. Missing values are null. */
export interface Curve {
  /** Of the element that it is drawn into: the one of its `curveCard`. */
  readonly id: string;
  readonly steps: readonly number[];
  readonly lines: readonly Line[];
  /** What is said beside the title while nobody points at the plot. */
  readonly now: string;
  /** What the values are over; steps unless said. */
  readonly along?: string;
  /** The axis begins at zero. */
  readonly zero?: boolean;
  readonly fill?: boolean;
}

interface Line {
  readonly kind: "faint" | "bold" | "dashed";
  readonly label: string;
  readonly values: Values;
  /** Which of several runs it is of, from 0: it has that run's colour. */
  readonly run?: number;
  /** It is drawn and not read. */
  readonly quiet?: boolean;
}

/** Style and script of a page that draws these curves. */
export async function plotting(curves: readonly Curve[]): Promise<Page["script"]> {
  const dist = dirname(createRequire(import.meta.url).resolve("uplot"));
  const plotter = await readFile(join(dist, "uPlot.iife.min.js"), "utf8");
  return {
    style: await readFile(join(dist, "uPlot.min.css"), "utf8"),
    note: "The curves are drawn by uPlot (MIT). This page opens no connection.",
    body: html`
<script type="application/json" id="curves">${inlineJson(curves)}</script>
<script>${new Html(plotter)}</script><script>${new Html(script)}</script>
`,
  };
}

/** Of several lines in order, as the script has them. */
export const lineColours = ["--run0", "--run1", "--run2", "--run3", "--run4", "--run5"] as const;

/** The place of a curve, inside an element of the class "curves". */
export const curveCard = (id: string, title: string, unit: string): Html =>
  html`<div class="curve"><h3>${title}<small>${unit}</small><output></output></h3><div id="${id}"></div></div>`;

/** More points than this cannot be told apart on a screen. */
const POINTS = 3000;

/** How many neighbours become one point. */
export const thinning = (count: number): number => Math.ceil(count / POINTS) || 1;

/** Values that an average of a curve of so many points is over. */
export const spanOf = (count: number): number => Math.max(1, Math.round(count / 40));

export const percentOf = (value: number | null | undefined): number | null => (value == null ? null : 100 * value);

export type Values = readonly (number | null)[];

/** Means of `every` neighbours. */
export function thinned(values: Values, every: number): Values {
  if (every === 1) return values;
  return Array.from({ length: Math.ceil(values.length / every) }, (_, i) =>
    average(values.slice(i * every, (i + 1) * every)),
  );
}

/** Mean over the `span` values around each; at the ends over those there are. */
export function smoothed(values: Values, span: number): Values {
  const reach = span >> 1;
  return values.map((_, i) => average(values.slice(Math.max(0, i - reach), i + reach + 1)));
}

export function average(values: Values): number | null {
  const present = values.filter((value): value is number => value !== null && Number.isFinite(value));
  return present.length ? present.reduce((sum, value) => sum + value, 0) / present.length : null;
}

export function largest(values: Values): number | null {
  return values.reduce((most, value) => (value !== null && (most === null || value > most) ? value : most), null);
}

export function latest(label: string, values: Values): string {
  const value = values.at(-1);
  if (value === null || value === undefined) return "";
  return `${label} ${value !== 0 && Math.abs(value) < 0.01 ? value.toExponential(2) : Number(value.toPrecision(4))}`;
}
