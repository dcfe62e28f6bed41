// A long run watched from outside: memory, time of a step and open files may not grow.
import { readdirSync, readFileSync } from "node:fs";
import type { ChildProcess } from "node:child_process";
import { join } from "node:path";
import type { Finding, Row } from "./row.ts";
import { lastLines, logged, runFolder, site, train } from "./site.ts";

/** Of a stretch of steps; the bytes are the most, the milliseconds the median. */
export interface Stretch {
  readonly until: number;
  readonly rss: number;
  readonly gpu: number;
  readonly milliseconds: number;
  /** Open files of the process, where the system tells. */
  readonly files: number;
}

interface Line {
  readonly step: number;
  readonly clipsPerSecond: number;
  readonly gpuBytes: number;
  readonly rss: number;
}

/** Steps from which on nothing may grow any more. */
export const settled = 200;

/** Runs the tiny preset for so many steps, or until so many minutes have passed, in ten stretches after it has settled. */
export async function soak(steps: number, minutes: number, warm = settled): Promise<Stretch[]> {
  const folder = site("soak");
  const files = new Map<number, number>();
  const flags = ["--steps", `${steps}`, "--warmup", "20", "--checkpoint-every", "20"];
  const ended = await train({
    folder,
    flags,
    patience: 60 * minutes + 60,
    meanwhile: (child) => watchFiles(child, folder, files, minutes),
  });
  if (ended.code !== 0 && ended.code !== 143) throw new Error(`the run ended with ${ended.code}: ${lastLines(ended)}`);
  const lines: Line[] = readFileSync(join(runFolder(folder), "metrics.jsonl"), "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
  const length = Math.ceil((lines.length - warm) / 10);
  return Array.from({ length: 10 }, (_, i) => lines.slice(warm + i * length, warm + (i + 1) * length))
    .filter((part) => part.length > 0)
    .map((part) => stretchOf(part, files));
}

function stretchOf(lines: readonly Line[], files: ReadonlyMap<number, number>): Stretch {
  const [from, until] = [lines[0].step, lines.at(-1)!.step];
  const times = lines.map(({ clipsPerSecond }) => 8000 / clipsPerSecond).sort((a, b) => a - b);
  const open = [...files].filter(([step]) => step >= from && step <= until).map(([, count]) => count);
  return {
    until,
    rss: Math.max(...lines.map(({ rss }) => rss)),
    gpu: Math.max(...lines.map(({ gpuBytes }) => gpuBytes)),
    milliseconds: times[times.length >> 1],
    files: Math.max(0, ...open),
  };
}

/** Counts open files every half second, and asks the run to stop when its time is over. */
function watchFiles(child: ChildProcess, folder: string, files: Map<number, number>, minutes: number): void {
  const over = setTimeout(() => child.kill("SIGTERM"), 60_000 * minutes);
  const look = setInterval(() => {
    try {
      files.set(logged(folder), readdirSync(`/proc/${child.pid}/fd`).length);
    } catch {} // it has ended, or this is another system
  }, 500);
  child.on("close", () => {
    clearTimeout(over);
    clearInterval(look);
  });
}

/** What has grown by more than its bar from the first stretch to the last; nothing is good. */
export function grown(stretches: readonly Stretch[]): string[] {
  const [first, last] = [stretches[0], stretches.at(-1)!];
  const files = stretches.find((stretch) => stretch.files > 0)?.files ?? 0; // a look may come too late for the first
  const percent = (name: "rss" | "gpu" | "milliseconds" | "files") => 100 * (last[name] / Math.max(1, first[name]) - 1);
  return [
    ...(percent("rss") > 10 ? [`memory grew by ${percent("rss").toFixed(0)} %`] : []),
    ...(last.gpu > first.gpu ? [`the engine's bytes grew by ${percent("gpu").toFixed(0)} %`] : []),
    ...(percent("milliseconds") > 25 ? [`a step takes ${percent("milliseconds").toFixed(0)} % longer`] : []),
    ...(last.files > files + 8 ? [`${last.files - files} more files are open`] : []),
  ];
}

/** A header, a line a stretch, and the verdict. */
export function soakText(stretches: readonly Stretch[]): string {
  const mb = (bytes: number) => (bytes / 1e6).toFixed(1);
  const rows = stretches.map(({ until, rss, gpu, milliseconds, files }) =>
    [until, mb(rss), mb(gpu), milliseconds.toFixed(1), files].map((cell) => `${cell}`.padStart(10)).join(""),
  );
  const head = ["to step", "RSS MB", "engine MB", "ms a step", "files"].map((cell) => cell.padStart(10)).join("");
  const faults = grown(stretches);
  return [head, ...rows, faults.length === 0 ? "flat" : `NOT FLAT: ${faults.join(", ")}`].join("\n");
}

export const shortSoak: Row = {
  name: "soak",
  bar: "memory +10 %, engine bytes equal, step time and open files flat from step 200 on",
  async measure(): Promise<Finding> {
    const stretches = await soak(600, 5);
    const faults = grown(stretches);
    const { rss, gpu, until } = stretches.at(-1)!;
    const measured = `to step ${until}: ${Math.round(rss / 1e6)} MB, engine ${(gpu / 1e6).toFixed(1)} MB`;
    return { measured: faults.length ? faults.join(", ") : measured, ok: faults.length === 0 };
  },
};
