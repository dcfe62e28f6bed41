// Shards of a list of one's own clips: what `emotionclip shards clips.csv` says and prints.
import type { Converted, ListOptions } from "../data/list/shards.ts";
import { shardsOfList, workFolder } from "../data/list/shards.ts";
import { accountLines, Mismatch } from "../data/list/account.ts";
import { type ClipList, readList } from "../data/list/list-file.ts";
import { orStopped } from "../data/threads/long-work.ts";
import { writeContactSheet } from "./contact-sheet.ts";
import { splitLines } from "./shard-writing.ts";
import { Progress } from "./terminal/progress.ts";
import { gracefulStop, printStopped } from "./terminal/stop.ts";
import { print, printResult, visible, warn } from "./terminal/streams.ts";

/** Seconds that a clip is expected to take, until it has been measured. */
const CLIP_SECONDS = 0.2;

export async function shardsOfOwnList(
  path: string,
  out: string,
  options: ListOptions & { json?: boolean },
): Promise<void> {
  const list = await readList(path, options).catch((error: unknown) => refused(error, options.json));
  const notes = notesOn(list);
  warn(notes);
  const progress = new Progress({ phases: [["write shards", list.clips.length * CLIP_SECONDS]] });
  const made = await orStopped(shardsOfList(list, out, options, progress, gracefulStop()));
  progress.end();
  const sheet = made && (await writeContactSheet(out, made.splits));
  if (!made || !sheet) return printStopped(`finished shards are in ${workFolder(out)}; the same command goes on`);
  printResult(options.json, { list: list.file, ...made, notes, sheet }, () => page(out, sheet, made));
}

/** Shows the faults of a list before it is refused. */
function refused(error: unknown, asJson: boolean | undefined): never {
  if (error instanceof Mismatch) {
    const { file, rows, account } = error;
    warn(accountLines(account).slice(1)); // the counts are in the error
    if (asJson) print(JSON.stringify({ list: file, rows, faults: account }));
  }
  throw error;
}

/** What is to be known before training on a list. */
function notesOn({ file, sentiment, clips }: ClipList): string[] {
  const boxed = clips.filter(({ boxes }) => boxes !== undefined).length;
  return [
    ...(sentiment === "missing"
      ? [
          `${file}: has no sentiment; every clip gets seven logits of 0. Train with --beta 0, which is InfoNCE: with any other SNCE takes texts of equal sentiment for right ones and removes every negative`,
        ]
      : []),
    ...(boxed < clips.length
      ? [`${file}: ${clips.length - boxed} of ${clips.length} clips have no boxes; their masks are empty`]
      : []),
  ];
}

function page(out: string, sheet: string, { rows, kept, dropped, found, splits }: Converted): string {
  return [
    `${rows} rows, ${kept} clips kept, ${dropped.count} dropped${found > 0 ? `; ${found} shards were there already` : ""}`,
    ...(dropped.count > 0 ? accountLines(dropped).map(visible) : []),
    ...splitLines(splits),
    `look at them: ${sheet}`,
    `train on them: emotionclip train --train-data ${out}`,
  ].join("\n");
}
