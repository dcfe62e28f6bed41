// What an opened data set knows of its samples, as the probes take it, and what its features depend on, as one hash.

import { createHash } from "node:crypto";
import { stat } from "node:fs/promises";
import { join } from "node:path";
import type { Benchmark, BenchmarkSample } from "../../data/sets/benchmark.ts";
import { matrix, takeRows } from "../matrix.ts";
import type { Targets } from "./outcome.ts";
import { takes } from "../../engine/takes.ts";

/** Samples of which nothing is known but that they cannot be read: their targets lay in what is damaged. */
export const samplesWithoutTargets = ({ samples }: Benchmark): BenchmarkSample[] => samples.filter(isBlank);

const isBlank = ({ source, labels, label, values }: BenchmarkSample): boolean =>
  source.kind === "faulty" && labels === undefined && label === undefined && values === undefined;

/** The targets of a split; a kind that some samples lack is left out. Rows of samples without targets are 0: nobody may count them. */
export function targetsOfBenchmark(benchmark: Benchmark): Targets {
  takes("targetsOfBenchmark(benchmark: { name: text, samples: object[], ... }, ...)", arguments);
  const { samples } = benchmark;
  const rows = (of: (sample: BenchmarkSample) => ArrayLike<number> | undefined) => {
    const all = samples.map((sample) => (isBlank(sample) ? undefined : of(sample)));
    const width = all.find((row) => row !== undefined)?.length;
    if (width === undefined || all.some((row, i) => row?.length !== width && !isBlank(samples[i]))) return undefined;
    const data = new Float64Array(samples.length * width);
    for (const [i, row] of all.entries()) data.set(row ?? [], i * width);
    return matrix(samples.length, width, data);
  };
  const [labels, label, values] = [rows((s) => s.labels), rows((s) => oneOf(s.label)), rows((s) => s.values)];
  return {
    ...(labels && { labels }),
    ...(label && { label: label.data }),
    ...(values && { values }),
    groups: samples.map(({ group }) => group),
  };
}

const oneOf = (label: number | undefined) => (label === undefined ? undefined : [label]);

/** The targets of some samples, in the order given. */
export function takeTargets({ labels, label, values, groups }: Targets, rows: readonly number[]): Targets {
  return {
    ...(labels && { labels: takeRows(labels, rows) }),
    ...(label && { label: rows.map((i) => label[i]) }),
    ...(values && { values: takeRows(values, rows) }),
    ...(groups && { groups: rows.map((i) => groups[i]) }),
  };
}

/**
 * sha256 over everything that decides the features of a split: ids, places and masks of the samples, and size and time of change
 * of every file below the data set's folder that they name. The folder's own place does not count; targets do not either.
 */
export async function fingerprint({ samples }: Benchmark): Promise<string> {
  const hash = createHash("sha256");
  const files = new Set<string>();
  for (const { id, source } of samples) {
    hash.update(JSON.stringify([id, placeless(source)]));
    for (const path of filesOf(source)) files.add(path);
  }
  for (const path of files) {
    const found = await stat(path).catch(() => undefined); // a missing file is named when its sample is read
    hash.update(JSON.stringify([found?.size, found?.mtimeMs]));
  }
  return hash.digest("hex");
}

function placeless(source: BenchmarkSample["source"]): object {
  if (source.kind === "files") {
    const { root: _, ...rest } = source;
    return rest;
  }
  if (source.kind === "shard") {
    const { path: _, ...rest } = source.sample;
    return { ...rest, kind: source.kind };
  }
  return source;
}

function filesOf(source: BenchmarkSample["source"]): string[] {
  if (source.kind === "shard") return [source.sample.path];
  if (source.kind === "faulty") return [];
  const { root, frames, mask } = source;
  const names = mask.kind === "joints" ? [...frames, mask.file] : frames;
  return names.map((name) => join(root, name));
}
