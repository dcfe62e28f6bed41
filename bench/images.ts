// How fast pictures become the model's input: JPEG of 640x360 decoded, resized as PIL does it, cropped and normalised, by one
// decoding thread and by as many as there are cores.
import { mkdtempSync, rmSync } from "node:fs";
import { availableParallelism, cpus, tmpdir } from "node:os";
import { join } from "node:path";
import type { Clip } from "../data/shards/clip.ts";
import { encodeJpeg } from "../data/pixels/jpeg.ts";
import { HealthError } from "../engine/errors.ts";
import { forTraining, Loader } from "../data/shards/loader.ts";
import { writeShards } from "../data/shards/writer.ts";
import { openShards, type ShardSet } from "../data/shards/shards.ts";
import { uniform } from "../engine/device/draws.ts";
import { median } from "./measure.ts";
import { type Bench, ours } from "./ops.ts";
import { processorRow, type Round } from "./row.ts";

const [width, height] = [640, 360];
const frames = 8;
const batch = 8;
/** Batches of a round: some 300 frames. */
const batches = 5;

/** Frames a second that are wanted of two cores, and in proportion of more: 1,200 of 16, where a GPU may ask for 1,000. */
const least = 150;
/** The cores of the machine that the bar of 1,000 frames a second is for. */
const barred = 16;

/** Waves of many lengths and some noise: at quality 85 a JPEG of about 60 kB, as frames of films are. */
async function pictureOf(seed: number): Promise<Uint8Array> {
  const random = uniform(seed);
  const waves = Array.from({ length: 24 }, (_, i) => {
    const length = 400 / 1.28 ** i;
    const [angle, phase, tint] = [random() * 2 * Math.PI, random() * 2 * Math.PI, random()];
    return { x: Math.cos(angle) / length, y: Math.sin(angle) / length, phase, tint, height: 10 + length / 8 };
  });
  const data = new Uint8Array(width * height * 3);
  for (let i = 0; i < width * height; i++) {
    const [x, y] = [i % width, Math.floor(i / width)];
    let [grey, tint] = [128 + 8 * random(), 0];
    for (const wave of waves) {
      const v = wave.height * Math.sin(x * wave.x + y * wave.y + wave.phase);
      grey += v;
      tint += v * (wave.tint - 0.5);
    }
    for (let c = 0; c < 3; c++) data[3 * i + c] = Math.max(0, Math.min(255, grey + (c - 1) * tint));
  }
  return encodeJpeg({ data, width, height }, 85);
}

/** Clips of a few pictures, again and again. */
async function clips(): Promise<Clip[]> {
  const pictures = await Promise.all(Array.from({ length: frames }, (_, i) => pictureOf(i)));
  return Array.from({ length: batch * batches }, (_, i) => ({
    key: `clip-${i}`,
    frames: pictures,
    caption: "a bench",
    sentiment: [0, 0, 0, 0, 0, 0, 0],
    boxes: pictures.map(() => [100, 50, 300, 350] as const),
    fps: 8,
    width,
    height,
  }));
}

const loaderOf = (set: ShardSet, workers: number) =>
  new Loader(set, {
    ...forTraining,
    ...{ frames, side: 224, resize: 256, batch, seed: 1, workers },
    prefetch: Math.max(1, 2 * workers),
  });

/** The pixels of the first batch, decoded by the main thread one after another. */
async function firstPixels(set: ShardSet): Promise<Uint8Array> {
  const loader = loaderOf(set, 0);
  try {
    for await (const { frames: pixels } of loader.batches(0, 1)) return new Uint8Array(pixels);
    throw new HealthError("bench images: the loader gave no batch");
  } finally {
    await loader.close();
  }
}

/** Milliseconds a frame in each of the rounds, by this many threads besides the main one; and whether they decode as it does. */
async function measure(
  set: ShardSet,
  workers: number,
  rounds: number,
  expected: Uint8Array,
): Promise<{ samples: Round[]; correct: boolean }> {
  const loader = loaderOf(set, workers);
  const samples: Round[] = [];
  let correct = false;
  try {
    const source = loader.batches();
    for (let i = 0; i < 2 * workers + 2; i++) {
      const { value } = await source.next(); // threads start, code is compiled
      if (i === 0) correct = Buffer.compare(value!.frames, expected) === 0;
    }
    for (let round = 0; round < rounds; round++) {
      const [start, cpu] = [performance.now(), process.cpuUsage()];
      for (let i = 0; i < batches; i++) await source.next();
      const count = batches * batch * frames;
      const used = process.cpuUsage(cpu);
      samples.push({ wall: (performance.now() - start) / count, cpu: (used.user + used.system) / 1000 / count });
    }
    await source.return(undefined);
  } finally {
    await loader.close();
  }
  return { samples, correct };
}

/** Prints the rows of the suite "images"; the bar, if it was missed. */
export async function benchImages({ rounds, wanted, row }: Bench): Promise<string[]> {
  const cores = availableParallelism();
  const cases = [...new Set([1, cores])].map((workers) => ({
    workers,
    name: `JPEG ${width}x${height} to 224x224, ${workers} thread${workers > 1 ? "s" : ""}`,
  }));
  if (!cases.some(({ name }) => wanted("images", name))) return [];
  const folder = mkdtempSync(join(tmpdir(), "emotionclip-bench-"));
  const missed: string[] = [];
  try {
    await writeShards(folder, "bench", await clips());
    const set = await openShards(folder, "bench");
    const expected = await firstPixels(set);
    for (const { workers, name } of cases.filter((each) => wanted("images", each.name))) {
      const { samples, correct } = await measure(set, workers, rounds, expected);
      const [wall, cpu] = (["wall", "cpu"] as const).map((clock) => median(samples.map((sample) => sample[clock])));
      const rate = (1000 * Math.min(workers, cores)) / cpu; // what these cores give when nobody else uses them
      const needed = cores >= 2 && workers === cores ? (least * cores) / 2 : 0;
      const said = `${rate.toFixed(0)} frames/s by CPU time${needed ? `, at least ${needed}` : ""}; ${(1000 / wall).toFixed(0)} by the clock`;
      const [each, all] = [rate / Math.min(workers, cores), (barred * rate) / Math.min(workers, cores)];
      const told = `${each.toFixed(0)} a core; ${barred} cores would give ${all.toFixed(0)} (extrapolated, bar 1000)`;
      if (rate < needed) missed.push(`${name}: ${said}`);
      if (!correct) missed.push(`${name}: other pixels than those of the main thread`);
      const note = `${rate < needed ? "MISSED" : needed ? "reached" : "measured"}: ${said}; ${told}`;
      const adapter = `${cores} x ${cpus()[0]?.model ?? "CPU"}`;
      row(processorRow({ suite: "images", case: name, engine: ours, adapter, correct, note }, samples));
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  return missed;
}
