// What became of a run, as its folder tells it: finished or not, how far, on what, with which figures. Nothing is locked or changed.
import { stat } from "node:fs/promises";
import { basename, join } from "node:path";
import * as v from "valibot";
import { holderOf } from "../../data/formats/lock.ts";
import { foundAt } from "../../data/formats/regular.ts";
import { EngineError, FormatError } from "../../engine/errors.ts";
import { checkpointName, checkpointSteps, readManifest } from "../../model/checkpoint/folder.ts";
import { type LoggedStep, readLog } from "./run-log.ts";
import { figureRows, foldersBelow, read } from "./runs.ts";

/** A figure of merit by name, as a fraction; null where it is not defined. */
export type RunFigure = readonly [name: string, value: number | null];

export interface RunState {
  readonly folder: string;
  /** Finished is what has a results.json; a lock whose owner lives makes any other run a running one. */
  readonly state: "finished" | "running" | "unfinished";
  /** Who runs it. */
  readonly holder?: string;
  /** Updates that the log has, those of the newest checkpoint, and those it is to have: null where epochs decide. */
  readonly step: number;
  readonly saved: number | null;
  readonly steps: number | null;
  readonly epochs: number | null;
  readonly model: string;
  readonly data: string;
  /** Loss of the last step that is logged. */
  readonly loss: number | null;
  /** Measured at the end, or last before it. */
  readonly figures: readonly RunFigure[];
  /** The checkpoint that is kept for the highest value of the figure that `--best` names. */
  readonly best: { readonly step: number; readonly name: string; readonly value: number } | null;
  /** When its folder last had something new, in ISO 8601. */
  readonly date: string;
}

/** A run with what it was set to and what it logged. */
export interface RunRecord {
  readonly state: RunState;
  readonly config: Readonly<Record<string, unknown>>;
  readonly rows: readonly LoggedStep[];
  readonly damaged: number;
}

const configShape = v.looseObject({
  steps: v.number(),
  epochs: v.optional(v.number()),
  data: v.string(),
  model: v.looseObject({ vision: v.looseObject({ image: v.any(), width: v.number(), layers: v.number() }) }),
});
const resultsShape = v.looseObject({
  after: figureRows,
  steps: v.optional(v.number()),
  best: v.optional(v.nullable(v.object({ step: v.number(), name: v.string(), value: v.number() }))),
  recipe: v.optional(v.looseObject({ model: v.nullable(v.string()) })),
});

/** The run in a folder. Errors: FormatError for a folder that is none, or whose files are damaged. */
export async function readRunRecord(folder: string): Promise<RunRecord> {
  if (!foundAt(join(folder, "config.json"), folder)) throw new FormatError(`${folder}: not a run: it has no config.json`);
  const readHere = <S extends v.GenericSchema>(name: string, shape: S) =>
    read(join(folder, name), shape, `${folder}: ${name}`);
  const config = await readHere("config.json", configShape);
  const finished = foundAt(join(folder, "results.json"), folder) !== undefined;
  const results = finished ? await readHere("results.json", resultsShape) : undefined;
  const { rows, damaged } = await readLog(join(folder, "metrics.jsonl"));
  const holder = finished ? undefined : await holderOf(folder);
  const { epochs = 0, steps, data, model } = config;
  const last = rows.at(-1);
  const measured = rows.findLast(({ probes }) => probes)?.probes ?? {};
  const state: RunState = {
    folder,
    state: finished ? "finished" : holder ? "running" : "unfinished",
    ...(holder && { holder }),
    step: results?.steps ?? last?.step ?? 0,
    ...(await savedIn(folder)),
    ...(results?.best && { best: results.best }),
    steps: results?.steps ?? (epochs > 0 || steps === 0 ? null : steps),
    epochs: epochs || null,
    model: results?.recipe?.model ?? sizesText(model.vision),
    data: basename(data),
    loss: last?.loss ?? null,
    figures: results?.after.length ? results.after.map(([name, value]) => [name, defined(value)]) : Object.entries(measured),
    date: await dateOf(folder),
  };
  return { state, config, rows, damaged };
}

const defined = (value: number) => (Number.isNaN(value) ? null : value);

const sizesText = ({ width, layers, image }: { width: number; layers: number; image: unknown }) =>
  `ViT ${width}x${layers}, ${image} px`;

async function savedIn(folder: string): Promise<Pick<RunState, "saved" | "best">> {
  for (const step of await checkpointSteps(folder)) {
    const manifest = await readManifest(join(folder, checkpointName(step))).catch(() => undefined);
    if (manifest) return { saved: step, best: manifest.best };
  }
  return { saved: null, best: null };
}

async function dateOf(folder: string): Promise<string> {
  const names = ["config.json", "metrics.jsonl", "results.json"];
  const times = await Promise.all(names.map((name) => stat(join(folder, name)).then(({ mtimeMs }) => mtimeMs, () => 0)));
  return new Date(Math.max(...times)).toISOString();
}

/** All runs one or two levels below a folder by name, and what lies there but is none that can be read. */
export async function runsBelow(
  folder: string,
): Promise<{ runs: RunState[]; unreadable: { folder: string; reason: string }[] }> {
  const [runs, unreadable]: [RunState[], { folder: string; reason: string }[]] = [[], []];
  for (const path of await candidates(folder)) {
    try {
      runs.push((await readRunRecord(path)).state);
    } catch (error) {
      if (!(error instanceof EngineError)) throw error;
      unreadable.push({ folder: path, reason: error.message.replace(`${path}: `, "") });
    }
  }
  return { runs, unreadable };
}

/** Each folder below that is a run or holds none; of the others those in them that are runs. */
async function candidates(folder: string): Promise<string[]> {
  const isRun = (path: string) => foundAt(join(path, "config.json"), path) !== undefined;
  if (isRun(folder)) return [folder];
  const found: string[] = [];
  for (const path of await foldersBelow(folder, 1)) {
    const inner = isRun(path) ? [] : (await foldersBelow(path, 1)).filter(isRun);
    found.push(...(inner.length > 0 ? inner : [path]));
  }
  return found;
}
