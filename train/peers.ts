// Processes that train one model together, each with a GPU of its own: what they tell each other, whoever carries it.

/** The processes of a training, as one of them sees them. Each calls the same methods in the same order. */
export interface Peers {
  /** Its number, from 0, and how many there are. */
  readonly rank: number;
  readonly size: number;
  /** Its number among those of its machine. */
  readonly localRank: number;
  /** What carries the words, for people. */
  readonly about: string;
  /** What every process gave, in the order of their ranks. */
  gather(own: Uint8Array): Promise<readonly Uint8Array[]>;
  /** What rank 0 gave, for all. */
  broadcast(own: Uint8Array): Promise<Uint8Array>;
  /**
   * Arrays of the same lengths on every process, in order, each added up element by element in the order of the ranks: the same bits in
   * every process and every time. They come back in place, one at a time, while later ones may still be asked for.
   */
  sum(buckets: AsyncIterable<Float32Array>): AsyncIterable<Float32Array>;
  /** Resolves when every process has come here. */
  barrier(): Promise<void>;
  /** Ends the company in good order, once every process calls it. */
  close(): Promise<void>;
  /** Ends all processes at once, with this exit code. */
  abort(code: number): void;
}

/** Some of the clips of a batch, side by side. */
export interface ClipSpan {
  readonly from: number;
  readonly count: number;
}

/** The clips of a batch that one of so many processes encodes: as equal as can be, in the order of the ranks. */
export function ownSpan(batch: number, { rank, size }: Pick<Peers, "rank" | "size">): ClipSpan {
  const from = Math.floor((rank * batch) / size);
  return { from, count: Math.floor(((rank + 1) * batch) / size) - from };
}

/** Settings of the step whose memory and arithmetic are those of a rank: in parts of what it encodes, and so many times its work. */
export function partedBy<S extends { readonly batch: number; readonly micro: number }>(
  peers: Pick<Peers, "size"> | undefined,
  settings: S,
): S {
  if (!peers) return settings;
  const own = Math.ceil(settings.batch / peers.size);
  return { ...settings, micro: settings.micro > 0 ? Math.min(settings.micro, own) : own };
}
