// Results that are kept: bench/results/<date>-<adapter>[-what].json, with what they were measured on.
import { execFileSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { causeOf } from "../data/formats/cause.ts";
import { DiskError } from "../engine/errors.ts";
import type { Gpu } from "../engine/device/gpu.ts";

const root = fileURLToPath(new URL("..", import.meta.url));

/** Writes a result; says where on stderr. DiskError where that fails. */
export function writeResults({ facts: { adapter }, info }: Gpu, what: string, result: object): void {
  const day = new Date().toISOString().slice(0, 10);
  const short = (info.description || adapter)
    .split(/[:(]/)[0]
    .trim()
    .replace(/[^\w.]+/g, "-");
  const path = `${root}bench/results/${day}-${short}${what && `-${what}`}.json`;
  const about = {
    date: new Date().toISOString(),
    adapter,
    driver: info.description,
    commit: commit(),
    node: process.version,
  };
  try {
    mkdirSync(`${root}bench/results`, { recursive: true });
    writeFileSync(path, `${JSON.stringify({ ...about, ...result }, undefined, 1)}\n`);
  } catch (error) {
    throw new DiskError(`${path}: cannot be written: ${causeOf(error)}`, { cause: error });
  }
  console.error(`written to ${path}`);
}

/** The commit that runs. */
export function commit(): string {
  try {
    return execFileSync("git", ["rev-parse", "--short", "HEAD"], { cwd: root, encoding: "utf8" }).trim();
  } catch {
    return "unknown";
  }
}
