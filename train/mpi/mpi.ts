// Peers over MPI.
import { UsageError } from "../../engine/errors.ts";
import type { Peers } from "../peers.ts";
import { heartbeat, type Signs } from "./heartbeat.ts";
import { type RankLaunch, refuseTorchrun, strangersText } from "./launcher.ts";
import { type Library, loadLibrary } from "./library.ts";
import { type Exchange, sumOver } from "./sum.ts";
import { type wireKinds, wires } from "./wire.ts";

/** How ranks find each other and what they send. */
export interface MpiOptions {
  /** Path of the library; found by name otherwise. */
  readonly path?: string;
  /** How gradients travel; f32. */
  readonly wire?: (typeof wireKinds)[number];
  /** Hears why the job ends, where a rank gives no sign of life. */
  readonly silent: (error: Error) => void;
  /** Hears what a person should know. */
  readonly say?: (line: string) => void;
}

/** Levels of MPI_Init_thread: one call at a time from any thread; any calls at once. */
const [SERIALIZED, MULTIPLE] = [2, 3];

/** Most bytes of one call: MPI counts in 32 bits. */
const MOST = 2 ** 30;

/** Tag of signs of life. */
const SIGN = 77;

/** Joins the processes of a launcher. Errors: UsageError where there is no library for it, or where its processes do not see each other. */
export async function joinMpi(launch: RankLaunch, { path, wire = "f32", silent, say }: MpiOptions): Promise<Peers> {
  refuseTorchrun(launch);
  wires[wire].prepare();
  const library = await loadLibrary(launch, path);
  const level = cell();
  library.now("MPI_Init_thread", null, null, MULTIPLE, level);
  const { world } = library.family;
  const of = (name: "MPI_Comm_rank" | "MPI_Comm_size") => {
    const into = cell();
    library.now(name, world, into);
    return into[0];
  };
  const [rank, size] = [of("MPI_Comm_rank"), of("MPI_Comm_size")];
  if (size !== launch.size) throw new UsageError(strangersText(launch, aboutOf(library), size));
  if (level[0] < SERIALIZED)
    throw new UsageError(
      `${aboutOf(library)} was built without threads (level ${level[0]}, needed is ${SERIALIZED}); another build is needed`,
    );
  if (level[0] < MULTIPLE && rank === 0)
    say?.(`${aboutOf(library)} allows one call at a time: a rank that hangs will not be noticed`);
  return new MpiPeers(library, { ...launch, rank, size }, wire, level[0] >= MULTIPLE ? silent : undefined);
}

class MpiPeers implements Peers {
  readonly rank: number;
  readonly size: number;
  readonly localRank: number;
  readonly about: string;
  readonly #world: unknown;
  readonly #byte: unknown;
  readonly #signs: Signs;
  readonly #calm: () => void;

  constructor(
    private readonly library: Library,
    { rank, size, localRank = rank }: RankLaunch,
    private readonly wire: (typeof wireKinds)[number],
    silent: ((error: Error) => void) | undefined,
  ) {
    [this.rank, this.size, this.localRank] = [rank, size, localRank];
    this.about = aboutOf(library);
    this.#world = library.family.world;
    this.#byte = library.family.byte;
    this.#signs = this.#signsOfLife();
    this.#calm = silent ? heartbeat(this.#signs, silent) : () => {};
  }

