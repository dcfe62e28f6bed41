// `emotionclip example`: lists the lessons of docs/examples, shows one, or runs it. They are built beside the command line.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { Command } from "commander";
import { EngineError, nearest, UsageError } from "../../engine/errors.ts";
import type { Context } from "../gpu.ts";
import { print } from "../terminal/streams.ts";
import { giveGpu } from "../user-engine.ts";

export function command(context: Context): Command {
  return new Command()
    .argument("[name]", "its number or its name; without one they are listed")
    .argument("[words...]", "what the example itself takes, such as a file")
    .option("--print", "show the text of the example instead of running it")
    .addHelpText("after", "\nThe texts are in docs/examples, in a clone and in the installed package.")
    .action((name: string | undefined, words: string[], flags: { print?: true }) => {
      if (name === undefined) return print(listing());
      if (flags.print) return print(readFileSync(join(folder, `${named(name)}.ts`), "utf8"));
      return run(named(name), words, context);
    });
}

/** Built code lies in dist or build: one folder below the project or the package. */
const folder = fileURLToPath(new URL("../docs/examples", import.meta.url));

const names = (): string[] =>
  readdirSync(folder)
    .filter((file) => file.endsWith(".ts"))
    .map((file) => file.slice(0, -3))
    .sort();

/** One line each: number, name, and what the first line of the example says. */
function listing(): string {
  const rows = names().map((name) => [name, readFileSync(join(folder, `${name}.ts`), "utf8").split("\n")[0]]);
  const width = Math.max(...rows.map(([name]) => name.length));
  const lines = rows.map(([name, first]) => `${name.padEnd(width)}  ${first.replace(/^\/\/\s*/, "")}`);
  return [...lines, "", "emotionclip example 03 runs one, emotionclip example 03 --print shows its text"].join("\n");
}

/** "3", "03", "your-first-kernel" or "03-your-first-kernel" -> the last. Errors: UsageError with the nearest names. */
function named(word: string): string {
  const known = names();
  const found = known.find(
    (name) => name === word || name.slice(3) === word || name.startsWith(`${word.padStart(2, "0")}-`),
  );
  if (found) return found;
  throw new UsageError(`there is no example "${word}"; ${suggestion(word, known)} (emotionclip example lists them)`);
}

function suggestion(word: string, known: readonly string[]): string {
  const near = nearest(
    word,
    known.map((name) => name.slice(3)),
  );
  const after = /^\d+$/.test(word) ? known.at(Number(word) < 1 ? 0 : -1) : undefined;
  const guess = known.find((name) => name === after || name.slice(3) === near);
  return guess ? `did you mean ${guess}?` : `they go from ${known[0]} to ${known.at(-1)}`;
}

/** Runs it in this process, as `node example.js ...words` would. */
async function run(name: string, words: readonly string[], context: Context): Promise<void> {
  const built = fileURLToPath(new URL(`./example-${name}.js`, import.meta.url));
  giveGpu(context.gpu());
  process.argv = [process.argv[0], built, ...words];
  try {
    await import(pathToFileURL(built).href);
  } catch (error) {
    if (error instanceof EngineError) throw error;
    throw missingPackage(name, error) ?? new ExampleError(name, error);
  }
}

/** Examples may use packages that ours does not bring along. */
function missingPackage(name: string, error: unknown): UsageError | undefined {
  const { code, message = "" } = (error ?? {}) as { code?: string; message?: string };
  const missing = /Cannot find package '([^']+)'/.exec(message)?.[1];
  if (code !== "ERR_MODULE_NOT_FOUND" || missing === undefined) return undefined;
  return new UsageError(`example ${name} needs the package ${missing}: npm install ${missing}`, { cause: error });
}

/** An example that was changed may be wrong: that is no bug of ours. */
class ExampleError extends EngineError {
  constructor(name: string, cause: unknown) {
    const stack = cause instanceof Error ? (cause.stack ?? cause.message) : String(cause);
    super(`example ${name} threw\n${stack}`, { cause });
  }
}
