// What `emotionclip regress` found, with every choice that was made.
import type { ModelName, ModelResult, ScoreFigures } from "./protocol.ts";

/** What `--json` prints. */
export interface RegressionPage {
  readonly file: string;
  readonly features: string;
  readonly rows: number;
  readonly width: number;
  /** None where the file does not tell. */
  readonly subjects: number | null;
  readonly scores: readonly string[];
  /** Everything that was chosen. */
  readonly choices: Readonly<Record<string, string | number>>;
  readonly models: readonly Omit<ModelResult, "predicted">[];
  /** Why clips could not be read; they are left out. */
  readonly bad: readonly string[];
  readonly notes: readonly string[];
}

const titles: Record<ModelName, string> = {
  mean: "the mean of what is fitted on: what features have to beat",
  linear: "linear probe",
  head: "official head",
};

/** Parts that are shown by name. */
const SHOWN = 12;

/** The page as text. */
export function regressionText(page: RegressionPage): string {
  const { file, features, rows, width, subjects, choices, models, notes, bad } = page;
  const people = subjects === null ? "" : `, ${subjects} subjects`;
  const blocks = [
    `${file}: ${rows} rows x ${width}${people}, ${features}`,
    Object.entries(choices)
      .map(([name, value]) => `  ${name.padEnd(10)} ${value}`)
      .join("\n"),
    ...models.map(modelText),
    [...notes, ...bad.slice(0, 10).map((reason) => `left out: ${reason}`)].join("\n"),
  ];
  return `${blocks.filter((block) => block !== "").join("\n\n")}\n`;
}

function modelText({ model, pooled, bySubject, parts }: RegressionPage["models"][number]): string {
  const width = Math.max(8, ...pooled.map(({ name }) => name.length));
  const head = (of: string) =>
    `  ${of.padEnd(width)}${["rows", "PCC", "CCC", "MAE", "RMSE"].map((name) => name.padStart(9)).join("")}`;
  const row = ({ name, rows, pcc, ccc, mae, rmse }: ScoreFigures) =>
    `  ${name.padEnd(width)}${String(rows).padStart(9)}${[pcc, ccc, mae, rmse].map(number).join("")}`;
  return [
    titles[model],
    head("all"),
    ...pooled.map(row),
    ...(bySubject ? [head("subjects"), ...bySubject.map(row)] : []),
    ...(model === "mean" ? [] : partLines(parts)),
  ].join("\n");
}

/** The mean absolute error of each score in each part. */
function partLines(parts: RegressionPage["models"][number]["parts"]): string[] {
  const width = Math.max(8, ...parts.slice(0, SHOWN).map(({ name }) => name.length));
  const names = parts[0].scores.map(({ name }) => name);
  const line = ({ name, fit, held, scores, penalties }: (typeof parts)[number]) =>
    `  ${name.padEnd(width)}${String(fit).padStart(7)}${String(held).padStart(7)}${scores.map(({ mae }) => number(mae)).join("")}` +
    (penalties ? `   penalty ${names.map((each) => penalties[each] ?? "-").join(" ")}` : "");
  return [
    `  ${"held out".padEnd(width)}${"fitted".padStart(7)}${"read".padStart(7)}   MAE of ${names.join(", ")}`,
    ...parts.slice(0, SHOWN).map(line),
    ...(parts.length > SHOWN ? [`  … and ${parts.length - SHOWN} more, all of them with --json`] : []),
  ];
}

const number = (value: number | null): string => (value === null ? "-" : value.toFixed(3)).padStart(9);
