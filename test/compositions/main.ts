// npm run compositions: as many random programs as asked for, or one that failed again.
import { parseArgs } from "node:util";
import { nearest, UsageError } from "../../engine/errors.ts";
import { outliveReaders } from "../../cli/terminal/streams.ts";
import { checkCompositions } from "./property.ts";

const usage = `npm run compositions -- [--runs N] [--seed S] [--path P] [--adapter NAME]

  Runs N random programs (20000) of ops, scopes, tapes, reads and updates on the engine and in float64, and compares every value and
  gradient. A failure prints the smallest program that fails and the command that repeats it.`;

const options = {
  runs: { type: "string" },
  seed: { type: "string" },
  path: { type: "string" },
  help: { type: "boolean" },
} as const;

function wholeNumber(text: string | undefined, fallback: number, flag: string): number {
  const value = text === undefined ? fallback : Number(text);
  if (!Number.isSafeInteger(value)) throw new UsageError(`${flag} needs a whole number, not ${text}`);
  return value;
}

async function main(): Promise<number> {
  const { values, tokens, positionals } = parseArgs({ options, strict: false, allowPositionals: true, tokens: true });
  for (const token of tokens)
    if (token.kind === "option" && !Object.hasOwn(options, token.name)) {
      const near = nearest(
        token.rawName,
        Object.keys(options).map((name) => `--${name}`),
      );
      throw new UsageError(`unknown flag ${token.rawName}${near ? ` (did you mean ${near}?)` : ""}\n\n${usage}`);
    }
  if (positionals.length > 0) throw new UsageError(`unknown word ${positionals[0]}\n\n${usage}`);
  const { help, runs, seed, path } = values as { help?: boolean; runs?: string; seed?: string; path?: string };
  if (help) {
    console.log(usage);
    return 0;
  }
  const started = performance.now();
  const from = wholeNumber(seed, Date.now() % 2 ** 31, "--seed");
  const counts = await checkCompositions(wholeNumber(runs, 20_000, "--runs"), { seed: from, path });
  const seconds = ((performance.now() - started) / 1000).toFixed(0);
  console.log(
    `${counts.programs} programs, ${counts.compared} comparisons, ${counts.refused} refused, seed ${from}, ${seconds} s`,
  );
  return 0;
}

outliveReaders();
const code = await main().catch((error: Error) => {
  console.error(error instanceof UsageError ? `Usage: ${error.message}` : error.message);
  return error instanceof UsageError ? error.exitCode : 1;
});
process.exit(code);
