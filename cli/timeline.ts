// What is seen in a film over time: what timeline.json holds, its lines of words with classes, and the same as a table.
import type { SubjectWindows } from "./film-classes.ts";
import type { Spoken } from "./film-words.ts";

/** What was seen in a film. `timeline.json` holds this; times are seconds from the first frame. */
export interface FilmTimeline {
  readonly film: string;
  readonly checkpoint: string;
  readonly classes: readonly string[];
  readonly subjects: readonly SubjectWindows[];
  /** Frames that some window shows. */
  readonly frames: number;
  /** Windows with fewer frames than the model takes, some of which count twice or more. */
  readonly short: number;
  /** What is said; nothing where there are no subtitles. */
  readonly words?: { readonly source: string; readonly lines: readonly SpokenClass[] };
  /** What a person should know of the checkpoint and the subtitles. */
  readonly notes: readonly string[];
}

/** A line, and for each subject the mean over the windows whose middles lie in it, or that of the window nearest to its middle. */
export interface SpokenClass extends Spoken {
  readonly probabilities: readonly (readonly number[])[];
}

/** The place of the largest. */
export const bestOf = (values: readonly number[]): number => values.indexOf(Math.max(...values));

/** Lines that some window touches, with what the windows say at that time. A subject without a window in it has no numbers there. */
export function linesWithClasses(lines: readonly Spoken[], subjects: readonly SubjectWindows[]): SpokenClass[] {
  return lines.flatMap((line) => {
    const probabilities = subjects.map(({ windows }) => meanAt(windows, line));
    return probabilities.some(({ length }) => length > 0) ? [{ ...line, probabilities }] : [];
  });
}

type Windows = SubjectWindows["windows"];

function meanAt(windows: Windows, { start, end }: Spoken): number[] {
  const touching = windows.filter((window) => window.end > start && window.start < end);
  const middle = (window: Windows[number]) => (window.start + window.end) / 2;
  const within = touching.filter((window) => middle(window) >= start && middle(window) <= end);
  const off = (window: Windows[number]) => Math.abs(middle(window) - (start + end) / 2);
  const nearest = touching.reduce<Windows>(([best], window) => [best && off(best) <= off(window) ? best : window], []);
  const taken = within.length > 0 ? within : nearest;
  return (taken[0]?.probabilities ?? []).map(
    (_, c) => taken.reduce((sum, { probabilities }) => sum + probabilities[c], 0) / taken.length,
  );
}

/** A line for each window: subject, start, end, the share of each class, the highest class. */
export function timelineCsv({ classes, subjects }: FilmTimeline): string {
  const lines = subjects.flatMap(({ subject, windows }) =>
    windows.map(({ start, end, probabilities }) =>
      [
        cell(subject),
        start.toFixed(3),
        end.toFixed(3),
        ...probabilities.map((value) => value.toFixed(6)),
        cell(classes[bestOf(probabilities)]),
      ].join(","),
    ),
  );
  const head = ["subject", "start", "end", ...classes.map(cell), "highest"].join(",");
  return `${[head, ...lines].join("\n")}\n`;
}

const cell = (text: string): string => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
