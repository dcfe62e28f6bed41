// npm run reliability: every promise of docs/RELIABILITY.md tried on whole trainings, one line each. npm run soak: a long run watched.
import { parseArgs } from "node:util";
import { nearest, UsageError } from "../../engine/errors.ts";
import { outliveReaders } from "../../cli/terminal/streams.ts";
import type { Finding, Row } from "./row.ts";
import { rows } from "./rows.ts";
import { grown, soak, soakText } from "./soak.ts";

const usage = `npm run reliability -- [--kills N] [--stride K] [--from F] [--damages N] [--only WORD] [--json] [--adapter NAME]
npm run soak -- [--minutes M] [--steps N] [--json]

  reliability tries each promise on whole trainings of the tiny preset: N kills (200), N damaged checkpoints (200), every K-th call on
  the disk and submit (1), beginning with the F-th (1). --only takes the row of that name, or those with the word in theirs. soak trains N steps (3000) for at most M minutes (30).`;

const options = {
  kills: { type: "string" },
  stride: { type: "string" },
  from: { type: "string" },
  damages: { type: "string" },
  only: { type: "string" },
  minutes: { type: "string" },
  steps: { type: "string" },
  soak: { type: "boolean" },
  json: { type: "boolean" },
  help: { type: "boolean" },
} as const;

type Values = { [K in keyof typeof options]?: (typeof options)[K]["type"] extends "boolean" ? boolean : string };

function read(): Values {
  const { values, tokens, positionals } = parseArgs({ options, strict: false, allowPositionals: true, tokens: true });
  const known = Object.keys(options).map((name) => `--${name}`);
  for (const token of tokens)
    if (token.kind === "option" && !Object.hasOwn(options, token.name)) {
      const near = nearest(token.rawName, known);
      throw new UsageError(`unknown flag ${token.rawName}${near ? ` (did you mean ${near}?)` : ""}\n\n${usage}`);
    }
  if (positionals.length > 0) throw new UsageError(`unknown word ${positionals[0]}\n\n${usage}`);
  return values as Values;
}

function positive(text: string | undefined, fallback: number, flag: string): number {
  const value = text === undefined ? fallback : Number(text);
  if (!(Number.isSafeInteger(value) && value > 0))
    throw new UsageError(`${flag} needs a whole number from 1, not ${text}`);
  return value;
}

/** The row of that name, or those with the word in theirs. */
function chosen(word: string | undefined): readonly Row[] {
  const named = rows.filter(({ name }) => name === word);
  const found = named.length > 0 ? named : rows.filter(({ name }) => word === undefined || name.includes(word));
  if (found.length === 0)
    throw new UsageError(`no row of "${word}"; there are ${rows.map(({ name }) => name).join(", ")}`);
  return found;
}

/** A row that cannot be measured at all has missed its bar. */
const measured = (row: Row, scale: Parameters<Row["measure"]>[0]): Promise<Finding> =>
  row.measure(scale).catch((error: Error) => ({ measured: error.message.slice(0, 300), ok: false }));

const state = ({ ok, isSkipped }: Finding) => (isSkipped ? "skip" : ok ? "ok  " : "MISS");

async function table(values: Values): Promise<number> {
  const scale = {
    kills: positive(values.kills, 200, "--kills"),
    stride: positive(values.stride, 1, "--stride"),
    from: positive(values.from, 1, "--from"),
    damages: positive(values.damages, 200, "--damages"),
  };
  const results: { row: string; bar: string; measured: string; ok: boolean; skipped: boolean; seconds: number }[] = [];
  for (const row of chosen(values.only)) {
    const began = performance.now();
    const finding = await measured(row, scale);
    const seconds = Math.round((performance.now() - began) / 1000);
    const { name, bar } = row;
    results.push({
      row: name,
      bar,
      measured: finding.measured,
      ok: finding.ok,
      skipped: finding.isSkipped ?? false,
      seconds,
    });
    if (!values.json)
      console.log(`${state(finding)} ${name.padEnd(20)} ${finding.measured}  (${seconds} s)\n     bar: ${bar}`);
  }
  const missed = results.filter(({ ok }) => !ok).length;
  const left = results.filter(({ skipped }) => skipped).length;
  if (values.json) console.log(JSON.stringify({ scale, rows: results, missed, skipped: left }));
  else console.log(`\n${results.length} rows, ${missed} missed, ${left} not tried`);
  return missed > 0 ? 1 : 0;
}

async function soaked(values: Values): Promise<number> {
  const stretches = await soak(positive(values.steps, 3000, "--steps"), positive(values.minutes, 30, "--minutes"));
  const faults = grown(stretches);
  console.log(values.json ? JSON.stringify({ stretches, faults }) : soakText(stretches));
  return faults.length > 0 ? 1 : 0;
}

async function main(): Promise<number> {
  const values = read();
  if (values.help) {
    console.log(usage);
    return 0;
  }
  return values.soak ? soaked(values) : table(values);
}

outliveReaders();
const code = await main().catch((error: Error) => {
  console.error(error instanceof UsageError ? `Usage: ${error.message}` : error);
  return error instanceof UsageError ? error.exitCode : 1;
});
process.exit(code);
