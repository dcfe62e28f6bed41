// Finished shards of films -> splits with their indices. At each moment an index describes files that are there: new ones are
// moved in before it, old ones removed after it.
import { join } from "node:path";
import { listFolder, move, remove, replaceFile, syncFolder } from "../data/formats/disk.ts";
import { foundAt } from "../data/formats/regular.ts";
import { INDEX_VERSION, indexBytes, indexName, type ShardIndex } from "../data/shards/index-file.ts";
import type { FilmReport } from "./report.ts";
import { type FilmSide, sidesOf, type SplitOptions } from "./splits.ts";

/** Puts the films' shards in place; the splits that have clips. */
export async function commitShards(
  out: string,
  work: string,
  films: readonly FilmReport[],
  options: SplitOptions & { readonly fps: number },
): Promise<ShardIndex[]> {
  const full = films.filter(({ shards }) => shards.length > 0);
  const sides = sidesOf(
    full.map(({ film }) => film),
    options,
  );
  const all = full.flatMap(({ shards }) => shards.map(({ file }) => file));
  for (const file of all) if (foundAt(join(work, file), file)) await move(join(work, file), join(out, file));
  await syncFolder(out);
  const splits: ShardIndex[] = [];
  for (const split of ["test", "train"] as const) {
    const index = indexOf(split, full, sides, options.fps);
    if (index) {
      await replaceFile(join(out, indexName(split)), indexBytes(index));
      splits.push(index);
    } else await remove(join(out, indexName(split)));
  }
  await removeOld(out, new Set(all));
  await removeOld(work, new Set());
  return splits;
}

function indexOf(
  split: FilmSide,
  films: readonly FilmReport[],
  sides: ReadonlyMap<string, FilmSide>,
  fps: number,
): ShardIndex | undefined {
  const shards = films.filter(({ film }) => sides.get(film) === split).flatMap((film) => film.shards);
  const samples = shards.reduce((sum, shard) => sum + shard.samples, 0);
  return samples === 0 ? undefined : { version: INDEX_VERSION, split, fps, samples, categories: [], shards };
}

/** Removes shards that no index lists any more. */
async function removeOld(folder: string, kept: ReadonlySet<string>): Promise<void> {
  for (const name of await listFolder(folder))
    if (/-[0-9a-f]{12}-\d{5}\.tar$/.test(name) && !kept.has(name)) await remove(join(folder, name));
}
