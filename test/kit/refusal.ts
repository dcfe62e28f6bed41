// For tests of what must fail.
import * as assert from "uvu/assert";
import { EngineError } from "../../engine/errors.ts";

/** The error that the work is rejected with; work that succeeds fails the test, and `what` names it. */
export async function failure(work: Promise<unknown>, what = "the work"): Promise<Error> {
  const error = await work.then(
    () => undefined,
    (reason) => reason,
  );
  assert.instance(error, Error, `${what} was accepted`);
  return error;
}

/** The same for an error that a person can mend: one of our classes. */
export async function refusal(work: Promise<unknown>, what?: string): Promise<EngineError> {
  const error = await failure(work, what);
  if (error instanceof EngineError) return error;
  throw error;
}
