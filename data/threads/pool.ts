// Hands that answer questions: threads of a bundle, or this thread. Which of them answers makes no difference to the answer.
import { Lanes } from "./lanes.ts";
import { answerWith, Thread } from "./thread.ts";

/** Questions that a hand works on at a time: enough to keep the picture decoder busy, few enough to bound memory. */
export const IN_HAND = 2;

/** What answers questions, and what it holds meanwhile. */
export interface Hand<Q, A> {
  answer(question: Q): Promise<A>;
  close?(): void;
}

/** Some hands. */
export interface Pool<Q, A> {
  /** Answered by the hand that has least to do; many questions may wait. */
  ask(question: Q): Promise<A>;
  /** Ends the hands; what nobody has begun fails with this reason. */
  close(why: string): Promise<void>;
}

/** Where answers come from. */
export interface PoolOptions<Q, A> {
  /** Threads; 0 answers on the calling one. */
  readonly workers: number;
  /** The bundle of a thread, which calls `lendHand`, and its `workerData`. */
  readonly bundle: string;
  readonly data: unknown;
  /** The same hand, for this thread. */
  readonly here: () => Hand<Q, A>;
}

export function openPool<Q, A>({ workers, bundle, data, here }: PoolOptions<Q, A>): Pool<Q, A> {
  return workers === 0
    ? ownHand(here())
    : threads(Array.from({ length: workers }, () => new Thread<Q, A>(bundle, data)));
}

/** The thread's end of a pool; `buffers` of an answer are handed over, not copied. */
export function lendHand<Q, A>(hand: Hand<Q, A>, buffers: (answer: A) => ArrayBuffer[]): void {
  const lanes = new Lanes(IN_HAND);
  answerWith<Q, A>((question) => lanes.run(() => hand.answer(question)), buffers);
}

function ownHand<Q, A>(hand: Hand<Q, A>): Pool<Q, A> {
  const lanes = new Lanes(IN_HAND);
  let closed: Error | undefined;
  const answer = async (question: Q) => {
    if (closed) throw closed;
    return hand.answer(question);
  };
  return {
    ask: (question) => lanes.run(() => answer(question)),
    close: async (why) => {
      closed ??= new Error(why);
      await lanes.ended();
      hand.close?.();
    },
  };
}

function threads<Q, A>(all: readonly Thread<Q, A>[]): Pool<Q, A> {
  const idlest = () => all.reduce((least, each) => (each.load < least.load ? each : least));
  return {
    ask: (question) => idlest().ask(question),
    close: async (why) => {
      await Promise.all(all.map((thread) => thread.close(why)));
    },
  };
}
