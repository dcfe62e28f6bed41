// The gradients of a batch whose clips several ranks encode: what a step in parts does, with parts elsewhere. Features go to all, every rank
// has the loss of all pairs, and each goes on with the slopes at its own clips. What it finds is added up over ranks, the text
// tower's while the frame tower still computes.
import {
  assign,
  compute,
  type Float,
  later,
  Scope,
  type Shard,
  Tape,
  type Tensor,
  tensor,
  type TypedArray,
} from "../engine/index.ts";
import { concat } from "../kernels/index.ts";
import type { Peers, ClipSpan } from "./peers.ts";

/** EncodedRows of unit length: videos and their texts. */
export interface FeaturePair {
  readonly v: Tensor;
  readonly t: Tensor;
}

/** The same on the host, row by row. */
export interface EncodedRows {
  readonly v: Float32Array;
  readonly t: Float32Array;
}

/** What a learner records of a step. */
export interface Stages {
  readonly shards: readonly Shard[];
  /** What is to be recorded before anything is encoded. */
  refresh(): void;
  /** Features of some clips, without a tape; kept in the scope around. */
  features(part: ClipSpan): FeaturePair;
  /** The loss of the batch, whose features come in order, and its slopes at them; those of its own parameters go to their places. */
  slopes(features: readonly FeaturePair[]): {
    readonly loss: Promise<TypedArray>;
    readonly slopes: readonly FeaturePair[];
  };
  /** Features of some clips, on the tape around. */
  encode(part: ClipSpan): FeaturePair;
  video(part: ClipSpan): Tensor;
  text(part: ClipSpan): Tensor;
}

/** Which clips are this rank's, how they are cut, and how the others hear of them. */
export interface Meeting {
  readonly batch: number;
  readonly own: ClipSpan;
  readonly micro: number;
  readonly peers: Peers;
  /** EncodedRows of the whole batch, of which these are the rank's own. */
  exchange(own: EncodedRows): Promise<EncodedRows>;
}

/** A span cut into parts of at most so many clips. */
export const spansIn = ({ from, count }: ClipSpan, micro: number): ClipSpan[] =>
  Array.from({ length: Math.ceil(count / micro) }, (_, i) => {
    return { from: from + i * micro, count: Math.min(micro, count - i * micro) };
  });

/** What comes of a meeting. */
export interface Met {
  /** When it has been read. */
  readonly loss: Promise<TypedArray>;
  /** ms in which this rank had nothing left to compute and waited for the others, or for words on their way. */
  readonly meeting: number;
}

/** Leaves the gradients of the whole batch in their places, the same bits on every rank. */
export async function sharedGradients(stages: Stages, meeting: Meeting): Promise<Met> {
  const parts = spansIn(meeting.own, meeting.micro);
  using tape = parts.length === 1 ? new Tape() : undefined; // one part is encoded once, on a tape that stays open meanwhile
  const kept = tape && { tape, ...encoded(stages, parts[0]) };
  const { types, ...own } = kept ? await readOf(kept) : await ownRows(stages, parts);
  const asked = performance.now();
  const all = await meeting.exchange(own);
  const exchanged = performance.now() - asked;
  const { loss, found } = backward(stages, parts, batchOf(all, types, meeting), kept);
  let computed = performance.now();
  for (const { read } of found) read.then(() => (computed = performance.now())).catch(() => {}); // whoever awaits it hears
  let i = 0;
  for await (const sum of meeting.peers.sum(arriving(found))) assign(found[i++].place, sum);
  return { loss, meeting: exchanged + performance.now() - computed };
}

function encoded(stages: Stages, part: ClipSpan): FeaturePair {
  stages.refresh();
  return stages.encode(part);
}

/** Features with the tape that saw how they came about. */
interface Kept extends FeaturePair {
  readonly tape: Tape;
}

async function readOf({ v, t }: FeaturePair): Promise<EncodedRows & { types: Types }> {
  const [rowsV, rowsT] = await Promise.all([v.data(), t.data()]);
  return { v: rowsV as Float32Array, t: rowsT as Float32Array, types: { v: v.dtype as Float, t: t.dtype as Float } };
}

async function ownRows(stages: Stages, parts: readonly ClipSpan[]): Promise<EncodedRows & { types: Types }> {
  let types: Types | undefined;
  const rows = await compute(() => {
    stages.refresh();
    const features = parts.map((part) => stages.features(part));
    const [v, t] = [concat(features.map((each) => each.v)), concat(features.map((each) => each.t))];
    types = { v: v.dtype as Float, t: t.dtype as Float };
    return { v, t };
  });
  return { v: rows.v as Float32Array, t: rows.t as Float32Array, types: types! };
}

type Types = Readonly<Record<keyof EncodedRows, Float>>;

