// The ranks of one training: what they tell each other with every batch besides features, and what they then agree on.
import { deserialize, serialize } from "node:v8";
import { type BadSample, type BadSampleRule, Tally } from "../data/bad-samples.ts";
import type { BatchWords } from "../data/shards/batch.ts";
import type { StopRequest } from "../data/threads/long-work.ts";
import { GpuError, HealthError } from "../engine/errors.ts";
import type { Peers } from "./peers.ts";
import type { EncodedRows } from "./shared-gradients.ts";

/** What a rank says of its part of a batch. */
interface Told extends BatchWords, EncodedRows {
  readonly step: number;
  /** The exit code of a stop that it was asked for. */
  readonly stop?: number;
  readonly bad: readonly BadSample[];
  /** The numbers of the step before, which are the same on every rank. */
  readonly before?: readonly number[];
}

/** The batch of all ranks. */
export interface WholeBatch {
  readonly rows: EncodedRows;
  readonly clips: BatchWords;
}

/** The ranks of a training, as one of them sees them. */
export class Company {
  /** A stop that all ranks know of, at the same step. */
  readonly stop: StopRequest;
  #agreed: number | undefined;
  #bad: BadSample[] = [];
  #before: readonly number[] | undefined;
  readonly #tally: Tally;

  /** @param asked a stop that this rank may have been asked for; @param samples of which so many may be bad, by `rule` */
  constructor(
    readonly peers: Peers,
    private readonly asked: StopRequest,
    samples: number,
    rule: BadSampleRule,
  ) {
    this.#tally = new Tally(samples, rule);
    const agreed = () => this.#agreed;
    this.stop = {
      get requested() {
        return agreed();
      },
    };
  }

  /** What this rank's own loader does about bad samples: all ranks count them together. */
  get rule(): BadSampleRule {
    return { maxBad: 1, onBad: (bad) => this.#bad.push(bad) };
  }

  /**
   * Brings the parts of a step's batch together. Errors: GpuError where ranks have gone apart; HealthError where too many samples are bad, or
   * all of the batch: the same on every rank.
   */
  async exchange(
    step: number,
    rows: EncodedRows,
    { keys, replaced, captions, sentiment }: BatchWords,
  ): Promise<WholeBatch> {
    const own: Told = {
      ...{ step, ...rows, keys, captions, sentiment },
      ...(replaced?.length && { replaced }),
      ...(this.asked.requested !== undefined && { stop: this.asked.requested }),
      bad: this.#bad.splice(0),
      before: this.#before,
    };
    const all = await this.#all<Told>(own);
    checkTogether(all);
    this.#agreed ??= all.find(({ stop }) => stop !== undefined)?.stop;
    const clips = {
      keys: all.flatMap((told) => told.keys),
      replaced: all.flatMap((told) => told.replaced ?? []),
      captions: all.flatMap((told) => told.captions),
      sentiment: joined(all.map((told) => told.sentiment)),
    };
    for (const bad of all.flatMap((told) => told.bad)) this.#tally.add(bad);
    if (clips.replaced.length === clips.keys.length)
      throw new HealthError(`step ${step}: all ${clips.keys.length} samples of the batch are bad`);
    return { rows: { v: joined(all.map(({ v }) => v)), t: joined(all.map(({ t }) => t)) }, clips };
  }

  /** Keeps the numbers of a step: with the next batch the ranks compare them. */
  note({ loss, norm, logitScale }: { loss: number; norm: number; logitScale: number }): void {
    this.#before = [loss, norm, logitScale];
  }

  /** What rank 0 has, for all; the others bring nothing. */
  async ofFirst<T>(make: () => Promise<T>): Promise<T> {
    const { peers } = this;
    const own = peers.rank === 0 ? serialize(await make()) : new Uint8Array();
    return deserialize(await peers.broadcast(own)) as T;
  }

  async #all<T>(own: T): Promise<T[]> {
    return (await this.peers.gather(serialize(own))).map((bytes) => deserialize(bytes) as T);
  }
}

/** Silent where ranks are at the same step and had the same numbers before. */
function checkTogether(all: readonly Told[]): void {
  const [first] = all;
  for (const [rank, { step, before }] of all.entries()) {
    if (step !== first.step)
      throw new GpuError(`rank ${rank} is at step ${step}, rank 0 at step ${first.step}: they have gone apart`);
    if (before?.some((number, i) => !Object.is(number, first.before?.[i])))
      throw new GpuError(
        `step ${step - 1}: rank ${rank} computed loss, norm and logit scale ${before.join(", ")}, rank 0 ${first.before?.join(", ")}\n` +
          "  every rank has the same gradients, so their GPUs round differently: ranks need adapters of one kind with one driver",
      );
  }
}

function joined(parts: readonly Float32Array[]): Float32Array<ArrayBuffer> {
  const all = new Float32Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
