// The outcome of an evaluation as one object, and as text: figures with their intervals, the published table beside them, the
// switches in force, and on request every class.

import type { SetName, Decision } from "../../data/sets/switches.ts";
import { listed } from "../probes/not-defined.ts";
import type { Protocol, Task } from "../probes/protocol.ts";
import { type PublishedTable, figureFor, publishedOf } from "./published.ts";
import type { ClassTable, Figure, TaskResult } from "../probes/outcome.ts";
import { takes } from "../../engine/takes.ts";

/** What `emotionclip eval … --json` prints. */
export interface EvaluationResult {
  readonly benchmark: SetName;
  /** Where the features came from: a checkpoint with its hash, or files. */
  readonly source: string;
  /** Samples and width of each split's features, and the samples that could not be read and have none (from version 0.2). */
  readonly splits: readonly {
    readonly name: string;
    readonly samples: number;
    readonly width: number;
    readonly leftOut?: number;
  }[];
  readonly decisions: readonly Decision[];
  readonly notes: readonly string[];
  readonly tasks: readonly TaskResult[];
  readonly seconds: { readonly features: number; readonly probes: number };
}

/** The probe in words, with its constant. */
export function probeWords({ probe, smooth }: Task): string {
  const words =
    probe.kind === "ridge"
      ? `ridge, alpha ${probe.alpha}`
      : `${probe.kind === "softmax" ? "softmax" : "one-vs-rest"} logistic regression, C ${probe.C}`;
  return smooth ? `${words}; smoothed over ${smooth.window} samples, order ${smooth.order}` : words;
}

/** The page that the command prints. */
export function resultText(result: EvaluationResult, protocol: Protocol, perClass = false): string {
  takes(
    "resultText(result: { benchmark: text, splits: object[], decisions: object[], ... }, " +
      "protocol: { fit: text, on: text[], tasks: object[], ... }, perClass?: flag, ...)",
    arguments,
  );
  const { benchmark, source, splits, decisions, notes, tasks, seconds } = result;
  const sizes = splits.map(({ name, samples }) => `${name} ${samples.toLocaleString("en")}`).join(", ");
  const lines = [
    `${benchmark}: ${source}`,
    `  features of ${splits[0].width} numbers, L2-normalised; ${sizes}; fitted on ${protocol.fit}`,
    ...decisions.map(({ name, value, about, isOfficial }) => {
      return `  switch ${name} = ${value} (${isOfficial ? "as the official code" : "corrected"}): ${about}`;
    }),
    ...notes.map((note) => `  note: ${note}`),
  ];
  for (const task of protocol.tasks) {
    const own = tasks.filter((each) => each.task === task.name);
    if (own.length === 0) continue;
    lines.push("", `${task.name}: ${probeWords(task)}`, ...figureLines(own));
    for (const each of own) {
      if (perClass)
        lines.push(
          "",
          `  ${each.split}, by ${task.target === "values" ? "dimension" : "class"}`,
          ...classLines(each.perClass),
        );
      if (perClass && each.confusion)
        lines.push("", `  ${each.split}, confusion: true in rows, chosen in columns`, ...confusionLines(each));
    }
  }
  const beside = publishedOf(benchmark);
  if (beside) lines.push("", ...publishedLines(beside, tasks));
  lines.push("", `features ${seconds.features.toFixed(1)} s, probes ${seconds.probes.toFixed(1)} s`);
  return lines.join("\n");
}

function figureLines(results: readonly TaskResult[]): string[] {
  return results.flatMap(({ split, figures }) =>
    figures.flatMap((figure) => {
      const { interval, undefinedClasses = [], meanDefined, reason } = figure;
      const range = interval
        ? `   95 % in ${shown(figure, interval.low)} to ${shown(figure, interval.high)}${
            interval.undefinedResamples > 0 ? ` (${interval.undefinedResamples} resamples undefined)` : ""
          }`
        : "";
      const fraction = figure.name === "R2" ? `   (${number(figure.value, 4)} as a fraction)` : "";
      const line = `  ${split.padEnd(6)}${figure.name.padEnd(16)}${shown(figure, figure.value).padStart(9)}${fraction}${range}`;
      if (meanDefined === undefined || meanDefined === figure.value || Number.isNaN(meanDefined))
        return reason === undefined ? [line] : [line, `        ${reason}`];
      return [
        line,
        `        undefined for ${listed(undefinedClasses)}; mean of the others ${shown(figure, meanDefined)}`,
      ];
    }),
  );
}

const shown = ({ unit }: Figure, value: number) => (unit === "percent" ? number(100 * value, 2) : number(value, 5));

/** A number with a true minus sign; "n/a" where there is none. */
export const number = (value: number, digits: number): string =>
  Number.isFinite(value) ? value.toFixed(digits).replace("-", "−") : "n/a";

function classLines({ columns, rows }: ClassTable): string[] {
  const width = Math.max(...rows.map(([name]) => name.length));
  const cell = (value: number) => (Number.isInteger(value) && value !== 1 ? String(value) : number(value, 4));
  const whole = (j: number) => rows.every((row) => Number.isInteger(row[j + 1]));
  const cells = rows.map(([name, ...values]) => [
    name,
    ...values.map((v, j) => (whole(j) ? String(v) : Number.isFinite(v) ? number(v, 4) : cell(v))),
  ]);
  return [["", ...columns], ...cells].map(
    ([name, ...values]) => `    ${name.padEnd(width)}${values.map((v) => v.padStart(10)).join("")}`,
  );
}

function confusionLines({ confusion }: TaskResult): string[] {
  const { classes, counts } = confusion!;
  const width = Math.max(...classes.map((name) => name.length));
  const column = Math.max(7, ...classes.map((name) => name.length + 2));
  return [
    `    ${"".padEnd(width)}${classes.map((name) => name.padStart(column)).join("")}`,
    ...counts.map((row, c) => `    ${classes[c].padEnd(width)}${row.map((v) => String(v).padStart(column)).join("")}`),
  ];
}

function publishedLines({ title, columns, rows }: PublishedTable, results: readonly TaskResult[]): string[] {
  const digits = (scale: number) => (scale === 100 ? 2 : 3);
  const line = (name: string, values: readonly (number | null | undefined)[]) =>
    `  ${name.padEnd(30)}${values.map((v, i) => (v == null ? "n/a" : number(v, digits(columns[i].scale))).padStart(14)).join("")}`;
  const ours = columns.map(({ ours, scale }) => {
    const figure = figureFor(results, ours);
    return figure === undefined ? undefined : figure * scale;
  });
  return [
    `${title} as published, and this result`,
    `  ${"".padEnd(30)}${columns.map(({ name }) => name.padStart(14)).join("")}`,
    ...rows.map(({ name, group, values }) =>
      line(`${name}${group === "supervised" ? ", supervised" : ", linear"}`, values),
    ),
    line("this result", ours),
    ...(rows.some(({ name }) => name.startsWith("*")) ? ["  * also uses sound or text"] : []),
  ];
}