/** The rows of a batch as tensors: what other ranks made of the clips in front of `own`, those, and the clips behind. */
function batchOf(all: EncodedRows, types: Types, { batch, own }: Meeting) {
  const upload = (name: keyof EncodedRows, { from, count }: ClipSpan) => {
    const width = all[name].length / batch;
    return tensor(all[name].subarray(from * width, (from + count) * width), [count, width], types[name]) as Tensor;
  };
  const end = own.from + own.count;
  const before = { from: 0, count: own.from };
  const behind = { from: end, count: batch - end };
  return (parts: readonly ClipSpan[]) => {
    const spans = [before, ...parts, behind].filter(({ count }) => count > 0);
    const features = spans.map((span): FeaturePair => ({ v: upload("v", span), t: upload("t", span) }));
    return { features, first: before.count > 0 ? 1 : 0 };
  };
}

/** A run of gradients, and its elements when they have been read. */
interface Found {
  readonly place: Tensor;
  readonly read: Promise<TypedArray>;
}

/** Records the loss and all that leads back from it, and the reads of this rank's own gradients: those of texts are read before frames are done. */
function backward(
  stages: Stages,
  parts: readonly ClipSpan[],
  batchIn: ReturnType<typeof batchOf>,
  kept: Kept | undefined,
) {
  using scope = new Scope();
  void scope;
  const { shards } = stages;
  const { features, first } = batchIn(parts);
  const { loss, slopes } = stages.slopes(features);
  const own = slopes.slice(first, first + parts.length);
  const ofLoss = freshIn(shards); // every rank has found them whole
  if (kept) kept.tape.vjp([kept.t], [own[0].t]);
  else
    walkAgain(
      parts,
      stages.text,
      own.map(({ t }) => t),
      true,
    );
  const texts = readFresh(shards, ofLoss);
  const before = freshIn(shards);
  if (kept) kept.tape.accumulate([kept.v], [own[0].v]);
  else
    walkAgain(
      parts,
      stages.video,
      own.map(({ v }) => v),
      false,
    );
  return { loss, found: [...texts, ...readFresh(shards, before)] };
}

/** Encodes parts once more, on a tape that starts from the slopes; where nothing came before, what places held is written over. */
function walkAgain(
  parts: readonly ClipSpan[],
  encode: (part: ClipSpan) => Tensor,
  slopes: readonly Tensor[],
  isFirst: boolean,
) {
  for (const [i, part] of parts.entries()) {
    using tape = new Tape();
    const y = encode(part);
    if (isFirst && i === 0) tape.vjp([y], [slopes[i]]);
    else tape.accumulate([y], [slopes[i]]);
  }
}

async function* arriving(found: readonly Found[]): AsyncGenerator<Float32Array> {
  for (const { read } of found) yield (await read) as Float32Array;
}

/** Members whose gradients have been computed. */
const freshIn = (shards: readonly Shard[]): ReadonlySet<Tensor> =>
  new Set(shards.flatMap((shard) => shard.freshMembers().map(({ parameters }) => parameters)));

/** Values that travel together: enough that a call costs little beside them, and that the first are away while others are read. */
const BUCKET = 2 ** 20;

/** Reads the gradients that have been computed, without those of `others`. */
function readFresh(shards: readonly Shard[], others: ReadonlySet<Tensor>): Found[] {
  using scope = new Scope();
  void scope;
  const fresh = freshIn(shards);
  const isOwn = (member: Tensor) => fresh.has(member) && !others.has(member);
  return shards.flatMap((shard) => placesOf(shard, isOwn).map((place) => ({ place, read: later(place) })));
}

/** Runs of neighbours in a shard's gradients, cut into buckets. */
function placesOf(shard: Shard, isOwn: (member: Tensor) => boolean): Tensor[] {
  const { members, starts, numel } = shard;
  const places: Tensor[] = [];
  for (let i = 0; i < members.length; i++) {
    if (!isOwn(members[i])) continue;
    const from = starts[i];
    while (i + 1 < members.length && isOwn(members[i + 1])) i++;
    const end = starts[i + 1] ?? numel;
    for (let at = from; at < end; at += BUCKET) places.push(placeIn(shard, at, Math.min(end, at + BUCKET)));
  }
  return places;
}

const known = new WeakMap<Shard, Map<string, Tensor>>();

/** The same tensor each time: plans are known by what they read. */
function placeIn(shard: Shard, from: number, to: number): Tensor {
  const places = known.get(shard) ?? new Map<string, Tensor>();
  known.set(shard, places);
  const place = places.get(`${from} ${to}`) ?? shard.cut(shard.gradients, from, to);
  places.set(`${from} ${to}`, place);
  return place;
}
