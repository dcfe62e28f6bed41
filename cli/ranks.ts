// `train` as one rank of several: which it is, how it joins the others, and what has to be the same on all before they train.
import { createHash } from "node:crypto";
import { hostname } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { BusyError, UsageError } from "../engine/errors.ts";
import type { Gpu } from "../engine/index.ts";
import { launchOf } from "../train/mpi/launcher.ts";
import { joinMpi } from "../train/mpi/mpi.ts";
import { wireKinds } from "../train/mpi/wire.ts";
import type { Peers } from "../train/peers.ts";
import type { Recipe } from "../train/recipe.ts";
import { oneOf } from "./flags.ts";
import { endProcessBy } from "./terminal/speaker.ts";

/** The flags, as commander takes them. */
export const MPI = ["--mpi <path>", "with mpirun or srun: the MPI library, where it is not found by its name"] as const;
export const WIRE = [
  "--wire <f32|f16>",
  "with several ranks: how gradients travel; f16 halves the traffic and takes processor time, for links below a gigabit a second; sums stay f32",
  "f32",
] as const;

/** Values of those flags. */
export interface RankFlags {
  readonly mpi?: string;
  readonly wire: string;
}

/** The other ranks of this job; undefined for a process of its own. Errors: UsageError where ranks cannot find each other. */
export async function joinRanks(
  { mpi: path, wire }: RankFlags,
  say: (line: string) => void,
): Promise<Peers | undefined> {
  const launch = launchOf(process.env);
  const kind = oneOf("--wire", wire, wireKinds);
  if (!launch) {
    if (path !== undefined)
      throw new UsageError("--mpi goes with several ranks: mpirun -n 2 npx emotionclip train ...");
    return undefined;
  }
  const peers = await joinMpi(launch, { path, wire: kind, say, silent });
  endProcessBy((code) => peers.abort(code));
  return peers;
}

/** It comes from a timer, and so is an error that nobody catches: the process ends as with any other. */
function silent(error: Error): never {
  throw error;
}

/** Closes what `joinRanks` opened, once all ranks are done. */
export async function partRanks(peers: Peers | undefined): Promise<void> {
  await peers?.close();
  endProcessBy(undefined);
}

/** Refuses what a recipe or a flag asks for and several ranks cannot do yet. */
export function checkRanks({ size }: Peers, recipe: Recipe, { debugNan }: { readonly debugNan?: boolean }): void {
  if (recipe.batch < size)
    throw new UsageError(
      `--batch-size: ${recipe.batch} clips for ${size} ranks; it counts the clips of all, and each needs one`,
    );
  const single = recipe.cacheFeatures ? "--cache-features" : debugNan ? "--debug-nan" : undefined;
  if (single) throw new UsageError(`${single} is for a single process; without mpirun it works`);
}

/** Does something that makes files first on one rank of each machine, then on the others, which find it done. */
export async function inTurn<T>(peers: Peers | undefined, work: () => Promise<T>): Promise<T> {
  if (!peers) return work();
  const first = peers.localRank === 0 ? await work() : undefined;
  await peers.barrier();
  return peers.localRank === 0 ? (first as T) : work();
}

/** Seconds for which a folder that is in use is waited for. */
const PATIENCE = 10;

/** Opens what a job before this one may still hold: its launcher ends while the last of its ranks do. Errors: BusyError where it stays in use. */
export async function onceFree<T>(peers: Peers | undefined, open: () => Promise<T>): Promise<T> {
  for (const began = performance.now(); ; await sleep(200))
    try {
      return await open();
    } catch (error) {
      if (!peers || !(error instanceof BusyError) || performance.now() - began > 1000 * PATIENCE) throw error;
    }
}

/** A text that rank 0 makes, for all. */
export async function ofFirst(peers: Peers | undefined, make: () => Promise<string>): Promise<string> {
  if (!peers) return make();
  const own = peers.rank === 0 ? await make() : "";
  return new TextDecoder().decode(await peers.broadcast(new TextEncoder().encode(own)));
}

/** Refuses ranks that were told different things: they would train different models. */
export async function checkSame(peers: Peers, what: string, value: unknown): Promise<void> {
  const own = createHash("sha256").update(JSON.stringify(value)).digest();
  const all = await peers.gather(own);
  const other = all.findIndex((digest) => !Buffer.from(digest).equals(Buffer.from(all[0])));
  if (other > 0) throw new UsageError(`rank ${other} has ${what} other than rank 0's: all ranks need the same`);
}

/** Refuses GPUs of different kinds, and says which are shared as far as their names tell. */
export async function checkAdapters(peers: Peers, { facts }: Gpu, say: (line: string) => void): Promise<void> {
  const told = await peers.gather(
    new TextEncoder().encode(JSON.stringify([hostname(), facts.adapter, facts.subgroup])),
  );
  const all = told.map((bytes) => JSON.parse(new TextDecoder().decode(bytes)) as [string, string, number]);
  const [[, adapter, subgroup]] = all;
  const other = all.findIndex((each) => each[1] !== adapter || each[2] !== subgroup);
  if (other > 0)
    throw new UsageError(
      `rank ${other} has the adapter ${all[other][1]}, rank 0 ${adapter}: they round differently, so their models would part\n` +
        "  --adapter with a part of a name that all machines have",
    );
  const hosts = new Map<string, number>();
  for (const [host] of all) hosts.set(host, (hosts.get(host) ?? 0) + 1);
  for (const [host, count] of hosts)
    if (count > 1 && facts.software) say(`${host}: ${count} ranks share one processor, ${adapter}`);
    else if (count > 1)
      say(
        `warning: ${host}: ${count} ranks see an adapter of the name ${adapter}; where the launcher shows each more than one, all take the first`,
      );
}
