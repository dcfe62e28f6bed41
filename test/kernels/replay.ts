// How a claim about an op is put to the test: on drawn cases, on the one that failed before (seed and path), or on one given case.
// A failure says which claim, at which case, and ends with the call that repeats it.
import fc from "fast-check";
import { EngineError, KernelError } from "../../engine/index.ts";
import type { Attrs } from "../../engine/declare/pass.ts";
import type { Case, Op } from "./derive.ts";

/** Sizes of the axes that inputs have, as `{ N: 3, D: 2 }`, and in `attrs` the attributes that differ from the declared ones. */
export interface CheckCase {
  readonly [axis: string]: number | Partial<Attrs> | undefined;
  readonly attrs?: Partial<Attrs>;
}

/** Which claims are tested, and on which cases. */
export interface ClaimOptions {
  /** Whole number that cases and their data are drawn from; default 2022. With `case`, that of its data. */
  readonly seed?: number;
  /** Where drawing with `seed` failed, as the last line of a failure says it: that case alone. Needs `claim`. */
  readonly path?: string;
  /** Cases of each claim, from 1 on. Default: 1 to 48, as the claim needs; 1 with `path` or `case`, which then differ in their data. */
  readonly runs?: number;
  /** This case alone, beside `test.sizes` of the declaration. */
  readonly case?: CheckCase;
  /** The sentence of one claim, as failures and the names of tests have it: no other is tested. */
  readonly claim?: string;
}

/** The same, read and found right. */
export interface Replay {
  readonly seed: number;
  readonly path: string | undefined;
  readonly runs: number | undefined;
  readonly case: Case | undefined;
  readonly claim: string | undefined;
}

/** Something that is true of an op: the cases it is tested on, and its proof at one of them. */
export interface Claim<C> {
  readonly sentence: string;
  readonly runs: number;
  readonly cases: fc.Arbitrary<C>;
  /** What there is to test at a given case. */
  readonly at: (c: Case) => readonly C[];
  /** The case that a draw is about; undefined where sizes do not matter. */
  readonly caseOf: (drawn: C) => Case | undefined;
  readonly holds: (drawn: C) => Promise<void>;
}

/** Where a claim failed, and what `checkOp` needs to fail there again. */
interface Failure {
  readonly op: Op;
  readonly claim: string;
  readonly at: Case | undefined;
  readonly tried: string;
  readonly repeat: ClaimOptions;
  readonly cause: unknown;
}

/** A claim about an op does not hold. The message says where, what was found, and in its last line the call that fails again. */
export class ClaimError extends EngineError {
  /** The sentence that is not true. */
  readonly claim: string;
  /** The smallest case found; undefined where sizes do not matter. */
  readonly case: CheckCase | undefined;
  /** The options with which `checkOp` fails again. */
  readonly repeat: ClaimOptions;

  constructor({ op, claim, at, tried, repeat, cause }: Failure) {
    const found = cause instanceof Error ? cause.message : String(cause);
    const small = at && shown(at);
    const place = small ? ` at ${literal(small)}, data of seed ${at.seed}` : "";
    super(`${op.name}: "${claim}" fails${place} (${tried})\n${indented(found)}\n${callOf(op.name, repeat)}`, { cause });
    this.claim = claim;
    this.case = small;
    this.repeat = repeat;
  }
}

/** Tests a claim as `replay` says. Errors: ClaimError; KernelError as it is, for no case would compile. */
export async function testClaim<C>(op: Op, claim: Claim<C>, replay: Replay): Promise<void> {
  if (replay.case) await testAt(op, claim, replay, replay.case);
  else await testDrawn(op, claim, replay);
}

async function testAt<C>(op: Op, claim: Claim<C>, { seed, runs = 1 }: Replay, given: Case): Promise<void> {
  for (let i = 0; i < runs; i++) {
    const at = { ...given, seed: seed + i };
    for (const drawn of claim.at(at))
      await claim.holds(drawn).catch((cause) => {
        if (cause instanceof KernelError) throw cause;
        const repeat = { case: shown(at), seed: at.seed, claim: claim.sentence };
        throw new ClaimError({ op, claim: claim.sentence, at, tried: "the case given", repeat, cause });
      });
  }
}

async function testDrawn<C>(op: Op, claim: Claim<C>, { seed, path, runs }: Replay): Promise<void> {
  let refused: KernelError | undefined;
  const property = fc.asyncProperty(claim.cases, async (drawn) => {
    if (refused) return; // nothing compiles any more: no smaller case is sought
    await claim.holds(drawn).catch((error) => {
      if (!(error instanceof KernelError)) throw error;
      refused = error;
    });
  });
  const numRuns = runs ?? (path === undefined ? claim.runs : 1);
  const result = await fc.check(property, { seed, path, numRuns });
  if (refused) throw refused;
  if (!result.failed) return;
  throw new ClaimError({
    op,
    claim: claim.sentence,
    at: result.counterexample ? claim.caseOf(result.counterexample[0]) : undefined,
    tried: `after ${result.numRuns} of ${numRuns} cases of seed ${seed}, made smaller ${result.numShrinks} times`,
    repeat: { seed, path: result.counterexamplePath ?? undefined, claim: claim.sentence },
    cause: result.errorInstance,
  });
}

/** A case as options have it. */
const shown = ({ sizes, attrs }: Case): CheckCase => (Object.keys(attrs).length > 0 ? { ...sizes, attrs } : sizes);

const indented = (text: string): string => text.replace(/^(?=.)/gm, "  ");

const callOf = (name: string, options: ClaimOptions): string => `checkOp(${name}, gpu, ${literal(options)})`;

/** A value as one writes it in a program. */
function literal(value: unknown): string {
  if (typeof value !== "object" || value === null)
    return typeof value === "string" ? JSON.stringify(value) : Object.is(value, -0) ? "-0" : String(value);
  const given = Object.entries(value).filter(([, each]) => each !== undefined);
  return `{ ${given.map(([key, each]) => `${key}: ${literal(each)}`).join(", ")} }`;
}
