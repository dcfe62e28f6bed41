// What misuse may be answered with: one sentence of ours, at once or as a rejection. Values that belong nowhere.
import {
  CheckpointError,
  DiskError,
  EngineError,
  FormatError,
  KernelError,
  LimitError,
  type Tensor,
} from "../../engine/index.ts";

class Stranger {}

/** Values that no function takes where it takes something else; those of `everywhere` no function takes at all. */
export const everywhere = (tensor: Tensor): Record<string, unknown> => ({
  "a promise of a tensor": Promise.resolve(tensor),
  "a symbol": Symbol("x"),
  "a bigint": 7n,
});

export const somewhere: Record<string, unknown> = {
  undefined: undefined,
  null: null,
  "a text": "zorgblatt",
  "an empty text": "",
  "an object": {},
  "an array": [],
  "an array of texts": ["zorgblatt"],
  "an array of null": [null],
  "a function": () => 7,
  "a class": Stranger,
  "a stranger": new Stranger(),
  true: true,
  NaN: Number.NaN,
  "-1": -1,
  "1.5": 1.5,
  Infinity: Number.POSITIVE_INFINITY,
  "2^31": 2 ** 31,
  "2^53": 2 ** 53,
  bytes: new Uint8Array(3),
  floats: new Float32Array(3),
};

/** How a call ended: accepted, refused with a sentence of ours, or something that no user should see. */
export type Answer = { kind: "accepted" } | { kind: "refused"; error: EngineError } | { kind: "wrong"; what: string };

/** Makes the call and waits for it; a generator is asked for its first value, a stream or handle is closed. */
export async function answerTo(call: () => unknown): Promise<Answer> {
  try {
    const made = call();
    const patience = new Promise<"late">((resolve) => setTimeout(resolve, 5000, "late"));
    const settled = await Promise.race([Promise.resolve(made).then(firstOf), patience]);
    if (settled === "late") return { kind: "wrong", what: "no answer in five seconds" };
    return { kind: "accepted" };
  } catch (error) {
    return judged(error);
  }
}

async function firstOf(value: unknown): Promise<void> {
  const { next } = (value ?? {}) as { next?: unknown };
  if (typeof next !== "function") return;
  const iterator = value as AsyncGenerator;
  await iterator.next();
  await iterator.return?.(undefined);
}

function judged(error: unknown): Answer {
  if (!(error instanceof EngineError)) return { kind: "wrong", what: String(error) };
  if (!/^\S.{9}/.test(error.message)) return { kind: "wrong", what: `no sentence: ${error.message}` };
  if (/Cannot read prop|is not a function|is not iterable|undefined \(reading/.test(error.message))
    return { kind: "wrong", what: `an error of JavaScript inside ours: ${error.message}` };
  return { kind: "refused", error };
}

/** Classes that answer a mistake in the program, and those that answer one in a file that it names. */
export const ofFiles = [FormatError, CheckpointError, DiskError, KernelError, LimitError];
