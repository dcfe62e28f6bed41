// `emotionclip compare`: runs side by side, as text, JSON or a page with their curves over one another.
import { Command } from "commander";
import { replaceFile } from "../../data/formats/disk.ts";
import { UsageError } from "../../engine/errors.ts";
import { compareRuns } from "../../train/runs/run-comparison.ts";
import { type RunRecord, readRunRecord } from "../../train/runs/run-state.ts";
import { runComparisonPage } from "../pages/compare-page.ts";
import { runComparisonText } from "../pages/runs-text.ts";
import { checkPlace } from "../pages/page.ts";
import { printResult, warn } from "../terminal/streams.ts";

interface Flags {
  json?: boolean;
  html?: string;
}

export function command(): Command {
  return new Command()
    .argument("<folders...>", "two runs or more, finished or not")
    .option("--json", "one JSON object instead of text")
    .option("--html <file>", "also write a page with the curves over one another, without network")
    .action(compare);
}

async function compare(folders: readonly string[], { json, html }: Flags): Promise<void> {
  const names = [...new Set(folders.map((folder) => folder.replace(/(?<=.)[\\/]+$/, "")))];
  if (names.length < 2) throw new UsageError(`compare: two different runs are needed, not ${names.join(" ")} alone`);
  await checkPlace(html);
  const records: RunRecord[] = [];
  for (const name of names) records.push(await readRunRecord(name));
  const comparison = compareRuns(records);
  const torn = comparison.damaged.map((count, i) =>
    count > 0 ? `${names[i]}: ${count} damaged lines of its log` : "",
  );
  warn(torn.filter(Boolean).map((line) => `warning: ${line} are left out`));
  if (html) await replaceFile(html, await runComparisonPage(comparison, records));
  printResult(json, comparison, runComparisonText);
}
