// What `npm run golden -- DIR` does: every check on a folder of golden files, a line each.
import { parseArgs } from "node:util";
import pc from "picocolors";
import { nearest, UsageError } from "../../engine/errors.ts";
import { Folder } from "./folder.ts";
import { checkFile, type Result } from "./run.ts";
import { times } from "./verdict.ts";

const usage = `npm run golden -- DIR [--filter TEXT] [--weights FILE] [--json] [--adapter NAME]

  Compares what this code computes with every file of DIR, a folder with a manifest.json. For each file: pass or fail, and the
  worst deviation as a share of its tolerance. Files without a check are named. The exit code is 1 if a file fails.

  --filter TEXT   only files whose path contains this
  --weights FILE  a checkpoint for models in DIR that have no weights of their own
  --json          one JSON object per file on stdout`;

const options = {
  filter: { type: "string" },
  weights: { type: "string" },
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
      const near = nearest(token.rawName, ["--filter", "--weights", "--json", "--adapter", "--help"]);
      throw new UsageError(`unknown flag ${token.rawName}${near ? ` (did you mean ${near}?)` : ""}`);
    }
  const {
    filter = "",
    weights,
    json = false,
    help = false,
  } = values as { filter?: string | boolean; weights?: string | boolean; json?: boolean; help?: boolean };
  if (typeof filter !== "string") throw new UsageError("--filter needs a text");
  if (typeof weights === "boolean") throw new UsageError("--weights needs a file");
  if (!help && positionals.length !== 1)
    throw new UsageError(`one folder is needed, not ${positionals.length}\n\n${usage}`);
  return { folder: positionals[0], filter, weights, json, help };
}

const marks = { pass: pc.green("pass"), fail: pc.red("FAIL"), none: pc.yellow("none") };

function print({ file, outcome, comparisons, worst, failures, notes }: Result, out: (line: string) => void): void {
  const share = worst ? `${times(worst.share).padStart(10)} at ${worst.name}[${worst.at}]` : "";
  const count = outcome === "none" ? "" : `${comparisons} compared`;
  out(`${marks[outcome]} ${file.padEnd(46)} ${count.padEnd(14)}${share}`.trimEnd());
  for (const failure of failures.slice(0, 10)) out(`       ${failure}`);
  if (failures.length > 10) out(`       and ${failures.length - 10} more`);
  for (const note of notes) out(`       ${note}`);
}

/** What a check makes of a table that the manifest does not have. */
async function unlisted(folder: Folder, file: string): Promise<Result> {
  const missing = "not in the manifest";
  const none: Result = { file, outcome: "none", comparisons: 0, failures: [], notes: [`no check: ${missing}`] };
  const result = file.endsWith(".json") ? await checkFile(folder, file) : none;
  if (result.outcome === "none") return none;
  return { ...result, notes: [...result.notes, missing] };
}

async function* results(folder: Folder, filter: string): AsyncGenerator<Result> {
  for (const file of folder.files) if (file.includes(filter)) yield await checkFile(folder, file);
  for (const file of folder.unlisted) if (file.includes(filter)) yield await unlisted(folder, file);
}

/**
 * Runs the checks that `words` ask for; `out` takes what goes to stdout, `open` opens the device once the folder is known to be
 * one. The exit code: 1 if a file fails.
 */
export async function golden(
  words: string[],
  out: (line: string) => void,
  open: () => Promise<unknown>,
): Promise<number> {
  const { folder: path, filter, weights, json, help } = read(words);
  if (help) {
    out(usage);
    return 0;
  }
  const folder = new Folder(path, weights);
  if (![...folder.files, ...folder.unlisted].some((file) => file.includes(filter)))
    throw new UsageError(`--filter: none of ${folder.files.length} files contains "${filter}"`);
  await open();
  const count = { pass: 0, fail: 0, none: 0 };
  for await (const result of results(folder, filter)) {
    count[result.outcome]++;
    if (json) out(JSON.stringify(result));
    else print(result, out);
  }
  if (!json) out(`\n${count.pass} passed, ${count.fail} failed, ${count.none} without a check`);
  return count.fail ? 1 : 0;
}
