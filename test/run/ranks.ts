// What one rank does in the tests of MPI: a case by its name, and its findings as a line of JSON on stdout.
import { createHash } from "node:crypto";
import koffi from "koffi";
import type { Peers } from "../../train/peers.ts";
import { launchOf } from "../../train/mpi/launcher.ts";
import { joinMpi } from "../../train/mpi/mpi.ts";
import type { wireKinds } from "../../train/mpi/wire.ts";

const [name, wire = "f32", path] = process.argv.slice(2);

/** Ends the job as the command line does. */
function fail(error: Error & { exitCode?: number }, peers?: Peers): void {
  process.stderr.write(`[rank ${launchOf(process.env)?.rank}] ${error.message}\n`);
  if (peers) peers.abort(error.exitCode ?? 1);
  else process.exit(error.exitCode ?? 1);
}

/** Element i of array k that a rank brings: no two ranks the same, and no sum of them exact. */
const brought = (rank: number, k: number, i: number): number =>
  Math.fround(Math.sin(1 + i * 7 + k * 3 + rank * 11) / 3);

const sizes = [1, 7, 64, 100_003];

async function* arrays(rank: number): AsyncGenerator<Float32Array> {
  for (const [k, size] of sizes.entries()) yield Float32Array.from({ length: size }, (_, i) => brought(rank, k, i));
}

/** The largest difference from the sum in the order of ranks, in f32; and a digest of all bits. */
async function sums(peers: Peers) {
  const bits = createHash("sha256");
  let [worst, k] = [0, 0];
  for await (const sum of peers.sum(arrays(peers.rank))) {
    bits.update(new Uint8Array(sum.buffer, sum.byteOffset, sum.byteLength));
    for (const [i, found] of sum.entries()) {
      let want = 0;
      for (let rank = 0; rank < peers.size; rank++) want = Math.fround(want + brought(rank, k, i));
      worst = Math.max(worst, Math.abs(found - want));
    }
    k++;
  }
  return { worst, arrays: k, bits: bits.digest("hex") };
}

async function words(peers: Peers) {
  const own = new TextEncoder().encode(`of ${peers.rank} ${"-".repeat(100 * peers.rank)}`);
  const gathered = (await peers.gather(own)).map((bytes) => new TextDecoder().decode(bytes));
  const told = await peers.broadcast(new TextEncoder().encode(`from ${peers.rank}`));
  await peers.barrier();
  return { gathered, told: new TextDecoder().decode(told), about: peers.about };
}

/** Linux's clock of the processor time of the thread that asks; /proc tells of it only in ticks of 4 ms. */
const CLOCK_THREAD_CPUTIME_ID = 3;

let clockGettime: ReturnType<ReturnType<typeof koffi.load>["func"]> | undefined;

/** Milliseconds that this process's main thread has spent on a processor. */
function onProcessor(): number {
  const time = new BigInt64Array(new ArrayBuffer(128), 0, 2);
  clockGettime ??= koffi.load("libc.so.6").func("clock_gettime", "int", ["int", "void *"]);
  clockGettime(CLOCK_THREAD_CPUTIME_ID, time);
  return Number(time[0]) * 1e3 + Number(time[1]) / 1e6;
}

/** Values of ViT-B/32 with its temporal head, and how training cuts them. */
const [VALUES, BUCKET] = [170_000_000, 2 ** 20];

/** The longest time on the processor without a turn for others, in ms, while so many values were added up. */
async function turns(peers: Peers) {
  const arrays = Array.from({ length: 24 }, (_, k) => new Float32Array(BUCKET).fill(peers.rank + k));
  async function* large() {
    yield* arrays;
  }
  async function* first() {
    yield arrays[0];
  }
  for await (const sum of peers.sum(first())) void sum; // functions are compiled, connections made
  await peers.barrier();
  let [longest, before] = [0, onProcessor()];
  const timer = setInterval(() => {
    const now = onProcessor();
    longest = Math.max(longest, now - before);
    before = now;
  }, 1);
  for await (const sum of peers.sum(large())) void sum;
  clearInterval(timer);
  return { longest };
}

/** Seconds of three sums over a model's gradients, bytes of them per second, and the longest turn of the main thread in ms (bench/RESULTS.md). */
async function speed(peers: Peers) {
  const values = new Float32Array(VALUES);
  for (let i = 0; i < VALUES; i++) values[i] = ((i % 1000) - 500) * (1 + peers.rank);
  async function* buckets() {
    for (let at = 0; at < VALUES; at += BUCKET) yield values.subarray(at, Math.min(VALUES, at + BUCKET));
  }
  const seconds: number[] = [];
  let longest = 0;
  for (let round = 0; round < 3; round++) {
    await peers.barrier();
    let before = onProcessor();
    const timer = setInterval(() => {
      const now = onProcessor();
      longest = Math.max(longest, now - before);
      before = now;
    }, 1);
    const began = performance.now();
    for await (const sum of peers.sum(buckets())) void sum;
    seconds.push((performance.now() - began) / 1000);
    clearInterval(timer);
  }
  return { seconds, gigabytesPerSecond: (4e-9 * VALUES) / Math.min(...seconds), longestTurn: longest };
}

/** Rank 1 stops living while the others wait for it. */
async function hang(peers: Peers) {
  if (peers.rank === 1) for (;;);
  await peers.barrier();
  return {};
}

async function killed(peers: Peers) {
  if (peers.rank === 1) process.kill(process.pid, "SIGKILL");
  await peers.barrier();
  return {};
}

async function fails(peers: Peers) {
  if (peers.rank === 1) throw Object.assign(new Error("this rank cannot go on"), { exitCode: 6 });
  await peers.barrier();
  return {};
}

const cases: Record<string, (peers: Peers) => Promise<object>> = { words, sums, turns, speed, hang, killed, fails };

async function main(): Promise<void> {
  const launch = launchOf(process.env);
  if (!launch) throw new Error("these tests need a launcher");
  let peers: Peers | undefined;
  try {
    peers = await joinMpi(launch, {
      path,
      wire: wire as (typeof wireKinds)[number],
      silent: (error) => fail(error, peers),
    });
    const found = await cases[name](peers);
    process.stdout.write(
      `${JSON.stringify({ rank: peers.rank, size: peers.size, local: peers.localRank, ...found })}\n`,
    );
    await peers.close();
  } catch (error) {
    fail(error as Error, peers);
  }
}

await main();