  async gather(own: Uint8Array): Promise<readonly Uint8Array[]> {
    const [length, lengths, starts] = [cell(), numbers(this.size), numbers(this.size)];
    length[0] = own.length;
    await this.#share(bytesOf(length), bytesOf(lengths), 4);
    let total = 0;
    for (const [i, bytes] of lengths.entries()) {
      starts[i] = total;
      total += bytes;
    }
    if (total > MOST)
      throw new UsageError(`${total} bytes of all ranks together; at most ${MOST} can be gathered at once`);
    const all = new Uint8Array(new ArrayBuffer(Math.max(64, total)));
    await this.library.later(
      "MPI_Allgatherv",
      ...[still(own), own.length, this.#byte, all, lengths, starts, this.#byte, this.#world],
    );
    return Array.from(lengths, (bytes, i) => all.subarray(starts[i], starts[i] + bytes));
  }

  async broadcast(own: Uint8Array): Promise<Uint8Array> {
    const length = new Float64Array(new ArrayBuffer(128), 0, 1);
    length[0] = own.length;
    await this.library.later("MPI_Bcast", length, 8, this.#byte, 0, this.#world);
    const all = this.rank === 0 ? still(own) : new Uint8Array(new ArrayBuffer(Math.max(64, length[0])));
    for (let at = 0; at < length[0]; at += MOST) {
      const some = all.subarray(at, Math.min(length[0], at + MOST));
      await this.library.later("MPI_Bcast", some, some.length, this.#byte, 0, this.#world);
    }
    return all.subarray(0, length[0]);
  }

  sum(buckets: AsyncIterable<Float32Array>): AsyncIterable<Float32Array> {
    const exchange: Exchange = {
      rank: this.rank,
      size: this.size,
      swap: (send, received, bytes) =>
        this.library.later("MPI_Alltoall", send, bytes, this.#byte, received, bytes, this.#byte, this.#world),
      share: (own, all, bytes) => this.#share(own, all, bytes),
    };
    return sumOver(exchange, wires[this.wire], buckets);
  }

  barrier(): Promise<void> {
    return this.library.later("MPI_Barrier", this.#world);
  }

  async close(): Promise<void> {
    await this.barrier(); // MPI_Finalize waits for the others too, but on this thread
    this.#calm();
    await this.barrier();
    this.#signs.take((this.rank + this.size - 1) % this.size); // nothing may lie unread
    this.library.now("MPI_Finalize");
  }

  abort(code: number): void {
    this.#calm();
    this.library.now("MPI_Abort", this.#world, code);
  }

  #share(own: Uint8Array, all: Uint8Array, bytes: number): Promise<void> {
    return this.library.later("MPI_Allgather", own, bytes, this.#byte, all, bytes, this.#byte, this.#world);
  }

  #signsOfLife(): Signs {
    const { library, rank, size } = this;
    const [sign, flag] = [cell(), cell()];
    const { ignored } = library.family;
    const isThere = (from: number) => {
      library.now("MPI_Iprobe", from, SIGN, this.#world, flag, ignored);
      return flag[0] !== 0;
    };
    const give = (to: number) => library.now("MPI_Send", sign, 4, this.#byte, to, SIGN, this.#world);
    const take = (from: number) => {
      let count = 0;
      for (; isThere(from); count++) library.now("MPI_Recv", sign, 4, this.#byte, from, SIGN, this.#world, ignored);
      return count > 0;
    };
    return { rank, size, give, take };
  }
}

/** The family and the version that the library says of itself. */
function aboutOf({ family, path, now }: Library): string {
  const text = new Uint8Array(new ArrayBuffer(8192));
  now("MPI_Get_library_version", text, cell());
  const version = /\d+\.\d+(\.\d+)?/.exec(Buffer.from(text).toString("latin1").split("\0")[0])?.[0] ?? "";
  return `${family.name} ${version} (${path})`;
}

/** Numbers that calls read and write. Small arrays lie on a heap that moves; a view of a larger buffer does not. */
const numbers = (count: number): Int32Array => new Int32Array(new ArrayBuffer(Math.max(128, 4 * count)), 0, count);
const cell = (): Int32Array => numbers(1);

/** The same bytes where they do not move during a call. */
function still(bytes: Uint8Array): Uint8Array {
  if (bytes.length > 64) return bytes;
  const copy = new Uint8Array(new ArrayBuffer(128), 0, bytes.length);
  copy.set(bytes);
  return copy;
}

const bytesOf = ({ buffer, byteOffset, byteLength }: ArrayBufferView): Uint8Array =>
  new Uint8Array(buffer as ArrayBuffer, byteOffset, byteLength);
