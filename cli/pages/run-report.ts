// What the report says of a finished run: what its figures mean, the curves of its log, and where it ran.
import { cpus } from "node:os";
import { join } from "node:path";
import { encodeJpeg } from "../../data/pixels/jpeg.ts";
import type { ShownClip } from "../../eval/attention/clip.ts";
import { commitOf } from "../../train/loop.ts";
import { readLog } from "../../train/runs/run-log.ts";
import type { Run, Trained } from "../job.ts";
import { type Result, writeReport } from "./report.ts";
import { faultLines } from "./run-text.ts";
import { SeriesLog } from "./series.ts";
import type { ReportClip } from "./report-attention.ts";

/** What each row measures, and what guessing gives. */
const meaningsOf = (categories: number): Record<string, { about: string; chance?: number }> => ({
  mAP: { about: `mean average precision of ${counted(categories)}, linear probe` },
  AUC: { about: `area under the ROC curve, mean of ${counted(categories)}`, chance: 0.5 },
  R2: { about: "explained variance of valence, arousal and dominance, ridge", chance: 0 },
  emotion: { about: "the subject's emotion named right, linear probe" },
  "R@1 video-text": { about: "clips whose own caption is the nearest of all" },
  "R@1 text-video": { about: "captions whose own clip is the nearest of all" },
});

const counted = (categories: number) => `${categories} ${categories === 1 ? "category" : "categories"}`;

const told = {
  sap: "with subject prompting",
  saam: "with subject-aware attention masking",
  none: "without subject prompt",
} as const;

/** Writes report.html into the run's folder. */
export async function reportRun({ job, settings, folder }: Run, trained: Trained, adapter: string): Promise<void> {
  const { train, test } = job.sets;
  const { rows, damaged } = await readLog(join(folder, "metrics.jsonl"));
  await writeReport(join(folder, "report.html"), {
    title: `EmotionCLIP ${told[settings.subject]}`,
    summary: `A small EmotionCLIP trained on ${train.samples} clips for ${settings.steps} steps of ${settings.batch}, measured on ${test.samples} held-out clips.`,
    facts: [
      ["Adapter", adapter],
      ["Processor", `${cpus()[0]?.model.trim() ?? "unknown"}, ${cpus().length} threads`],
      ["Duration", `${Math.round(trained.seconds)} s`],
      ["Data", trained.data.set === "stage" ? "the embedded set" : `own clips, ${trained.data.name}`],
      ["Parameters", trained.parameters.toLocaleString("en")],
      ["Commit", commitOf()],
      ["Date", new Date().toISOString().slice(0, 10)],
      ["Seed", String(settings.seed)],
      ...faultLines(trained).map((line) => ["To know", line] as const),
      ...(trained.moves ?? []).map(
        ({ step, changes }) => ["Moved", `after step ${step}: ${changes.join(", ")}`] as const,
      ),
      ...(trained.restarts ?? []).map(({ reason, date }) => ["Restarted", `${date}: ${reason}`] as const),
      ...(damaged > 0 ? [["Log", `${damaged} damaged lines, left out of the curves`] as const] : []),
    ],
    settings,
    results: resultsOf(trained),
    series: new SeriesLog(rows).series,
    attention: await Promise.all(trained.attention.map(clipOf)),
  });
}

function resultsOf({ before, after, data }: Trained): Result[] {
  const meanings = meaningsOf(data.categories);
  return before.map(([name, value], i) => {
    const [, later, note] = after[i];
    const { about, chance } = meanings[name] ?? { about: "" };
    return { name, before: value, after: later, about: [about, note].filter(Boolean).join("; "), chance };
  });
}

async function clipOf({ title, frames, maps }: ShownClip): Promise<ReportClip> {
  const drawn = frames.map(async ({ image, box }) => ({ jpeg: await encodeJpeg(image, 90), box }));
  return { caption: title, frames: await Promise.all(drawn), maps };
}
