// Plain WebDataset tars, which have no index of ours: KEY.txt or KEY.json, and KEY.jpg or KEY.0000.jpg, KEY.0001.jpg, … All tars are
// looked through by their headers, and what is found stays in memory: nothing is written beside them.
import { statSync } from "node:fs";
import { basename } from "node:path";
import { DiskError, FormatError } from "../../engine/errors.ts";
import { causeOf } from "../formats/cause.ts";
import type { Member } from "../formats/tar.ts";
import { clipLimits } from "./clip.ts";
import { INDEX_VERSION, type ShardIndex } from "./index-file.ts";
import { type Sample, ShardSet, withMembers } from "./shards.ts";

/** Some tars as a set, and what else is in them. */
export interface PlainTars {
  readonly set: ShardSet;
  /** Members that no sample takes, by their extension, how many. */
  readonly passedOver: ReadonlyMap<string, number>;
}

/** Faults that a message names. */
const SHOWN = 10;

/** Opens tars as one set, in this order. Errors: FormatError with the number of those that cannot be read, the first ten named. */
export function openPlainTars(paths: readonly string[], name: string): PlainTars {
  const faults: string[] = [];
  const passedOver = new Map<string, number>();
  const items: Sample[] = [];
  for (const path of paths) {
    try {
      items.push(...scanPlain(path, passedOver));
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
      faults.push(error.message);
    }
  }
  if (faults.length > 0) throw new FormatError(faultText(faults, paths.length, name));
  const index: ShardIndex = {
    ...{ version: INDEX_VERSION, split: name, fps: 8, samples: items.length },
    ...{ categories: [], shards: [] },
  };
  return { set: new ShardSet(index, items), passedOver };
}

function faultText(faults: readonly string[], tars: number, name: string): string {
  if (tars === 1) return faults[0];
  const named = [...faults.slice(0, SHOWN), ...(faults.length > SHOWN ? ["…"] : [])];
  return `${name}: ${faults.length} of ${tars} tar files cannot be read: ${named.join("; ")}`;
}

function scanPlain(path: string, passedOver: Map<string, number>): Sample[] {
  const file = basename(path);
  let bytes: number;
  try {
    bytes = statSync(path).size;
  } catch (error) {
    throw new DiskError(`${file}: cannot be read: ${causeOf(error)}`, { cause: error });
  }
  const parts = withMembers(path, file, bytes, (members) => groupPlain(members, file, passedOver));
  if (parts.size === 0)
    throw new FormatError(`${file}: has no samples: KEY.jpg or KEY.0000.jpg …, and KEY.txt or KEY.json`);
  return [...parts].map(([key, each]) => sampleOf(key, each, path, bytes));
}

interface Parts {
  json?: Member;
  text?: Member;
  /** By number; a picture without one is the only frame, and its number is -1. */
  readonly frames: Map<number, Member>;
  /** The member that is there twice. */
  twice?: string;
}

/** Members by key: what lies before the first dot of the file's name, as in WebDataset. */
function groupPlain(members: Iterable<Member>, file: string, passedOver: Map<string, number>): Map<string, Parts> {
  const all = new Map<string, Parts>();
  let last: string | undefined;
  for (const member of members) {
    const [, key, extension] = /^((?:[^/]*\/)*[^./]+)\.([^/]+)$/.exec(member.name) ?? [];
    const kind = extension === undefined ? undefined : kindOf(extension.toLowerCase());
    if (kind === undefined) {
      const named = extension === undefined ? "no extension" : `.${extension.slice(extension.lastIndexOf(".") + 1)}`;
      passedOver.set(named, (passedOver.get(named) ?? 0) + 1);
      continue;
    }
    if (key !== last && all.has(key))
      throw new FormatError(`${file}: the members of ${JSON.stringify(key)} are not together`);
    last = key;
    const parts: Parts = all.get(key) ?? { frames: new Map() };
    all.set(key, parts);
    take(parts, kind, member);
  }
  return all;
}

/** What a member is by its extension: a number is that of a frame. */
function kindOf(extension: string): "json" | "text" | number | undefined {
  if (extension === "json") return "json";
  if (extension === "txt") return "text";
  const [, number] = /^(?:(\d{1,9})\.)?(?:jpe?g|png|webp)$/.exec(extension) ?? [undefined, undefined];
  if (number !== undefined) return Number(number);
  return /^(?:jpe?g|png|webp)$/.test(extension) ? -1 : undefined;
}

function take(parts: Parts, kind: "json" | "text" | number, member: Member): void {
  const before = typeof kind === "number" ? parts.frames.get(kind) : parts[kind];
  if (before) parts.twice ??= member.name;
  else if (typeof kind === "number") parts.frames.set(kind, member);
  else parts[kind] = member;
}

function sampleOf(key: string, parts: Parts, path: string, bytes: number): Sample {
  const fault = faultOf(parts);
  const { json, text, frames } = parts;
  const numbers = fault ? [] : [...frames.keys()].sort((a, b) => a - b);
  const spans = numbers.flatMap((number) => [frames.get(number)!.offset, frames.get(number)!.size]);
  const spanOf = ({ offset, size }: Member) => ({ offset, size });
  return {
    ...{ key, path, bytes, json: json ? spanOf(json) : { offset: 0, size: 0 } },
    plain: text ? { text: spanOf(text) } : {},
    frames: Float64Array.from(spans),
    ...(fault !== undefined && { fault: `${basename(path)}: ${JSON.stringify(key)} ${fault}` }),
  };
}

/** What a sample's members lack: it is a bad sample, and its neighbours are read all the same. */
function faultOf({ json, text, frames, twice }: Parts): string | undefined {
  if (twice !== undefined) return `has ${JSON.stringify(twice)} or its like twice`;
  if (!json && !text) return "has no .txt and no .json";
  for (const [what, member] of Object.entries({ JSON: json, text }))
    if (member && member.size > clipLimits.jsonBytes)
      return `has ${member.size} bytes of ${what}, allowed are ${clipLimits.jsonBytes}`;
  if (frames.size === 0) return "has no frames";
  if (frames.size > clipLimits.frames) return `has ${frames.size} frames, allowed are ${clipLimits.frames}`;
  if (frames.has(-1)) return frames.size > 1 ? "has a picture without a number and others with one" : undefined;
  const first = frames.has(0) ? 0 : 1;
  for (let i = first; i < first + frames.size; i++)
    if (!frames.has(i)) return `has ${frames.size} frames, but none with number ${i}`;
  return undefined;
}
