// Arrays added up over ranks, in the order of the ranks: each rank gets its piece of every array from all, adds the pieces up, and
// hands the sum to all. While one array is added up, the next is on its way.
import { setImmediate as breath } from "node:timers/promises";
import type { Wire } from "./wire.ts";

/** How pieces get from rank to rank. Calls are carried out in the order in which they were made. */
export interface Exchange {
  readonly rank: number;
  readonly size: number;
  /** Piece i of `send`, of so many bytes, to rank i; piece i of `received` is from rank i. */
  swap(send: Uint8Array, received: Uint8Array, bytes: number): Promise<void>;
  /** The piece `own` of each rank, in their order. */
  share(own: Uint8Array, all: Uint8Array, bytes: number): Promise<void>;
}

/** Values that are worked on before others get their turn: far below a millisecond. */
const BLOCK = 1 << 13;
/** Milliseconds of work after which they do. */
const TURN = 1;

/** An array on its way: its pieces have been sent off. */
interface Sent {
  readonly values: Float32Array;
  readonly arrived: Promise<void>;
  readonly memory: Memory;
}

/** See Peers.sum. The order of calls does not depend on when anything arrives. */
export async function* sumOver(
  exchange: Exchange,
  wire: Wire,
  buckets: AsyncIterable<Float32Array>,
): AsyncGenerator<Float32Array> {
  const memories = [new Memory(), new Memory()];
  let before: Sent | undefined;
  let count = 0;
  for await (const values of buckets) {
    const sent = await send(exchange, wire, values, memories[count++ % 2]);
    if (before) yield await finished(exchange, wire, before);
    before = sent;
  }
  if (before) yield await finished(exchange, wire, before);
}

async function send({ size, ...exchange }: Exchange, wire: Wire, values: Float32Array, memory: Memory): Promise<Sent> {
  const piece = pieceOf(values.length, size);
  const bytes = wire.bytes(piece);
  const out = memory.of("out", size * bytes);
  for (let rank = 0; rank < size; rank++) {
    const part = cut(values, piece, rank);
    await packed(wire, part, out.subarray(rank * bytes, (rank + 1) * bytes));
  }
  const arrived = exchange.swap(out, memory.of("in", size * bytes), bytes);
  arrived.catch(() => {}); // awaited in its turn
  return { values, arrived, memory };
}

async function finished(exchange: Exchange, wire: Wire, { values, arrived, memory }: Sent): Promise<Float32Array> {
  const { rank, size } = exchange;
  const piece = pieceOf(values.length, size);
  const bytes = wire.bytes(piece);
  await arrived;
  const received = memory.of("in", size * bytes);
  const own = cut(values, piece, rank);
  for (let from = 0; from < size; from++) await unpacked(wire, runOf(received, bytes, from), own, from > 0);
  const sum = memory.of("sum", bytes);
  await packed(wire, own, sum);
  const all = memory.of("out", size * bytes);
  await exchange.share(sum, all, bytes);
  for (let from = 0; from < size; from++)
    await unpacked(wire, runOf(all, bytes, from), cut(values, piece, from), false);
  return values;
}

const pieceOf = (length: number, size: number): number => Math.ceil(length / size / 4) * 4;
const cut = (values: Float32Array, piece: number, rank: number): Float32Array =>
  values.subarray(Math.min(values.length, rank * piece), Math.min(values.length, (rank + 1) * piece));
const runOf = (runs: Uint8Array, bytes: number, i: number): Uint8Array => runs.subarray(i * bytes, (i + 1) * bytes);

async function packed(wire: Wire, values: Float32Array, into: Uint8Array): Promise<void> {
  let largest = 0;
  await inTurns(values.length, (from, to) => {
    const size = wire.largest(values, from, to);
    if (!(size <= largest)) largest = size;
  });
  wire.begin(into, largest);
  await inTurns(values.length, (from, to) => wire.pack(values, into, from, to));
}

const unpacked = (wire: Wire, run: Uint8Array, into: Float32Array, adds: boolean): Promise<void> =>
  inTurns(into.length, (from, to) => wire.unpack(run, into, from, to, adds));

let turn = performance.now();
/** Work over a range, which lets others have their turn. */
async function inTurns(count: number, work: (from: number, to: number) => void): Promise<void> {
  for (let from = 0; from < count; from += BLOCK) {
    work(from, Math.min(count, from + BLOCK));
    if (performance.now() - turn < TURN) continue;
    await breath();
    turn = performance.now();
  }
}

/** Buffers that grow to what the largest array needs; the next array finds them. */
class Memory {
  readonly #buffers = new Map<string, Uint8Array>();

  of(name: string, bytes: number): Uint8Array {
    const known = this.#buffers.get(name);
    if (known && known.length >= bytes) return known.subarray(0, bytes);
    const made = new Uint8Array(new ArrayBuffer(bytes));
    this.#buffers.set(name, made);
    return made;
  }
}
