// `emotionclip runs`: what lies under runs/: which runs are finished, which run now, how far the others came.
import { existsSync } from "node:fs";
import { Command } from "commander";
import { UsageError } from "../../engine/errors.ts";
import { runsBelow } from "../../train/runs/run-state.ts";
import { runsText } from "../pages/runs-text.ts";
import { printResult, warn } from "../terminal/streams.ts";

export function command(): Command {
  return new Command()
    .argument("[folder]", "where the runs lie, one or two levels below (default: runs)")
    .option("--json", "one JSON object instead of text")
    .action((folder: string | undefined, { json }: { json?: boolean }) => list(folder, json));
}

async function list(given: string | undefined, json: boolean | undefined): Promise<void> {
  const folder = given ?? "runs";
  if (given !== undefined && !existsSync(given)) throw new UsageError(`runs: there is no folder ${given}`);
  const { runs, unreadable } = await runsBelow(folder);
  warn(unreadable.map((each) => `warning: ${each.folder}: ${each.reason}`));
  printResult(json, { folder, runs, unreadable }, runsText);
}
