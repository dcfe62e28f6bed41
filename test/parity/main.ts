// npm run golden -- DIR: every check on a folder of golden files, a line each.
import { parseArgs } from "node:util";
import pc from "picocolors";
import { EngineError, nearest, UsageError } from "../../engine/errors.ts";
import { openGpu } from "../../engine/index.ts";
import { outliveReaders } from "../../train/streams.ts";
import { Folder } from "./folder.ts";
import { checkFile, type Result } from "./run.ts";
import { times } from "./verdict.ts";

const usage = `npm run golden -- DIR [--filter TEXT] [--json] [--adapter NAME]

  Compares what this code computes with every file of DIR, a folder with a manifest.json. For each file: pass or fail, and the
  worst deviation as a share of its tolerance. Files without a check are named. The exit code is 1 if a file fails.

  --filter TEXT   only files whose path contains this
  --json          one JSON object per file on stdout`;

const options = {
  filter: { type: "string" },
  json: { type: "boolean" },
  help: { type: "boolean", short: "h" },
} as const;

function read(words: string[]) {
  const { values, positionals, tokens } = parseArgs({
    args: words,
    allowPositionals: true,
    strict: false,
    tokens: true,
    options,
  });
  for (const token of tokens)
    if (token.kind === "option" && !Object.hasOwn(options, token.name)) {
      const near = nearest(token.rawName, ["--filter", "--json", "--adapter", "--help"]);
      throw new UsageError(`unknown flag ${token.rawName}${near ? ` (did you mean ${near}?)` : ""}`);
    }
  const {
    filter = "",
    json = false,
    help = false,
  } = values as { filter?: string | boolean; json?: boolean; help?: boolean };
  if (typeof filter !== "string") throw new UsageError("--filter needs a text");
  if (!help && positionals.length !== 1)
    throw new UsageError(`one folder is needed, not ${positionals.length}\n\n${usage}`);
  return { folder: positionals[0], filter, json, help };
}

const marks = { pass: pc.green("pass"), fail: pc.red("FAIL"), none: pc.yellow("none") };

function print({ file, outcome, comparisons, worst, failures, notes }: Result): void {
  const share = worst ? `${times(worst.share).padStart(10)} at ${worst.name}[${worst.at}]` : "";
  const count = outcome === "none" ? "" : `${comparisons} compared`;
  console.log(`${marks[outcome]} ${file.padEnd(46)} ${count.padEnd(14)}${share}`.trimEnd());
  for (const failure of failures.slice(0, 10)) console.log(`       ${failure}`);
  if (failures.length > 10) console.log(`       and ${failures.length - 10} more`);
  for (const note of notes) console.log(`       ${note}`);
}

async function main(): Promise<number> {
  const { folder: path, filter, json, help } = read(process.argv.slice(2));
  if (help) {
    console.log(usage);
    return 0;
  }
  const folder = new Folder(path);
  const files = folder.files.filter((file) => file.includes(filter));
  if (files.length === 0) throw new UsageError(`--filter: none of ${folder.files.length} files contains "${filter}"`);
  const gpu = await openGpu();
  const count = { pass: 0, fail: 0, none: 0 };
  for (const file of files) {
    const result = await checkFile(folder, file);
    count[result.outcome]++;
    if (json) console.log(JSON.stringify(result));
    else print(result);
  }
  gpu.close();
  const summary = `${count.pass} passed, ${count.fail} failed, ${count.none} without a check`;
  if (json) console.error(summary);
  else console.log(`\n${summary}`);
  return count.fail ? 1 : 0;
}

outliveReaders();
process.exitCode = await main().catch((error) => {
  if (!(error instanceof EngineError)) throw error;
  console.error(`${error.name}: ${error.message}`);
  return error.exitCode;
});
